"""A trial that runs, in a process, or in several if it is distributed."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from lightning_sweeps.search.engine.outcome import Outcome
from lightning_sweeps.search.execute.process import Assignment
from lightning_sweeps.search.execute.slots import Slot
from lightning_sweeps.search.execute.trial_process import TrialProcess
from lightning_sweeps.search.space.job import Job

SECONDS_OF_A_WRITE = 2.0  # a file that has not changed for so long is not being written


@dataclass
class Rank:
    """One process of a trial: the first, or another of a distributed one."""

    process: TrialProcess
    connection: Connection
    assignment: Assignment
    ready: bool = False  # and has its assignment
    outcome: Outcome | None = None
    ended: bool = False
    saving: bool = False  # a checkpoint
    died: bool = False  # without an outcome, and not killed by us

    def signal(self, number: int) -> None:
        """Send a signal; SIGKILL goes to what it started as well. A process that is not ready can only be killed."""
        if not self.ended:
            self.process.signal(number if self.ready else signal.SIGKILL)


@dataclass
class Running:
    """A trial in its slot. ``ranks[0]`` speaks for the trial; the others follow it."""

    job: Job
    packed: bytes
    slot: int
    place: Slot
    ranks: list[Rank]
    started: float = field(default_factory=time.monotonic)
    begun: bool = False  # the task function has been called
    begin_by: float = math.inf  # on the monotonic clock
    step: int | None = None  # of the last report
    value: float | None = None
    told: bool = False
    deadline: float = math.inf  # for its outcome, on the monotonic clock; then it is killed
    leave_by: float = math.inf  # for its processes, after an outcome or a death
    failure: str = ""  # of its own, for which it was killed
    killed: bool = False
    answers: dict[int, bool] = field(default_factory=dict)  # whether to prune, by step; kept for the other ranks
    asking: list[tuple[Rank, int]] = field(default_factory=list)  # ranks that wait for the first one's report

    @property
    def outcome(self) -> Outcome | None:
        """What the first process said last."""
        return self.ranks[0].outcome

    @property
    def ended(self) -> bool:
        """Whether no process is left."""
        return all(rank.ended for rank in self.ranks)

    def is_writing(self) -> bool:
        """Whether it says so, or something in its folder has just changed."""
        if any(rank.saving for rank in self.alive()):
            return True
        changed = time.time() - SECONDS_OF_A_WRITE
        with suppress(OSError):  # one is renamed meanwhile
            return any(
                file.stat().st_mtime > changed for file in self.job.folder.rglob("*") if file.name != "output.log"
            )
        return True

    def alive(self) -> Iterator[Rank]:
        """Those that have not ended."""
        return (rank for rank in self.ranks if not rank.ended)

    def stop(self) -> None:
        """Ask it to end in order, as Ctrl-C does."""
        for rank in self.ranks:
            rank.signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill it and what it started."""
        self.killed = True
        for rank in self.ranks:
            rank.signal(signal.SIGKILL)
