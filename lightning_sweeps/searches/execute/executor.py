"""The executor that runs each piece of work in processes of its own."""

import logging
import math
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from lightning_sweeps.searches.engine.contracts import Begun, Decision, Ended, Gone, Hear, Reported, Work
from lightning_sweeps.searches.engine.outcome import Outcome
from lightning_sweeps.searches.execute.group import Group, Rank
from lightning_sweeps.searches.execute.processes import Processes
from lightning_sweeps.searches.execute.ranks import Launch
from lightning_sweeps.searches.execute.task import BEGUN, READY, SAVED, SAVING

log = logging.getLogger(__name__)
SECONDS_TO_LEAVE = 60.0  # a process may take this long to end after its trial: threads of the user's, a GPU's memory
SECONDS_TO_FOLLOW = 5.0  # when one process of a distributed trial has failed, the others have this long to fail too
SECONDS_OF_AN_ERRAND = 10.0  # this long before the end a process gets ready for the errand


class ProcessExecutor:
    """Does each work in a process of its own, or in several if the trial is distributed.

    Args:
        others: tells how many slots of other supervisors work on the same cores.
        seconds_to_leave: that a process may take to end after its trial.
    """

    def __init__(
        self, processes: Processes, others: Callable[[], int], seconds_to_leave: float = SECONDS_TO_LEAVE
    ) -> None:
        self.processes = processes
        self.others = others
        self.seconds_to_leave = seconds_to_leave
        self.groups: dict[Work, Group] = {}
        self._problem: str | None = None  # why the server can start nothing more, as long as nothing waits to begin

    def start(self, work: Work, slot: int) -> None:
        self._leave_old_way()
        self.groups[work] = group = self.processes.start(work, slot, self.others())
        if self.processes.server.ready:
            group.begin_by = time.monotonic() + self.processes.start_timeout

    def prepare(self, *, more: bool, seconds_left: float) -> None:
        if more:
            self._leave_old_way()
            self.processes.prepare()
        if seconds_left < SECONDS_OF_AN_ERRAND:
            self.processes.begin_errand()

    def wait(self, seconds: float | None, hear: Hear, wake: Any) -> None:
        alive = [(group, rank) for group in self.groups.values() for rank in group.alive()]
        speaking = [rank.connection for _, rank in alive if rank.outcome is None]
        ready = wait([wake, *self.processes.watched, *speaking], self._seconds_to_wait(seconds))
        problem = self.processes.heed(ready)
        for group, rank in alive:
            if rank.connection in ready:
                self._receive(group, rank, hear)
        if problem is not None:  # after that, or what has begun would begin again; before processes count as dead
            self._go_another_way(problem)
        for group, rank in alive:
            if rank.process.ended:
                self._receive(group, rank, hear)
                self._leave(group, rank)
            if group.ended and self.groups.pop(group.work, None) is not None:
                hear(Gone(group.work, group.verdict()))
        self._meet_deadlines()

    def stop(self, work: Work) -> None:
        if work in self.groups:
            self.groups[work].stop()

    def kill(self, work: Work) -> None:
        if work in self.groups:
            self.groups[work].kill()

    def is_writing(self, work: Work) -> bool:
        return work in self.groups and self.groups[work].is_writing()

    def close(self) -> None:
        for group in self.groups.values():
            group.kill()
        self.processes.wait_until_gone([rank.process for group in self.groups.values() for rank in group.ranks])
        self.processes.close()

    # -- what processes say -----------------------------------------------------------------------------------------

    def _receive(self, group: Group, rank: Rank, hear: Hear) -> None:
        while (message := _next(rank.connection)) is not None:
            if message == READY:
                self.processes.give(rank)
            elif message == BEGUN:
                if rank is group.ranks[0]:
                    group.begun, group.begin_by = True, math.inf
                    hear(Begun(group.work))
            elif message in (SAVING, SAVED):
                rank.saving = message == SAVING
            elif isinstance(message, Launch):
                if not (group.stopped or group.killed):
                    self.processes.launch(group, message)
            elif isinstance(message, Outcome):  # the last word of a process; the slot is free when all have left
                rank.outcome = message
                self._end(group, rank, message, hear)
                return
            else:
                self._report(group, rank, hear, *message)

    def _report(self, group: Group, rank: Rank, hear: Hear, value: float, step: int) -> None:
        """Only the first rank's reports count; the other ranks wait for its answer and get the same one."""
        if rank is group.ranks[0]:
            decision = hear(Reported(group.work, group.member, value, step))
            group.answers[step] = decision is Decision.STOP
            if decision is Decision.PAUSE:
                group.stop()
        group.answer(rank, step)

    def _end(self, group: Group, rank: Rank, outcome: Outcome, hear: Hear) -> None:
        alone, first = len(group.ranks) == 1, rank is group.ranks[0]
        if outcome.how in ("failed", "no space", "no program") and not alone:
            group.leave_by = min(group.leave_by, time.monotonic() + SECONDS_TO_FOLLOW)
        elif first:
            group.leave_by = min(group.leave_by, time.monotonic() + self.seconds_to_leave)
        if first:
            group.final = alone or outcome.how in ("done", "pruned")
            hear(Ended(group.work, group.member, outcome, group.final))

    def _leave(self, group: Group, rank: Rank) -> None:
        """A process has ended."""
        if rank.outcome is None:
            rank.signal(signal.SIGKILL)  # its children
        rank.died = rank.outcome is None and not group.killed
        if rank.died:
            group.leave_by = min(group.leave_by, time.monotonic() + SECONDS_TO_FOLLOW)
        rank.ended = True
        rank.connection.close()

    # -- deadlines --------------------------------------------------------------------------------------------------

    def _seconds_to_wait(self, seconds: float | None) -> float | None:
        if any(rank.process.ended for group in self.groups.values() for rank in group.alive()):
            return 0.0  # a process was killed before it was started, and no message will come of it
        waiting = self._waiting()
        own = [group.leave_by for group in self.groups.values()] + [group.begin_by for group in waiting]
        first = min(self.processes.ready_by if waiting else math.inf, *own, math.inf)
        if first == math.inf:
            return seconds
        until = max(0.0, first - time.monotonic())
        return until if seconds is None else min(until, seconds)

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        self._see_to_beginnings(now)
        for group in self.groups.values():
            if now >= group.leave_by:
                if group.final and not group.stopped and not group.killed:
                    log.warning(
                        "trial %s: its process went on for %g s after its end, perhaps for a thread; it is killed",
                        group.member.trial,
                        self.seconds_to_leave,
                    )
                group.leave_by = math.inf
                group.kill()

    def _see_to_beginnings(self, now: float) -> None:
        """Notice an import that never returns or a fork that hangs, and start processes in another way."""
        waiting = self._waiting()
        if self.processes.server.ready:
            for group in waiting:
                if not group.begun and not group.failure:
                    group.begin_by = min(group.begin_by, now + self.processes.start_timeout)
        late = [group for group in waiting if now >= group.begin_by]
        within = f"within {self.processes.start_timeout:g} s (hydra.sweeper.start_timeout)"
        if late and self.processes.is_last_way:
            for group in late:
                group.begin_by = math.inf
                group.failure = f"did not begin {within}"
                group.kill()
        elif waiting and (late or now >= self.processes.ready_by):
            what = f"trial {late[0].member.trial}" if late else "the server that trials are started from"
            self._go_another_way(f"{what} did not begin {within}")

    def _go_another_way(self, problem: str) -> None:
        """Start in another way what has not begun, since no more processes can be started as before."""
        self._problem = problem
        waiting = self._waiting()
        if waiting:
            self._leave_old_way()
        for group in waiting:
            group.begin_by = math.inf
            for rank in group.alive():
                if not rank.ready or not group.begun:
                    self.processes.start_again(rank)

    def _leave_old_way(self) -> None:
        if self._problem is not None:
            problem, self._problem = self._problem, None
            self.processes.go_on(problem)

    def _waiting(self) -> list[Group]:
        """Groups that are to go on; the others have been asked to end, or killed."""
        return [group for group in self.groups.values() if not (group.stopped or group.killed)]


def _next(connection: Connection) -> Any:
    try:
        return connection.recv() if connection.poll() else None
    except (EOFError, OSError):
        return None
