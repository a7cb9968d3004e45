"""Why a distributed run failed: the first process of it often knows only that another one has gone."""

import re
import time
from pathlib import Path

from lightning_sweeps.errors import RankError
from lightning_sweeps.files.folders import write_atomically

SECONDS_FOR_A_REASON = 2.0  # the one that has failed closes its connections first, and writes then
# What Gloo, NCCL and the store say of a process that has gone.
_OF_ANOTHER = re.compile(
    r"closed by peer|Connection reset|Broken pipe|NCCL|gloo|TCPStore|remote (worker|process)|timed out", re.IGNORECASE
)


def forget_reasons(folder: Path, rank: int) -> None:
    """Remove what this process has left from an earlier run."""
    _file(folder, rank).unlink(missing_ok=True)


def note_reason(folder: Path, rank: int, error: BaseException) -> None:
    """Leave the reason for the first process, from another that has failed by itself."""
    if not _OF_ANOTHER.search(str(error)):
        write_atomically(_file(folder, rank), " ".join(f"{type(error).__name__}: {error}".split()))


def reason_of_another(folder: Path, world_size: int, error: BaseException) -> RankError | None:
    """Why another process has failed, if this one's error says only that it has gone."""
    if not _OF_ANOTHER.search(str(error)):
        return None
    deadline = time.monotonic() + SECONDS_FOR_A_REASON
    while time.monotonic() < deadline:
        for rank in range(1, world_size):
            if (file := _file(folder, rank)).is_file():
                return RankError(f"rank {rank}: {file.read_text(encoding='utf-8')}")
        time.sleep(0.02)
    return None


def _file(folder: Path, rank: int) -> Path:
    return folder / f".failed.rank{rank}"
