"""The journal file in a search's folder, which keeps the study."""

import json
import os
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from optuna.storages.journal._storage import JournalOperation

from lightning_sweeps.errors import FolderError
from lightning_sweeps.searches.store.locking import lock

JOURNAL = "study.journal"


_WAITS_FOR_THE_DISK = {
    JournalOperation.CREATE_STUDY,
    JournalOperation.SET_STUDY_USER_ATTR,
    JournalOperation.SET_TRIAL_STATE_VALUES,
}


class FileLock(BaseJournalFileLock):
    """A lock of the system, which ends with the process that holds it.

    Optuna's lock files stay after ``kill -9`` and make the next process wait for 30 seconds.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self._descriptor = -1
        self._seen = False

    def acquire(self) -> bool:
        # Optuna would begin an empty journal if the old one has been deleted.
        there = self.journal.is_file()
        if self._seen and not there:
            raise FolderError(f"{self.journal} is gone: somebody deleted or moved it while the search was running")
        self._seen = there
        self._descriptor = os.open(self.journal.with_name(f".{self.journal.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            lock(self._descriptor, self.journal)
        except FolderError:
            self.release()
            raise
        return True

    def release(self) -> None:
        os.close(self._descriptor)


class JournalFile(JournalFileBackend):
    """Optuna's journal file, which waits for the disk when a trial is told, not for each parameter and report.

    A process that is killed loses nothing either way. A machine that loses power loses what its running trials wrote
    since the last told one; they are run again anyway.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if any(log["op_code"] in _WAITS_FOR_THE_DISK for log in logs):
            super().append_logs(logs)
            return
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with get_lock_file(self._lock), Path(self._file_path).open("ab") as file:
            file.write(lines.encode())


def open_journal(folder: Path, *, alone: bool = True) -> BaseStorage:
    """Open the journal in the folder, without a last line that a kill or a full disk has cut off.

    Args:
        alone: nobody else is just writing a line.
    """
    file = folder / JOURNAL
    if alone and file.is_file():
        _settle_the_end(file)
    return _open(JournalFile(str(file), lock_obj=FileLock(file)), file)


def read_journal(folder: Path) -> BaseStorage:
    """Open the journal for reading. Its last line may be torn: a running search may be writing it."""
    return _open(JournalFileBackend(str(folder / JOURNAL)), folder / JOURNAL)


def _open(backend: JournalFileBackend, file: Path) -> BaseStorage:
    try:
        return JournalStorage(backend)
    except (ValueError, LookupError, AssertionError, TypeError, AttributeError) as error:
        lines = enumerate(file.read_bytes().splitlines(), start=1)
        bad = next((number for number, line in lines if not _is_entry(line)), None)
        raise _damaged(file, f"line {bad} of it cannot be read" if bad else f"it cannot be read ({error!r})") from error


def _damaged(file: Path, where: str) -> FolderError:
    return FolderError(
        f"{file} is damaged: {where}.\nMake a copy of it, and take that line out; the rest of the study is good"
    )


def _is_entry(line: bytes) -> bool:
    """Whether it is a line of a journal."""
    try:
        JournalOperation(json.loads(line)["op_code"])
    except (ValueError, LookupError, TypeError):
        return False
    return True


def _settle_the_end(file: Path) -> None:
    """Drop a torn line, and refuse a foreign one, which Optuna would notice only when it writes the next."""
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(file, len(whole))
    last = whole[:-1].rpartition(b"\n")[2]
    if last and not _is_entry(last):
        number = whole.count(b"\n")
        raise _damaged(file, f"line {number} of it cannot be read")
