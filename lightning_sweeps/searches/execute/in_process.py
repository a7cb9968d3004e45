"""The executor that runs work in the search's own process, for a debugger."""

import gc
import importlib
import os
import select
import signal
from collections import deque
from collections.abc import Sequence
from typing import Any

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.engine.contracts import (
    Begun,
    Decision,
    Ended,
    Gone,
    Hear,
    Member,
    Reported,
    Signalled,
    Work,
)
from lightning_sweeps.searches.engine.outcome import Outcome
from lightning_sweeps.searches.engine.verdict import Verdict
from lightning_sweeps.searches.execute.hydras_log import log_as_hydra
from lightning_sweeps.searches.execute.program import Program
from lightning_sweeps.searches.execute.ranks import Launch, start_ranks_by
from lightning_sweeps.searches.execute.task import Facts, ReportingTrial, leave_if_forked, run_trial
from lightning_sweeps.terminal.handlers import handled
from lightning_sweeps.terminal.keyboard_interrupt import interrupt


class InProcessExecutor:
    """Runs one piece of work after another, inside ``wait``. Only Ctrl-C stops what runs.

    Args:
        directions: of the study.
    """

    def __init__(self, program: Program, directions: Sequence[str]) -> None:
        self.program = program
        self.directions = tuple(directions)
        self._started: deque[Work] = deque()
        self._stopped: set[Work] = set()

    def start(self, work: Work, slot: int) -> None:
        self._started.append(work)

    def prepare(self, *, more: bool, seconds_left: float) -> None:
        pass

    def wait(self, seconds: float | None, hear: Hear, wake: Any) -> None:
        if not self._started:
            select.select([wake], [], [], seconds)
        while self._started:
            work = self._started.popleft()
            outcome = self._run(work, hear)
            hear(Ended(work, work.members[0], outcome))
            hear(Gone(work, Verdict(outcome)))
            self._stopped.discard(work)

    def stop(self, work: Work) -> None:
        self._stopped.add(work)

    kill = stop

    def is_writing(self, work: Work) -> bool:
        return False

    def close(self) -> None:
        self._started.clear()

    def _run(self, work: Work, hear: Hear) -> Outcome:
        for module in self.program.preload:
            importlib.import_module(module)
        hear(Begun(work))
        if work in self._stopped:
            return Outcome("interrupted")
        member, paused = work.members[0], False

        def report(value: float, step: int) -> bool:
            nonlocal paused
            decision = hear(Reported(work, member, value, step))
            if decision is Decision.PAUSE:
                paused = True
                signal.raise_signal(signal.SIGINT)
            return decision is Decision.STOP

        try:
            outcome = self._call(member, report)
        except KeyboardInterrupt:
            outcome = Outcome("interrupted")
        if outcome.how == "interrupted" and not paused:
            hear(Signalled(signal.SIGINT))
        return outcome

    def _call(self, member: Member, report: Any) -> Outcome:
        start_ranks_by(_refuse_ranks, 1)
        facts = Facts(member.trial, member.params, member.resumed, member.folder, self.directions)
        trial = ReportingTrial(facts, report, lambda _: None)
        process, context = os.getpid(), self.program.hydra_context
        try:
            # The search's handler only notes Ctrl-C for the loop, which waits while a trial runs here.
            with handled(interrupt, signal.SIGINT):
                outcome = run_trial(trial, context, self.program.task_function, member.config)
            leave_if_forked(process)
            return outcome
        finally:
            log_as_hydra(self.program.config, context)  # the trial's handlers write into its folder
            gc.collect()  # a module and its trainer refer to each other, and the next trial's need their memory


def _refuse_ranks(_: Launch) -> None:
    raise ConfigError("a distributed trial has several processes; leave hydra.sweeper.isolation=none out")
