"""The loop that keeps the slots of one machine busy until a budget is used: fill, wait, hear, meet deadlines."""

import math
from contextlib import suppress

from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.search.engine.attempt import Attempt, Progress
from lightning_sweeps.search.engine.contracts import (
    Begun,
    Claim,
    Decision,
    Ended,
    Event,
    Executor,
    Gone,
    Ledger,
    NotBegunError,
    RefusedError,
    Reported,
    Scheduler,
    Signalled,
    View,
    Work,
)
from lightning_sweeps.search.engine.deadlines import Deadlines
from lightning_sweeps.search.engine.outcome import Finished, Outcome, State, told_of
from lightning_sweeps.search.engine.signals import Signals
from lightning_sweeps.search.engine.tally import Tally
from lightning_sweeps.search.engine.verdict import Verdict, outcome_of

SECONDS_TO_STOP = 10.0  # after Ctrl-C a trial may end its step; then it is killed unless it is writing
SECONDS_BETWEEN_LOOKS = 0.5  # at a trial that is writing, and at the ledger if only other supervisors have work


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
        self.slots = slots
        self.deadlines = deadlines or Deadlines()
        self.clock = self.deadlines.clock
        self.ending = ""
        self.stopped_by: int | None = None
        self.running: dict[Work, Attempt] = {}
        self._claimed: set[int] = set()  # trials that are ours and have not been finished or released
        self._interrupted: set[int] = set()  # trials that are released when the last of their parts has ended
        self._ready: Work | None = None  # proposed ahead, while the last work is on its way out of its slot
        self._idle = False  # the scheduler has nothing to propose just now
        self._looked = -math.inf
        self._begun_once = False  # the program has been called

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
        if self.tally.budget.timeout is not None:
            self.deadlines.set("timeout", self.tally.started + self.tally.budget.timeout, self._time_is_up)
        try:
            self.view.draw(self.running.values(), self.tally)
            while True:
                self.signals.deliver(self._interrupt)
                self._fill()
                if self.ending and not self.running:
                    break
                if not self.ending:
                    self.executor.prepare(more=self.tally.more, seconds_left=self.tally.seconds_left() or math.inf)
                self.view.draw(self.running.values(), self.tally)
                self.executor.wait(self._seconds_to_wait(), self._hear, self.signals.wake)
                self.signals.deliver(self._interrupt)
                self.deadlines.meet()
        finally:
            self.executor.close()
            for trial in self._claimed:
                with suppress(*self.ledger.trouble):  # which may be why it ends
                    self.ledger.release(trial)

    # -- filling slots ----------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Give every free slot work; have some ready if a slot is about to be free."""
        while not self._has_ended():
            free = min(set(range(self.slots)) - {other.slot for other in self.running.values()}, default=None)
            if free is None and not any(attempt.leaving for attempt in self.running.values()):
                return
            self._ready = self._ready or self._propose()
            self._idle = self._ready is None
            if self._ready is None:
                if not self.running and not self.tally.unfinished:  # nor under another supervisor, which may vanish
                    self.ending = self.ending or f"n_trials={self.tally.budget.n_trials}"
                return
            if free is None:
                return
            work, self._ready = self._ready, None
            self._start(work, free)

    def _propose(self) -> Work | None:
        while not self._has_ended():
            try:
                work = self.scheduler.propose(self._claim)
            except RefusedError as error:
                self._record(error.trial, self.ledger.refuse(error.trial, error.reason))
            except NotBegunError as error:
                self._record(error.finished.number, error.finished)
            else:
                if work is None:
                    self.tally.note(self.ledger.news())
                return work
        return None

    def _claim(self) -> Claim | None:
        claim = self.ledger.claim(self.tally.budget.n_trials)
        if claim is not None:
            self._claimed.add(claim.trial)
            self.tally.unfinished += not claim.resumed
        return claim

    def _start(self, proposed: Work, slot: int) -> None:
        # A trial may have ended since, by another part of it, or may have been lost to another supervisor.
        ours = tuple(member for member in proposed.members if member.trial in self._claimed - self._interrupted)
        if not ours:
            return
        work = proposed if ours == proposed.members else Work(ours)
        for member in work.members:
            self.ledger.begin(member, slot)
        self.running[work] = Attempt(work, slot, self.clock())
        self.executor.start(work, slot)

    def _has_ended(self) -> bool:
        if not self.ending and self.scheduler.exhausted:
            self.ending = "its sampler, which has nothing more to try"
        if not self.ending:
            self.ending = self.tally.why_end()
        return bool(self.ending)

    # -- hearing events ---------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> Decision:
        self.signals.deliver(self._interrupt)  # a cluster sends one to the trials too, and theirs is no failure then
        match event:
            case Begun(work):
                self._on_begun(self.running[work])
            case Reported(work, member):
                return self._decide(event, self.running[work].progress[member])
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
        if (seconds := self.tally.budget.trial_timeout) is not None:
            self.deadlines.set(("trial", attempt.work), attempt.started + seconds, lambda: self._time_out(attempt))

    def _decide(self, report: Reported, progress: Progress) -> Decision:
        if progress.settled or report.member.trial in self._interrupted:
            return Decision.STOP
        progress.value, progress.step = report.value, report.step
        try:
            decision = self.scheduler.on_report(report)
        except self.ledger.trouble:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a pruner of somebody's own raises)
            progress.failure = told_of("its report", error)
            if len(report.work.members) == 1:
                self._kill(self.running[report.work])
            return Decision.STOP
        if decision is Decision.PAUSE:
            progress.paused = True
            attempt = self.running[report.work]
            if all(one.paused for one in attempt.open()):
                self._limit_stop(attempt)
        return decision

    def _on_ended(self, event: Ended, attempt: Attempt, progress: Progress) -> None:
        progress.seconds = self.clock() - attempt.started
        if attempt.leaving:
            self.deadlines.drop(("trial", attempt.work))
        if event.outcome.how == "interrupted" and not (self._stopping or progress.paused):
            return  # if a signal went to the whole job, the search's own is on its way; the verdict comes with Gone
        if event.final and not progress.settled:
            failed = Outcome("failed", reason=progress.failure) if progress.failure else None
            self._settle(attempt, progress, failed or event.outcome)

    def _on_gone(self, attempt: Attempt, verdict: Verdict) -> None:
        for progress in attempt.open():
            self._settle(attempt, progress, self._judge(attempt, progress, verdict))
        del self.running[attempt.work]
        self.deadlines.drop(("trial", attempt.work))
        self.deadlines.drop(("stop", attempt.work))

    def _judge(self, attempt: Attempt, progress: Progress, verdict: Verdict) -> Outcome:
        trial = progress.member.trial
        meant = self._stopping or progress.paused or attempt.killed or trial in self._interrupted
        put_back = meant or not self.ledger.owns(trial)
        retries = self.tally.budget.max_retries
        return outcome_of(
            verdict,
            failure=progress.failure or attempt.failure,
            put_back=put_back,
            retry=lambda: self.ledger.retry(trial, retries),
        )

    def _settle(self, attempt: Attempt, progress: Progress, outcome: Outcome) -> None:
        """Draw the conclusions from a member's end, for its trial and for the search."""
        member, trial = progress.member, progress.member.trial
        if outcome.how == "no space":
            raise FolderError(f"trial {trial}: {outcome.reason}")
        if outcome.how == "no program" and not self._begun_once:
            raise ConfigError(outcome.reason)
        progress.settled = True
        seconds = self.clock() - attempt.started if progress.seconds is None else progress.seconds
        ended = outcome if trial in self._interrupted else self.scheduler.on_end(member, outcome)
        if ended is None:
            return
        if ended.how == "interrupted" or trial in self._interrupted:
            self._put_back(trial, seconds)
        else:
            self._record(trial, self.ledger.finish(member, ended, seconds))
            for other in self._parts_of(trial):
                self._drop_part(trial, other)

    def _put_back(self, trial: int, seconds: float) -> None:
        """Release a trial that was interrupted, when its other parts have come to their ends too."""
        self._interrupted.add(trial)
        others = self._parts_of(trial)
        for attempt in others:
            if all(progress.member.trial == trial for progress in attempt.open()):
                self._stop(attempt)
        if not others:
            self.ledger.release(trial, seconds)
            self._interrupted.discard(trial)
            self._claimed.discard(trial)
            self.tally.note(self.ledger.news())

    def _drop_part(self, trial: int, attempt: Attempt) -> None:
        """What still runs of a finished trial is not needed."""
        for progress in attempt.open():
            if progress.member.trial == trial:
                progress.settled = True
        if not any(attempt.open()):
            self._kill(attempt)

    def _parts_of(self, trial: int) -> list[Attempt]:
        """Where parts of a trial run that have not come to their ends."""
        attempts = self.running.values()
        return [one for one in attempts if any(progress.member.trial == trial for progress in one.open())]

    def _record(self, trial: int, finished: Finished | None) -> None:
        self._claimed.discard(trial)
        self.tally.note(self.ledger.news())
        if finished is not None:
            self.view.told(finished)
            self.scheduler.on_finished(finished)

    # -- deadlines --------------------------------------------------------------------------------------------------

    def _seconds_to_wait(self) -> float | None:
        idle = self._idle and not self.running
        soon = self._looked + SECONDS_BETWEEN_LOOKS if idle else math.inf
        self.deadlines.set("look", min(self.ledger.next_look, soon), self._look_around)
        first = min(self.deadlines.first(), self.view.next_draw)
        return None if first == math.inf else max(0.0, first - self.clock())

    def _look_around(self) -> None:
        """Give a sign of life, and look after the trials of those who give none any more."""
        self._looked = self.clock()
        lost = self.ledger.renew(self._claimed)
        self.tally.note(self.ledger.news())
        for trial in lost:
            parts = self._parts_of(trial)
            (self._interrupted.add if parts else self._claimed.discard)(trial)
            for attempt in parts:
                self._kill(attempt)

    def _time_out(self, attempt: Attempt) -> None:
        attempt.failure = f"timed out after trial_timeout={self.tally.budget.trial_timeout} s"
        self._kill(attempt)

    def _time_is_up(self) -> None:
        if self._has_ended() and self.ending.startswith("timeout"):
            self._stop_running()

    # -- stopping ---------------------------------------------------------------------------------------------------

    @property
    def _stopping(self) -> bool:
        return self.stopped_by is not None or self.ending.startswith("timeout")

    def _interrupt(self, number: int) -> None:
        if self.stopped_by is not None:
            for attempt in self.running.values():
                self._kill(attempt)
            return
        self.stopped_by, self.ending = number, "interrupted"
        if self.running:
            self.view.stopping(number)
        self._stop_running()

    def _stop_running(self) -> None:
        for attempt in self.running.values():
            self._stop(attempt)

    def _stop(self, attempt: Attempt) -> None:
        if not attempt.stopped:
            attempt.stopped = True
            self.executor.stop(attempt.work)
            self._limit_stop(attempt)

    def _limit_stop(self, attempt: Attempt) -> None:
        """See to it that work that was asked to stop does."""
        seconds = self.tally.budget.stop_timeout
        limit = self.clock() + seconds
        at = self.clock() + min(SECONDS_TO_STOP, seconds)
        self.deadlines.set(("stop", attempt.work), at, lambda: self._kill_unless_writing(attempt, limit))

    def _kill_unless_writing(self, attempt: Attempt, limit: float) -> None:
        """What is writing gets more time, up to the limit, since half a checkpoint is none."""
        now = self.clock()
        if now >= limit or not self.executor.is_writing(attempt.work):
            self._kill(attempt)
        else:
            again = min(limit, now + SECONDS_BETWEEN_LOOKS)
            self.deadlines.set(("stop", attempt.work), again, lambda: self._kill_unless_writing(attempt, limit))

    def _kill(self, attempt: Attempt) -> None:
        attempt.killed = True
        self.executor.kill(attempt.work)
