"""The work in the slots of this machine: started, asked to stop, killed."""

from collections.abc import Collection, Iterator

from lightning_sweeps.searches.engine.attempt import Attempt
from lightning_sweeps.searches.engine.contracts import Executor, Work
from lightning_sweeps.searches.engine.deadlines import Deadlines

SECONDS_TO_STOP = 10.0  # what was asked to stop may end its step; then it is killed unless it is writing
SECONDS_BETWEEN_LOOKS = 0.5  # at a trial that is writing


class Running(Collection[Attempt]):
    """What an executor does just now.

    Args:
        slots: how much work it does at once.
        stop_timeout: seconds after which work that was asked to stop is killed even if it is writing.
    """

    def __init__(self, executor: Executor, deadlines: Deadlines, slots: int, stop_timeout: float) -> None:
        self.executor = executor
        self.deadlines = deadlines
        self.slots = slots
        self.stop_timeout = stop_timeout
        self._attempts: dict[Work, Attempt] = {}

    def __iter__(self) -> Iterator[Attempt]:
        return iter(self._attempts.values())

    def __contains__(self, attempt: object) -> bool:
        return any(one is attempt for one in self)

    def __len__(self) -> int:
        return len(self._attempts)

    def __getitem__(self, work: Work) -> Attempt:
        return self._attempts[work]

    @property
    def free_slot(self) -> int | None:
        """The first slot without work; None if there is none."""
        return min(set(range(self.slots)) - {attempt.slot for attempt in self}, default=None)

    def parts_of(self, trial: int) -> list[Attempt]:
        """Where parts of a trial run that have not come to their ends."""
        return [one for one in self if any(progress.member.trial == trial for progress in one.open())]

    def start(self, work: Work, slot: int) -> None:
        """Begin work."""
        self._attempts[work] = Attempt(work, slot, self.deadlines.clock())
        self.executor.start(work, slot)

    def remove(self, attempt: Attempt) -> None:
        """Its processes have left."""
        del self._attempts[attempt.work]
        self.deadlines.drop(("trial", attempt.work))
        self.deadlines.drop(("stop", attempt.work))

    def stop(self, attempt: Attempt) -> None:
        """Ask for an end in order, and see to it that it comes."""
        if not attempt.stopped:
            self.executor.stop(attempt.work)
            self.limit_stop(attempt)

    def limit_stop(self, attempt: Attempt) -> None:
        """See to the end of what has been asked to stop: it is killed if it takes too long, and has no other limit."""
        attempt.stopped = True
        self.deadlines.drop(("trial", attempt.work))
        now = self.deadlines.clock()
        limit = now + self.stop_timeout
        at = now + min(SECONDS_TO_STOP, self.stop_timeout)
        self.deadlines.set(("stop", attempt.work), at, lambda: self._kill_unless_writing(attempt, limit))

    def kill(self, attempt: Attempt) -> None:
        """End it at once."""
        attempt.killed = True
        self.executor.kill(attempt.work)

    def _kill_unless_writing(self, attempt: Attempt, limit: float) -> None:
        """What is writing gets more time, up to the limit, since half a checkpoint is none."""
        now = self.deadlines.clock()
        if now >= limit or not self.executor.is_writing(attempt.work):
            self.kill(attempt)
        else:
            again = min(limit, now + SECONDS_BETWEEN_LOOKS)
            self.deadlines.set(("stop", attempt.work), again, lambda: self._kill_unless_writing(attempt, limit))
