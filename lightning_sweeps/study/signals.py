"""Signals that wake an event loop."""

import signal
import socket
from collections.abc import Callable


class Signals:
    """While inside, Ctrl-C, SIGTERM and a closed terminal call the handler and wake the loop through a socket."""

    def __init__(self, handler: Callable[[int], None]) -> None:
        self.handler = handler

    def __enter__(self) -> socket.socket:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._before = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, lambda caught, _: self.handler(caught))
        return self._read

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._read.close()
        self._write.close()
