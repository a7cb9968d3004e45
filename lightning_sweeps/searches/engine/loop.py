"""The loop that keeps the slots of one machine busy until a budget is used: fill, wait, hear, meet deadlines."""

import math
import signal

from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.searches.engine.attempt import Attempt, Progress
from lightning_sweeps.searches.engine.contracts import (
    Begun,
    Decision,
    Ended,
    Event,
    Executor,
    Gone,
    Ledger,
    Reported,
    Scheduler,
    Signalled,
    View,
    Work,
)
from lightning_sweeps.searches.engine.deadlines import Deadlines
from lightning_sweeps.searches.engine.ours import Ours
from lightning_sweeps.searches.engine.outcome import Outcome, State, told_of
from lightning_sweeps.searches.engine.running import Running
from lightning_sweeps.searches.engine.signals import Signals
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.engine.verdict import Verdict, outcome_of

SECONDS_BETWEEN_LOOKS = 0.5  # at the ledger, if only other supervisors have work


class Loop:
    """Fills slots with what the scheduler proposes, hears the executor's events, and tells the ledger.

    ``ending`` says which budget was used up, ``stopped_by`` which signal stopped the search.

    Args:
        slots: how much work the executor does at once.
    """

    def __init__(
        self,
        ledger: Ledger,
        scheduler: Scheduler,
        executor: Executor,
        view: View,
        tally: Tally,
        slots: int,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.ledger = ledger
        self.scheduler = scheduler
        self.executor = executor
        self.view = view
        self.tally = tally
        self.budget = tally.budget
        self.deadlines = deadlines or Deadlines()
        self.clock = self.deadlines.clock
        self.running = Running(executor, self.deadlines, slots, self.budget.stop_timeout)
        self.ours = Ours(ledger, scheduler, self.running, tally, view)
        self.ending = ""
        self.stopped_by: int | None = None
        self._ready: Work | None = None  # proposed ahead, while the last work is on its way out of its slot
        self._idle = False  # the scheduler has nothing to propose just now
        self._looked = -math.inf
        self._begun_once = False  # the program has been called
        self._stopping = False  # the running trials have been asked to stop, and wait to be run again

    @property
    def failed(self) -> bool:
        """Whether too many trials failed, or none is complete."""
        return self.ending.startswith("failures") or not self.tally.count(State.COMPLETE)

    @property
    def finished_here(self) -> int:
        """Trials that finished since this start."""
        return len(self.tally.states) - self.tally.at_start

    def run(self, signals: Signals) -> None:
        """Search. After a signal the running trials are stopped, and wait to be run again."""
        self.signals = signals
        if self.budget.timeout is not None:
            self.deadlines.set("timeout", self.tally.started + self.budget.timeout, self._time_is_up)
        try:
            self.view.draw(self.running, self.tally)
            while True:
                self.signals.deliver(self._interrupt)
                self._fill()
                if self.ending and not self.running:
                    break
                if not self.ending:
                    left = self.tally.seconds_left()
                    self.executor.prepare(more=self.tally.more, seconds_left=math.inf if left is None else left)
                    self.scheduler.prepare()
                self.view.draw(self.running, self.tally)
                self.executor.wait(self._seconds_to_wait(), self._hear, self.signals.wake)
                self.signals.deliver(self._interrupt)
                self.deadlines.meet()
        finally:
            try:
                self.executor.close()
            finally:
                self.ours.release_all()

    # -- filling slots ----------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Give every free slot work; have some ready if a slot is about to be free."""
        while not self._has_ended():
            free = self.running.free_slot
            if free is None and not any(attempt.leaving for attempt in self.running):
                return
            self._ready = self._ready or self.ours.propose(lambda: not self._has_ended())
            self._idle = self._ready is None
            if self._ready is None:
                # Another supervisor may vanish, and leave us the trial that it runs.
                if not self.running and not self.tally.unfinished:
                    self.ending = self.ending or f"n_trials={self.budget.n_trials}"
                return
            if free is None:
                return
            work, self._ready = self._ready, None
            self.ours.begin(work, free)

    def _has_ended(self) -> bool:
        if not self.ending:
            self.ending = self.scheduler.exhausted
        if not self.ending:
            self.ending = self.tally.why_end()
        return bool(self.ending)

    # -- hearing events ---------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> Decision:
        # Our own signals first: a cluster sends them to the trials too, whose ends are no failures then.
        self.signals.deliver(self._interrupt)
        match event:
            case Begun(work):
                self._on_begun(self.running[work])
            case Reported(work, member):
                return self._decide(event, self.running[work], self.running[work].progress[member])
            case Ended(work, member):
                self._on_ended(event, self.running[work], self.running[work].progress[member])
            case Gone(work, verdict):
                self._on_gone(self.running[work], verdict)
            case Signalled(number):
                self._interrupt(number)
        return Decision.CONTINUE

    def _on_begun(self, attempt: Attempt) -> None:
        self._begun_once = True
        attempt.started = self.clock()
        if (seconds := self.budget.trial_timeout) is not None and not attempt.stopped:
            self.deadlines.set(("trial", attempt.work), attempt.started + seconds, lambda: self._time_out(attempt))

    def _decide(self, report: Reported, attempt: Attempt, progress: Progress) -> Decision:
        if self.clock() >= self.ledger.next_look:  # work in this process keeps the loop from its deadlines
            self._look_around()
        if progress.failure or not self.ours.is_going_on(progress):
            return Decision.STOP
        progress.value, progress.step = report.value, report.step
        try:
            decision = self.scheduler.on_report(report)
        except self.ledger.trouble:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a pruner of somebody's own raises)
            progress.failure = told_of("its report", error)
            if len(attempt.progress) == 1:
                self.running.kill(attempt)
            return Decision.STOP
        if decision is Decision.PAUSE:
            progress.paused = True
            if all(one.paused for one in attempt.open()):
                self.running.limit_stop(attempt)
        return decision

    def _on_ended(self, event: Ended, attempt: Attempt, progress: Progress) -> None:
        progress.seconds = self.clock() - attempt.started
        if attempt.leaving:
            self.deadlines.drop(("trial", attempt.work))
        if event.outcome.how == "interrupted" and not (self._stopping or progress.paused):
            return  # if the whole job was signalled, our own signal is about to come: judge when the work is gone
        if event.final and not progress.settled:
            failed = Outcome("failed", reason=progress.failure) if progress.failure else None
            self._settle(attempt, progress, failed or event.outcome)

    def _on_gone(self, attempt: Attempt, verdict: Verdict) -> None:
        for progress in attempt.open():
            self._settle(attempt, progress, self._judge(attempt, progress, verdict))
        self.running.remove(attempt)

    def _judge(self, attempt: Attempt, progress: Progress, verdict: Verdict) -> Outcome:
        trial = progress.member.trial
        meant = self._stopping or progress.paused or attempt.killed or not self.ours.is_going_on(progress)
        return outcome_of(
            verdict,
            failure=progress.failure or attempt.failure,
            put_back=meant or not self.ledger.owns(trial),
            retry=lambda: self.ledger.retry(trial, self.budget.max_retries),
        )

    def _settle(self, attempt: Attempt, progress: Progress, outcome: Outcome) -> None:
        if outcome.how == "no space":
            raise FolderError(f"trial {progress.member.trial}: {outcome.reason}")
        if outcome.how == "no program" and not self._begun_once:
            raise ConfigError(outcome.reason)
        seconds = self.clock() - attempt.started if progress.seconds is None else progress.seconds
        self.ours.settle(progress, outcome, seconds)

    # -- deadlines and signals --------------------------------------------------------------------------------------

    def _seconds_to_wait(self) -> float | None:
        soon = self._looked + SECONDS_BETWEEN_LOOKS if self._idle and not self.running else math.inf
        self.deadlines.set("look", min(self.ledger.next_look, soon), self._look_around)
        first = min(self.deadlines.first(), self.view.next_draw)
        return None if first == math.inf else max(0.0, first - self.clock())

    def _look_around(self) -> None:
        self._looked = self.clock()
        self.ours.renew()

    def _time_out(self, attempt: Attempt) -> None:
        attempt.failure = f"timed out after trial_timeout={self.budget.trial_timeout} s"
        self.running.kill(attempt)

    def _time_is_up(self) -> None:
        self.ending = self.ending or f"timeout={self.budget.timeout} s"
        self._stop_running()

    def _interrupt(self, number: int) -> None:
        if self.stopped_by is None:
            self.stopped_by, self.ending = number, "interrupted"
            if self.running:
                self.view.stopping(number)
            self._stop_running()
        elif number in (signal.SIGINT, self.stopped_by):  # another one may be the same event: SIGTERM and then SIGHUP
            for attempt in self.running:
                self.running.kill(attempt)

    def _stop_running(self) -> None:
        self._stopping = True
        for attempt in self.running:
            self.running.stop(attempt)
