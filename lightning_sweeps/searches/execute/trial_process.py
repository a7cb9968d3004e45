"""A trial's process as the supervisor sees it. The supervisor is not its parent."""

import os
import signal
from contextlib import suppress

from lightning_sweeps.searches.execute.servers import Server


class TrialProcess:
    """A process of a trial. ``pid`` is None until it has been started, ``exitcode`` until it has ended."""

    def __init__(self, server: Server, lifeline: int) -> None:
        self.server = server
        self.pid: int | None = None
        self.exitcode: int | None = None
        self.descriptor: int | None = None  # a pidfd, which tells of its end if the server cannot
        self._lifeline: int | None = lifeline
        self._killed = False
        self._to_send: int | None = None  # a signal that came before the server had told the pid

    @property
    def ended(self) -> bool:
        """Whether it is gone. If it was killed before it was started, its lifeline is cut, and it cannot begin."""
        return self.exitcode is not None or (self._killed and self.pid is None)

    def signal(self, number: int) -> None:
        """Signal it and its children, as a terminal does. SIGKILL also works if it has not started yet.

        What it started may have a group of its own. A process that has just been forked is not yet its group's leader.
        """
        if number == signal.SIGKILL:
            self._killed = True
            self._cut()
        if self.pid is None:  # the trial may be at work already: it speaks for itself, and the server of it
            self._to_send = signal.SIGKILL if self._killed else number
            return
        if self.ended and number != signal.SIGKILL:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            if not self.ended:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)
        except PermissionError:
            pass

    def started(self, pid: int, descriptors: list[int]) -> None:
        """The server has started it."""
        self.pid = pid
        self.descriptor = descriptors[0] if descriptors else None
        if self._to_send is not None:
            self.signal(self._to_send)

    def end(self, code: int) -> None:
        """Note that it is gone, and kill what it has left behind."""
        self.exitcode = code
        self._cut()
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def _cut(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
