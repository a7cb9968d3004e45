"""A scheduler around another one, to which it leaves whatever it does not decide itself."""

from collections.abc import Callable

from lightning_sweeps.searches.engine.contracts import Claim, Decision, Member, Reported, Scheduler, Work
from lightning_sweeps.searches.engine.outcome import Finished, Outcome


class Around:
    """Base of schedulers that change a part of what another one does."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    @property
    def exhausted(self) -> str:
        return self.scheduler.exhausted

    def propose(self, claim: Callable[[], Claim | None]) -> Work | None:
        return self.scheduler.propose(claim)

    def prepare(self) -> None:
        self.scheduler.prepare()

    def on_report(self, report: Reported) -> Decision:
        return self.scheduler.on_report(report)

    def on_end(self, member: Member, outcome: Outcome) -> Outcome | None:
        return self.scheduler.on_end(member, outcome)

    def on_lost(self, trial: int) -> None:
        self.scheduler.on_lost(trial)

    def on_finished(self, finished: Finished) -> None:
        self.scheduler.on_finished(finished)
