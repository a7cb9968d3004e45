"""Whose folder a search is."""

import fcntl
import os
from pathlib import Path

from lightning_sweeps.errors import FolderError

SUPERVISOR = ".supervisor"


class FolderLock:
    """One supervisor a folder. Its trials hold a lock of their own, so a successor can wait until the last is gone.

    Raises:
        FolderError: another supervisor is at work there.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / SUPERVISOR, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise FolderError(
                f"{folder}: another supervisor is at work on this search; wait for it or stop it"
            ) from error
        hold_trials_lock(folder, fcntl.LOCK_EX)  # trials of a killed supervisor end by themselves, within moments

    def release(self) -> None:
        """Let another supervisor have the folder."""
        os.close(self._descriptor)


def hold_trials_lock(folder: Path, kind: int = fcntl.LOCK_SH) -> int:
    """Wait for the trials' lock: they share it until they end; a supervisor takes it alone and lets it go at once."""
    descriptor = os.open(folder / ".trials", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, kind)
    if kind == fcntl.LOCK_EX:
        os.close(descriptor)
    return descriptor
