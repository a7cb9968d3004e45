"""Handlers of signals, set for a while and put back."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


def install(handler: Any, *numbers: signal.Signals) -> dict[signal.Signals, Any]:
    """Handle these signals, except those that are ignored: a shell's jobs in the background are not meant.

    Outside of the main thread Python lets nobody handle signals, and nothing is done.

    Args:
        handler: as ``signal.signal`` takes it.

    Returns:
        The handlers from before, for ``restore``.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


def restore(before: Mapping[signal.Signals, Any]) -> None:
    """Put back what ``install`` has replaced."""
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: one that is not Python's


@contextmanager
def handled(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    """While inside, handle these signals; see ``install``."""
    before = install(handler, *numbers)
    try:
        yield
    finally:
        restore(before)
