"""Processes that end with the one that they work for, however that one ends, and take along what they started."""

import fcntl
import os
import signal
import threading
from contextlib import suppress


def tie(descriptor: int) -> None:
    """Have this process's group killed as soon as the other end of a pipe is closed; its owner's death closes it.

    Linux does it by itself, whatever this process is busy with, and without a thread. The signal belongs to the open
    file, so no two processes may be tied by one.

    Args:
        descriptor: the reading end of a pipe that nobody writes into. The process leads its group.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    except (AttributeError, OSError):  # another system
        threading.Thread(target=_wait, args=(descriptor,), daemon=True).start()
        return
    with suppress(BlockingIOError):
        os.read(descriptor, 1)
        os.killpg(0, signal.SIGKILL)  # it was closed before


def _wait(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.killpg(0, signal.SIGKILL)
