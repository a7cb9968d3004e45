"""Processes that end when the process they work for ends, however it ends, together with their children."""

import fcntl
import os
import signal
import threading
from contextlib import suppress


def tie(descriptor: int) -> None:
    """Kill this process's group as soon as the other end of a pipe is closed, as by its owner's death.

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
    except (AttributeError, OSError):  # not Linux
        threading.Thread(target=_wait, args=(descriptor,), daemon=True).start()
        return
    with suppress(BlockingIOError):
        os.read(descriptor, 1)
        os.killpg(0, signal.SIGKILL)  # the pipe was closed before


def _wait(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.killpg(0, signal.SIGKILL)
