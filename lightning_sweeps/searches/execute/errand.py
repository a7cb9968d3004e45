"""Work for the end of a search, such as its report, in a process that gets ready while the last trials run."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol


class Prepare(Protocol):
    """Prepares the work: called in advance, or when it is time to do it."""

    def __call__(self, *, ahead: bool) -> Callable[[Any], str]:
        """Get ready; return a function that does the work and says what went wrong, or returns an empty string."""


@dataclass(frozen=True)
class Preparation:
    """The errand as a process is given it, instead of a trial."""

    prepare: Prepare

    def __call__(self, connection: Connection) -> None:
        """Do it, in that process."""
        do = self.prepare(ahead=True)
        try:
            given = connection.recv()
        except EOFError:  # the errand is not needed
            return
        connection.send(do(given))


class Errand:
    """The errand as the supervisor sees it."""

    def __init__(self, prepare: Prepare) -> None:
        self._preparation = Preparation(prepare)
        self._connection: Connection | None = None
        self._kill: Callable[[], None] | None = None

    @property
    def begun(self) -> bool:
        """Whether a process is getting ready."""
        return self._connection is not None

    def begin(self, connection: Connection, kill: Callable[[], None]) -> None:
        """Have a process get ready.

        Args:
            kill: ends the process.
        """
        self._connection, self._kill = connection, kill
        with suppress(OSError):  # the process was killed meanwhile
            connection.send(self._preparation)

    def do(self, given: Any) -> str:
        """Do it, in that process or in this one, and wait. Returns what went wrong, or an empty string."""
        if self._connection is not None:
            with suppress(EOFError, OSError):  # that process is gone
                self._connection.send(given)
                self._connection.recv()  # the message that it is ready for work
                return str(self._connection.recv())
        return self._preparation.prepare(ahead=False)(given)

    def close(self) -> None:
        """End the process."""
        if self._connection is not None and self._kill is not None:
            self._kill()
            self._connection.close()
