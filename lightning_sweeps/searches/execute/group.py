"""The processes that do one piece of work: one, or several if the trial is distributed."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from lightning_sweeps.searches.engine.contracts import Member, Work
from lightning_sweeps.searches.engine.outcome import Outcome
from lightning_sweeps.searches.engine.verdict import Ending, Verdict, judge_ending
from lightning_sweeps.searches.execute.process import Assignment
from lightning_sweeps.searches.execute.slots import Slot
from lightning_sweeps.searches.execute.trial_process import TrialProcess

SECONDS_OF_A_WRITE = 2.0  # a file that has not changed for so long is not being written


@dataclass
class Rank:
    """One process of a trial: the first, or another of a distributed one."""

    process: TrialProcess
    connection: Connection
    assignment: Assignment
    ready: bool = False  # the process is set up, and has its assignment
    outcome: Outcome | None = None
    ended: bool = False
    saving: bool = False  # the process is writing a checkpoint
    died: bool = False  # without an outcome, and not killed by us

    def signal(self, number: int) -> None:
        """Send a signal; SIGKILL goes to what it started as well. A process that is not ready can only be killed."""
        if not self.ended:
            self.process.signal(number if self.ready else signal.SIGKILL)


@dataclass
class Group:
    """The processes of one member. ``ranks[0]`` speaks for the trial; the others follow it.

    Args:
        begun: the program has been called.
        begin_by: when it must have been called, on the monotonic clock.
        leave_by: when its processes must have left, after an outcome or a death.
        final: its first process has said how it ended, and no other can know better.
        stopped: it was asked to end in order.
        failure: why it was killed, if it did not begin in time.
        answers: whether to prune, by step; kept for the other ranks.
        asking: ranks that wait for the answer to the first one's report.
    """

    work: Work
    packed: bytes
    place: Slot
    ranks: list[Rank]
    begun: bool = False
    begin_by: float = math.inf
    leave_by: float = math.inf
    final: bool = False
    stopped: bool = False
    killed: bool = False
    failure: str = ""
    answers: dict[int, bool] = field(default_factory=dict)
    asking: list[tuple[Rank, int]] = field(default_factory=list)

    @property
    def member(self) -> Member:
        """What these processes run."""
        return self.work.members[0]

    @property
    def ended(self) -> bool:
        """Whether no process is left."""
        return all(rank.ended for rank in self.ranks)

    def verdict(self) -> Verdict:
        """How it ended, judged from outside."""
        if self.failure:
            return Verdict(Outcome("failed", reason=self.failure))
        return judge_ending([Ending(rank.outcome, rank.died, rank.process.exitcode or 0) for rank in self.ranks])

    def is_writing(self) -> bool:
        """Whether it says so, or something in its folder has just changed."""
        if any(rank.saving for rank in self.alive()):
            return True
        changed = time.time() - SECONDS_OF_A_WRITE
        with suppress(OSError):  # a file is renamed meanwhile
            files = (file for file in self.member.folder.rglob("*") if file.name != "output.log")
            return any(file.stat().st_mtime > changed for file in files)
        return True

    def answer(self, rank: Rank, step: int) -> None:
        """Give the answers that ranks wait for, as far as the first one has reported."""
        self.asking.append((rank, step))
        for waiting in [one for one in self.asking if one[1] in self.answers]:
            self.asking.remove(waiting)
            with suppress(OSError):  # the process was killed meanwhile
                waiting[0].connection.send(self.answers[waiting[1]])

    def alive(self) -> Iterator[Rank]:
        """Those that have not ended."""
        return (rank for rank in self.ranks if not rank.ended)

    def stop(self) -> None:
        """Ask it to end in order, as Ctrl-C does."""
        self.stopped = True
        for rank in self.ranks:
            rank.signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill it and what it started."""
        self.killed = True
        for rank in self.ranks:
            rank.signal(signal.SIGKILL)
