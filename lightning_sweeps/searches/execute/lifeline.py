"""Processes that end when the process they work for ends, however it ends, together with their children."""

import fcntl
import os
import signal
import threading
from contextlib import suppress


def tie_group(descriptor: int, group: int) -> None:
    """Have Linux kill this group of processes as soon as the other end of a pipe is closed, as by its owner's death.

    The signal belongs to the open file, so no two groups may be tied by one. One of them has to hold it open.

    Args:
        descriptor: the reading end of a pipe that nobody writes into.

    Raises:
        AttributeError, OSError: this is not Linux.
    """
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, -group)
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)


def tie(descriptor: int) -> None:
    """Kill this process's group as soon as the other end of a pipe is closed.

    Linux does it by itself, whatever this process is busy with, and without a thread.

    Args:
        descriptor: as for ``tie_group``. The process leads its group.
    """
    try:
        tie_group(descriptor, os.getpgrp())
    except (AttributeError, OSError):  # not Linux
        threading.Thread(target=_wait, args=(descriptor,), daemon=True).start()
        return
    with suppress(BlockingIOError):
        os.read(descriptor, 1)
        os.killpg(0, signal.SIGKILL)  # the pipe was closed before


def _wait(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.killpg(0, signal.SIGKILL)
