"""Signals that wake an event loop."""

import signal
import socket
from collections.abc import Callable

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# By these a cluster says that the time is nearly up; who launched this process may want to put it into the queue again.
TIME_IS_UP = (signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """While inside, Ctrl-C, SIGTERM, a closed terminal and a cluster's warning call the handler and wake the loop.

    After a warning the handler that was there before is called when all is done.
    """

    def __init__(self, handler: Callable[[int], None]) -> None:
        self.handler = handler
        self._warned: int | None = None

    def __enter__(self) -> socket.socket:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._before = {}
        for number in (*STOP, *TIME_IS_UP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, lambda caught, _: self._catch(caught))
        return self._read

    def __exit__(self, kind: object, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._read.close()
        self._write.close()
        before = self._before.get(signal.Signals(self._warned)) if self._warned is not None else None
        if callable(before) and self._warned is not None and kind is None:
            before(self._warned, None)

    def _catch(self, number: int) -> None:
        if number in TIME_IS_UP:
            self._warned = number
        self.handler(number)
