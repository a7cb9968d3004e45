"""Whose folder a search is."""

import fcntl
import os
import time
from pathlib import Path

from lightning_sweeps.errors import FolderError

SUPERVISOR = ".supervisor"
SECONDS_OF_A_LOOK = 0.2


class FolderLock:
    """One supervisor a folder. Its trials hold a lock of their own, so a successor can wait until the last is gone.

    Raises:
        FolderError: another supervisor is at work there.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / SUPERVISOR, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._take()
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise FolderError(
                f"{folder}: another supervisor is at work on this search; wait for it or stop it"
            ) from error
        hold_trials_lock(folder, fcntl.LOCK_EX)  # trials of a killed supervisor end by themselves, within moments

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(SECONDS_OF_A_LOOK)  # it may be somebody who only looks whether it is taken
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let another supervisor have the folder."""
        os.close(self._descriptor)


def is_locked(folder: Path) -> bool:
    """Whether a supervisor is at work in the folder, on this machine."""
    try:
        descriptor = os.open(folder / SUPERVISOR, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def hold_trials_lock(folder: Path, kind: int = fcntl.LOCK_SH) -> int:
    """Wait for the trials' lock: they share it until they end; a supervisor takes it alone and lets it go at once."""
    descriptor = os.open(folder / ".trials", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, kind)
    if kind == fcntl.LOCK_EX:
        os.close(descriptor)
    return descriptor
