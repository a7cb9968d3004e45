"""Locks of the system: they end with the process that holds them, and nobody waits for one for ever."""

import fcntl
import os
import time
from pathlib import Path

from lightning_sweeps.errors import FolderError

SECONDS_TO_WAIT = 60.0  # a lock is held for moments, unless its holder was stopped or its disk hangs
FIRST_PAUSE, LONGEST_PAUSE = 0.0005, 0.02


def lock(descriptor: int, file: Path, kind: int = fcntl.LOCK_EX) -> None:
    """Lock an open file.

    Args:
        file: what it is the lock of, for people.

    Raises:
        FolderError: others have held it for a minute; says who.
    """
    deadline, pause = time.monotonic() + SECONDS_TO_WAIT, FIRST_PAUSE
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise FolderError(f"{file} has been locked for {SECONDS_TO_WAIT:g} s{holders(descriptor)}") from error
        else:
            return
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def holders(file: Path | int) -> str:
    """`` by process N``, as far as the system tells of a file or a descriptor."""
    try:
        about = os.stat(file)  # noqa: PTH116 (a descriptor too)
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return ""
    inode = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    pids = sorted({line[4] for line in lines if inode in line and "->" not in line and line[4].isdecimal()} - {"0"})
    return f" by process {', '.join(pids)}" if pids else ""
