"""What is to be done after the last trial, in a process that gets ready for it while the last trials run."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol


class Prepare(Protocol):
    """A function of a module, called in advance or when it is time."""

    def __call__(self, *, ahead: bool) -> Callable[[Any], str]:
        """Get ready; what this returns does the work with what it is given, and returns what was wrong, or nothing."""


@dataclass(frozen=True)
class Preparation:
    """Given to a process instead of a trial."""

    prepare: Prepare

    def __call__(self, connection: Connection) -> None:
        """Do it, in that process."""
        do = self.prepare(ahead=True)
        try:
            given = connection.recv()
        except EOFError:  # it is not needed
            return
        connection.send(do(given))


class Errand:
    """The same, as the supervisor sees it."""

    def __init__(self, prepare: Prepare) -> None:
        self._preparation = Preparation(prepare)
        self._connection: Connection | None = None
        self._kill: Callable[[], None] | None = None

    @property
    def begun(self) -> bool:
        """Whether a process gets ready."""
        return self._connection is not None

    def begin(self, connection: Connection, kill: Callable[[], None]) -> None:
        """Have a process get ready.

        Args:
            kill: ends the process.
        """
        self._connection, self._kill = connection, kill
        with suppress(OSError):  # it was killed meanwhile
            connection.send(self._preparation)

    def do(self, given: Any) -> str:
        """Have it done, there or here, and wait; what was wrong, or nothing."""
        if self._connection is not None:
            with suppress(EOFError, OSError):  # that process is gone
                self._connection.send(given)
                self._connection.recv()  # that it was ready for work
                return str(self._connection.recv())
        return self._preparation.prepare(ahead=False)(given)

    def close(self) -> None:
        """End the process."""
        if self._connection is not None and self._kill is not None:
            self._kill()
            self._connection.close()
