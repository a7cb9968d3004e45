"""Signals that wake an event loop."""

import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from lightning_sweeps.terminal.handlers import install, restore

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# By these a cluster says that the time is nearly up; who launched this process may want to put it into the queue again.
TIME_IS_UP = (signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """While inside, Ctrl-C, SIGTERM, a closed terminal and a cluster's warning wake the loop, which delivers them.

    A handler interrupts the program anywhere, in the middle of a line that it writes; so it only notes the signal.
    After a warning the handler that was there before is called when all is done.
    """

    def __init__(self) -> None:
        self._caught: list[int] = []
        self._warned: int | None = None

    def __enter__(self) -> Self:
        self.wake, self._write = socket.socketpair()
        self.wake.setblocking(False)
        self._write.setblocking(False)
        self._before = install(lambda number, _: self._caught.append(number), *STOP, *TIME_IS_UP)
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False) if self._before else -1
        return self

    def deliver(self, handle: Callable[[int], None]) -> None:
        """Handle what has come since."""
        with suppress(BlockingIOError):
            self.wake.recv(64)
        while self._caught:
            number = self._caught.pop(0)
            if number in TIME_IS_UP:
                self._warned = number
            handle(number)

    def __exit__(self, kind: object, *_: object) -> None:
        restore(self._before)
        if self._before:
            signal.set_wakeup_fd(self._wakeup)
        self.wake.close()
        self._write.close()
        before = self._before.get(signal.Signals(self._warned)) if self._warned is not None else None
        if callable(before) and self._warned is not None and kind is None:
            before(self._warned, None)
