"""Ctrl-C before there is anything to save: a command of this package leaves with exit code 130, without a traceback.

A command imports it first, and it imports nothing that takes a millisecond, in which a Ctrl-C would have a traceback of
Python's. So it uses ``_signal``, which ``signal`` wraps in enumerations.
"""

import _signal  # type: ignore[import-not-found]  # the stubs leave it out
import os
import sys


def leave_at_ctrl_c() -> None:
    """From now on Ctrl-C ends this process at once; some library's import would swallow a ``KeyboardInterrupt``.

    If a shell has set it to be ignored, for a job in the background, it stays so.
    """
    if _signal.getsignal(_signal.SIGINT) is not _signal.SIG_IGN:
        try:
            _signal.signal(_signal.SIGINT, _leave)
        except ValueError:  # Python lets only the main thread
            return
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {_signal.SIGINT})


def is_command() -> bool:
    """Whether this process was started as ``python -m lightning_sweeps...``; a program of somebody's own was not."""
    return sys.argv[0] == "-m" and starts_a_command(sys.orig_argv)


def starts_a_command(program: list[str]) -> bool:
    """Whether this starts a command of this package."""
    module = program[program.index("-m") + 1 :][:1] if "-m" in program else []
    return bool(module) and module[0].partition(".")[0] == "lightning_sweeps"


class Held:
    """Inside, a Ctrl-C waits: until the end, and in a command of this package that is started until it can leave.

    Python itself has a traceback for one in its first moments.

    Args:
        program: what is started.
    """

    def __init__(self, program: list[str]) -> None:
        self._holds = starts_a_command(program)

    def __enter__(self) -> None:
        if self._holds:
            _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})

    def __exit__(self, *_: object) -> None:
        if self._holds:
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {_signal.SIGINT})


class Interruptible:
    """Inside, Ctrl-C raises, so that what is half written is taken away; outside of it the process leaves."""

    def __enter__(self) -> None:
        if _signal.getsignal(_signal.SIGINT) is _leave:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)

    def __exit__(self, kind: object, *_: object) -> None:
        leave_at_ctrl_c()
        if kind is KeyboardInterrupt:
            sys.exit(130)


def _leave(number: int, _: object) -> None:
    os._exit(128 + number)
