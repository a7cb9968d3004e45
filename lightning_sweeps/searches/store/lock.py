"""Who is at work in a search's folder."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from lightning_sweeps.errors import FolderError
from lightning_sweeps.searches.store.locking import holders, lock

SUPERVISOR = ".supervisor"
SUPERVISORS = ".supervisors"  # a folder with a lock of each
SECONDS_OF_A_LOOK = 0.2
SECONDS_BETWEEN_TRIES = 0.01


class FolderLock:
    """Shared by the supervisors of a search. The one that starts it must be the first; others may join.

    Raises:
        FolderError: it is to start the search, and a supervisor is at work.
    """

    def __init__(self, folder: Path, *, join: bool = False) -> None:
        self._descriptor = os.open(folder / SUPERVISOR, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not join:
                self._be_first()
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise FolderError(
                f"{folder}: a supervisor is at work on this search; wait for it, stop it, or add another one with\n"
                f"python -m lightning_sweeps.join {folder}"
            ) from error
        lock(self._descriptor, folder / SUPERVISOR, fcntl.LOCK_SH)

    def _be_first(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(SECONDS_OF_A_LOOK)  # somebody may only be looking whether it is taken
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_last(self) -> bool:
        """Whether no other supervisor, nor who launched some, is at work in the folder any more."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Leave the search."""
        os.close(self._descriptor)


def is_locked(folder: Path) -> bool:
    """Whether a supervisor is at work in the folder, on this machine."""
    return _is_held(folder / SUPERVISOR)


class SupervisorLock:
    """Held until the supervisor has ended, however it ends."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / SUPERVISORS / name
        self.file.parent.mkdir(exist_ok=True)
        self._descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o644)
        lock(self._descriptor, self.file)

    def release(self) -> None:
        """The supervisor leaves; its trials have ended."""
        for file in (self.file, _of_trials(self.file)):
            file.unlink(missing_ok=True)
        os.close(self._descriptor)


def hold_trials_lock(supervisor: Path) -> int:
    """Hold the lock that a supervisor's trials share until they end.

    It is one that belongs to this process alone: what a trial forks, and leaves behind, does not hold it.
    """
    descriptor = os.open(_of_trials(supervisor), os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.lockf(descriptor, fcntl.LOCK_SH)
    return descriptor


def is_gone(supervisor: Path, patience: float) -> bool | None:
    """Whether the supervisor with this lock is gone, and its trials, which end by themselves within moments.

    None if the lock is not there to tell.

    Args:
        patience: seconds to wait for its trials.
    """
    if not supervisor.is_file():
        return None
    if _is_held(supervisor):
        return False
    deadline = time.monotonic() + patience
    while trials_run(supervisor):
        if time.monotonic() > deadline:
            return False
        time.sleep(SECONDS_BETWEEN_TRIES)
    return True


def left_behind(supervisor: Path) -> str | None:
    """Which trials of a supervisor that is gone still run, in words; None if none does."""
    if not supervisor.is_file() or _is_held(supervisor) or not trials_run(supervisor):
        return None
    return holders(_of_trials(supervisor))


def trials_run(supervisor: Path) -> bool:
    """Whether trials of the supervisor with this lock have not ended."""
    try:
        return _is_held(_of_trials(supervisor), fcntl.lockf)
    except OSError:  # the several errors of a POSIX lock that is taken
        return True


def _of_trials(supervisor: Path) -> Path:
    return supervisor.with_name(f"{supervisor.name}.trials")


def _is_held(file: Path, lock: Callable[[int, int], object] = fcntl.flock) -> bool:
    """Whether another process holds the file's lock."""
    try:
        descriptor = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
