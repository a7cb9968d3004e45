"""Ctrl-C before there is anything to save: a command of this package leaves with exit code 130, without a traceback."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def leave_at_ctrl_c() -> None:
    """From now on Ctrl-C ends this process at once; some library's import would swallow a ``KeyboardInterrupt``.

    What a shell sets for a job in the background, to ignore it, stays.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)


def is_command() -> bool:
    """Whether this process was started as ``python -m lightning_sweeps...``; a program of somebody's own was not."""
    options = sys.orig_argv[1:]
    module = options[options.index("-m") + 1 :][:1] if "-m" in options else []
    return bool(module) and module[0].partition(".")[0] == "lightning_sweeps" and sys.argv[0] == "-m"


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside Ctrl-C raises, so that what is half written is taken away; outside of it the process leaves."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        leave_at_ctrl_c()
        sys.exit(130)
    leave_at_ctrl_c()


def _leave(number: int, _: object) -> None:
    os._exit(128 + number)
