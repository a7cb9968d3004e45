"""The trials that are ours, and what follows from the ends of their parts."""

from collections.abc import Callable
from contextlib import suppress

from lightning_sweeps.searches.engine.attempt import Attempt, Progress
from lightning_sweeps.searches.engine.contracts import Claim, Ledger, Scheduler, View, Work
from lightning_sweeps.searches.engine.not_run import KnownError, NotBegunError, RefusedError
from lightning_sweeps.searches.engine.outcome import Finished, Outcome
from lightning_sweeps.searches.engine.running import Running
from lightning_sweeps.searches.engine.tally import Tally


class Ours:
    """Claims trials in the ledger, and finishes or releases each once.

    ``held`` are the trials that are ours and have been neither finished nor released.
    """

    def __init__(self, ledger: Ledger, scheduler: Scheduler, running: Running, tally: Tally, view: View) -> None:
        self.ledger = ledger
        self.scheduler = scheduler
        self.running = running
        self.tally = tally
        self.view = view
        self.held: set[int] = set()
        self._interrupted: set[int] = set()  # those that are released when the last of their parts has ended

    def propose(self, go_on: Callable[[], bool]) -> Work | None:
        """What the scheduler wants to be done next; None if there is nothing.

        Args:
            go_on: says whether to ask again after a trial that has failed before it could begin.
        """
        while go_on():
            try:
                work = self.scheduler.propose(self._claim)
            except RefusedError as error:
                self._record(error.trial, self.ledger.refuse(error.trial, error.reason))
            except KnownError as error:
                self._record(error.trial, self.ledger.reuse(error.trial, error.other))
            except NotBegunError as error:
                self._record(error.finished.number, error.finished)
            else:
                if work is None:
                    self.catch_up()
                return work
        return None

    def _claim(self) -> Claim | None:
        claim = self.ledger.claim(self.tally.budget.n_trials)
        if claim is not None:
            self.held.add(claim.trial)
            self.tally.unfinished += claim.is_new
        return claim

    def begin(self, work: Work, slot: int) -> None:
        """Start work, or as much of it as is still ours: since it was proposed a trial may have ended or been lost."""
        members = tuple(member for member in work.members if member.trial in self.held - self._interrupted)
        if not members:
            return
        for member in members:
            self.ledger.begin(member, slot)
        self.running.start(work if members == work.members else Work(members), slot)

    def is_going_on(self, progress: Progress) -> bool:
        """Whether its trial is still ours, and this part of it is still needed."""
        return not progress.settled and progress.member.trial not in self._interrupted

    def settle(self, progress: Progress, outcome: Outcome, seconds: float) -> None:
        """Draw the conclusions from a member's end.

        Args:
            seconds: that it has run.
        """
        progress.settled = True
        trial = progress.member.trial
        ended = outcome if trial in self._interrupted else self.scheduler.on_end(progress.member, outcome)
        if ended is None:
            self.ledger.keep(progress.member, seconds)
            return
        if ended.how == "interrupted" or trial in self._interrupted:
            self._put_back(trial, seconds)
        else:
            self._record(trial, self.ledger.finish(progress.member, ended, seconds))
            for other in self.running.parts_of(trial):
                self._drop_part(trial, other)

    def _put_back(self, trial: int, seconds: float) -> None:
        """Release a trial that was interrupted, when its other parts have come to their ends too."""
        self._interrupted.add(trial)
        others = self.running.parts_of(trial)
        for attempt in others:
            if all(progress.member.trial == trial for progress in attempt.open()):
                self.running.stop(attempt)
        if not others:
            self.ledger.release(trial, seconds)
            self._interrupted.discard(trial)
            self.held.discard(trial)
            self.catch_up()

    def _drop_part(self, trial: int, attempt: Attempt) -> None:
        """What still runs of a finished trial is not needed."""
        for progress in attempt.open():
            if progress.member.trial == trial:
                progress.settled = True
        if not any(attempt.open()):
            self.running.kill(attempt)

    def _record(self, trial: int, finished: Finished | None) -> None:
        self.held.discard(trial)
        self.catch_up()
        if finished is not None:
            self.view.told(finished, self.tally)
            self.scheduler.on_finished(finished)

    def renew(self) -> None:
        """Give a sign of life, and kill our processes of trials that another supervisor has taken."""
        for trial in self.ledger.renew(self.held):
            parts = self.running.parts_of(trial)
            self.scheduler.on_lost(trial)
            (self._interrupted.add if parts else self.held.discard)(trial)
            for attempt in parts:
                self.running.kill(attempt)
        self.catch_up()

    def catch_up(self) -> None:
        """Count what has finished, also under other supervisors."""
        self.tally.note(self.ledger.news())

    def release_all(self) -> None:
        """Put back what is left."""
        for trial in self.held:
            with suppress(*self.ledger.trouble):  # which may be why the search ends
                self.ledger.release(trial)
