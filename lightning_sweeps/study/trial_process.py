"""A process of a trial, as the supervisor sees it, which is not its parent."""

import os
import signal
from contextlib import suppress

from lightning_sweeps.study.servers import Server


class TrialProcess:
    """A process of a trial. ``pid`` is None until it has been started, ``exitcode`` until it has ended."""

    def __init__(self, server: Server, lifeline: int) -> None:
        self.server = server
        self.pid: int | None = None
        self.exitcode: int | None = None
        self.descriptor: int | None = None  # the system's, which tells of its end where the server cannot
        self._lifeline: int | None = lifeline
        self._killed = False

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self.exitcode is not None

    def signal(self, number: int) -> None:
        """Send a signal; SIGKILL to what it started as well, also where it has yet to be started."""
        if number == signal.SIGKILL:
            self._killed = True
            self._cut()
            if self.pid is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)
        if self.pid is not None and not self.ended:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def started(self, pid: int, descriptors: list[int]) -> None:
        """The server has started it."""
        self.pid = pid
        self.descriptor = descriptors[0] if descriptors else None
        if self._killed:
            self.signal(signal.SIGKILL)

    def end(self, code: int) -> None:
        """It is gone; what it has left behind goes too."""
        self.exitcode = code
        self._cut()
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def _cut(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
