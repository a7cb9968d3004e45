"""Start the processes of trials, each ahead of its trial, and watch them. The supervisor is not their parent."""

import itertools
import logging
import math
import os
import pickle
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.engine.contracts import Member, Work
from lightning_sweeps.searches.engine.verdict import UNKNOWN_EXIT
from lightning_sweeps.searches.execute.errand import Errand
from lightning_sweeps.searches.execute.group import Group, Rank
from lightning_sweeps.searches.execute.process import Assignment
from lightning_sweeps.searches.execute.ranks import Launch
from lightning_sweeps.searches.execute.server import Told, hear, hear_text, tell
from lightning_sweeps.searches.execute.servers import Server, Servers
from lightning_sweeps.searches.execute.slots import Slots
from lightning_sweeps.searches.execute.task import Facts
from lightning_sweeps.searches.execute.trial_process import TrialProcess
from lightning_sweeps.searches.execute.uncomposed import Uncomposed

log = logging.getLogger(__name__)
SERVER_DIED = "the server that trials are started from was killed, perhaps for want of memory"
SECONDS_TO_DIE = 10.0  # after SIGKILL; longer only if the system itself is stuck
DEATHS_OF_SERVERS = 5  # after so many, something on this machine kills them


class Processes:
    """Starts the processes of work.

    Forking a process and setting it up takes as long as all else between two trials. So the next process is made while
    the others work, and waits for its trial.

    Args:
        server: opened by ``servers``, which have the next one if it fails.
        start_timeout: seconds; within them a server is ready, and a trial calls its task function. None: a fair time.

    Attributes:
        lock: the supervisor's lock file.
        errand: for a process of its own, when the end is near.
    """

    lock: Path
    errand: Errand | None = None

    def __init__(
        self,
        servers: Servers,
        server: Server,
        directions: Sequence[str],
        slots: Slots,
        start_timeout: float | None,
    ) -> None:
        self.servers = servers
        self.server = server
        self.directions = tuple(directions)
        self.slots = slots
        self.start_timeout = round(fair_time(slots)) if start_timeout is None else start_timeout
        self._numbers = itertools.count()
        self._processes: dict[int, TrialProcess] = {}
        self._next: tuple[TrialProcess, Connection] | None = None
        self._deaths = 0
        self._left: list[Server] = []  # servers that start nothing more, and whose trials still run

    def prepare(self) -> None:
        """Ask for the next process."""
        if self._next is None:
            ours, theirs = Pipe()
            lifeline, end = os.pipe()
            number, process = next(self._numbers), TrialProcess(self.server, end)
            tell(self.server.control, Told.START, number=number, descriptors=[theirs.fileno(), lifeline])
            theirs.close()
            os.close(lifeline)
            self._processes[number] = process
            self._next = process, ours

    def begin_errand(self) -> None:
        """Let a process get ready for the errand, unless it would have to import the whole program for that."""
        if self.errand is None or self.errand.begun or not self.server.ready or self.servers.imports_each_time:
            return
        process, connection = self.take()
        self.errand.begin(connection, lambda: process.signal(signal.SIGKILL))

    def start(self, work: Work, slot: int, others: int) -> Group:
        """Start work of one member. ``others`` is the number of other supervisors' slots on the same cores."""
        group = Group(work, _pack(work.members[0], self.directions), self.slots.place(slot, others), [])
        self._add_rank(group, None)
        return group

    def launch(self, group: Group, launch: Launch) -> None:
        """Start the other processes of a distributed trial."""
        for environment in launch.environments:
            self._add_rank(group, environment)

    def start_again(self, rank: Rank) -> None:
        """Give the work of a process that has not begun to another one."""
        rank.process.signal(signal.SIGKILL)
        rank.connection.close()
        rank.process, rank.connection = self.take()
        rank.ready = False

    def give(self, rank: Rank) -> None:
        """A process is ready for its assignment."""
        rank.ready = True
        with suppress(OSError):  # the process was killed meanwhile
            rank.connection.send(rank.assignment)

    def _add_rank(self, group: Group, environment: dict[str, str] | None) -> None:
        folder = group.member.folder
        assignment = Assignment(group.packed, folder, group.place, environment, self.lock)
        group.ranks.append(Rank(*self.take(), assignment))

    def take(self) -> tuple[TrialProcess, Connection]:
        """The next process, which may still be starting, and the connection to it."""
        if self._next is not None and self._next[0].ended:
            self._drop_next()
        self.prepare()
        assert self._next is not None  # noqa: S101 (for the type checker)
        taken, self._next = self._next, None
        return taken

    @property
    def is_last_way(self) -> bool:
        """Whether there is no other way of starting processes."""
        return self.servers.is_last

    @property
    def ready_by(self) -> float:
        """When the server must be ready, on the monotonic clock."""
        return math.inf if self.server.ready else self.server.opened + self.start_timeout

    # -- watching ---------------------------------------------------------------------------------------------------

    @property
    def watched(self) -> list[Any]:
        """Sockets and descriptors; call ``heed`` when one can be read."""
        servers = [server.control for server in (self.server, *self._left) if not server.gone]
        orphans = [one.descriptor for one in self._processes.values() if one.server.gone and one.descriptor is not None]
        return [*servers, *orphans]

    def heed(self, ready: Iterable[Any]) -> str | None:
        """Handle what the servers and the system say of processes.

        Returns:
            Why this server can start no more processes; None if it can.

        Raises:
            ConfigError: nor from any other.
        """
        ready, problem = list(ready), None
        for server in (self.server, *self._left):
            while server.control in ready and not server.gone:
                said = self._hear(server)
                problem = said if server is self.server and said else problem
                ready = wait([server.control], 0) if not server.gone else []
        for number, process in list(self._processes.items()):
            if process.server.gone and (process.descriptor is None or wait([process.descriptor], 0)):
                process.signal(signal.SIGKILL)  # its children, and itself if nobody can tell whether it lives
                self._end(number, UNKNOWN_EXIT)
        return problem

    def _hear(self, server: Server) -> str | None:
        message = hear(server.control)
        if message is None:
            server.gone = server.died = True
            self._deaths += 1
            return SERVER_DIED
        kind, number, value, descriptors = message
        if kind is Told.READY:
            server.ready = True
            if server is self.server and self.servers.passed_over:
                log.info("%s", self.servers.passed_over)
        elif kind is Told.STARTED:
            self._processes[number].started(value, descriptors)
        elif kind is Told.ENDED:
            self._end(number, value)
        else:
            reason = hear_text(server.control, value)
            server.gone = True
            if kind is Told.WRONG and server is self.server:
                died = f"{SERVER_DIED}, and no other can be started: " if self._deaths else ""
                raise ConfigError(f"{died}{reason}")
            return reason
        return None

    def _end(self, number: int, code: int) -> None:
        self._processes.pop(number).end(code)

    def go_on(self, reason: str) -> None:
        """Open a server in the next way.

        Raises:
            ConfigError: there is none.
        """
        self._drop_next()
        if self._deaths > DEATHS_OF_SERVERS:
            raise OSError(f"{reason}, {self._deaths} times")
        self.servers.pass_over(reason, again=self.server.died)
        before, self.server = self.server, self.servers.open()
        if before.ready:
            self._left.append(before)
        else:  # it has no trials that could go on
            before.gone = True
            before.close()

    # -- ending -----------------------------------------------------------------------------------------------------

    def wait_until_gone(self, processes: Iterable[TrialProcess]) -> None:
        """Wait for processes that were killed."""
        deadline = time.monotonic() + SECONDS_TO_DIE
        self.heed(())  # a server that is gone tells nothing any more
        while any(not process.ended for process in processes) and time.monotonic() < deadline:
            self.heed(wait(self.watched, deadline - time.monotonic()))

    def close(self) -> None:
        """End the servers, and the process that got no trial."""
        self._drop_next()
        for server in (self.server, *self._left):
            server.close()
        self.servers.close()

    def _drop_next(self) -> None:
        if self._next is not None:
            process, connection = self._next
            self._next = None
            process.signal(signal.SIGKILL)
            connection.close()


def fair_time(slots: Slots) -> float:
    """Seconds within which work must begin: a minute, and three times what the program itself took to start."""
    crowding = max(1.0, slots.count / (os.cpu_count() or 1))
    return 60.0 + 3 * time.process_time() * crowding


def _pack(member: Member, directions: tuple[str, ...]) -> bytes:
    """Pickle a trial for its process: its config, or the overrides to compose it from if the config does not pickle."""
    facts = Facts(member.trial, member.params, member.resumed, member.folder, directions)
    try:
        return pickle.dumps((facts, member.config))
    except Exception:  # noqa: BLE001 (whatever a config's objects raise)
        sweep = member.config.hydra.sweep
        uncomposed = Uncomposed(member.trial, list(member.overrides), str(sweep.dir), str(sweep.subdir))
        return pickle.dumps((facts, uncomposed))
