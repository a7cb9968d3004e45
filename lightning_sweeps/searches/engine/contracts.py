"""What the loop needs of the rest: who proposes work, who does it, and who keeps the record of trials.

The loop knows trials by their numbers. A trial has one or more parts (a seed, a fold), and a piece of work is what one
group of processes does: one part, or parts of several trials together. The scheduler decides what is done next, the
executor does it, and the ledger says whose a trial is and how it ended.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from lightning_sweeps.searches.engine.outcome import Finished, News, Outcome
from lightning_sweeps.searches.engine.verdict import Verdict


class Decision(Enum):
    """What becomes of a trial that has reported."""

    CONTINUE = "continue"
    PAUSE = "pause"  # it leaves its slot, and its scheduler may propose it again
    STOP = "stop"  # it is pruned


@dataclass(frozen=True)
class Claim:
    """A trial that is ours now.

    Args:
        resumed: it has run before, and was interrupted.
        is_new: it was created for this claim, so that no ``news`` has counted it yet.
        handle: what the scheduler knows it by; nobody else looks at it.
    """

    trial: int
    resumed: bool
    is_new: bool
    handle: Any = None


@dataclass(frozen=True, eq=False)
class Member:
    """A trial, or one part of it, ready to be run.

    Args:
        trial: its number.
        config: composed with ``overrides``; the loop does not look at it.
        of: the whole trial, if this is a part of it.
        handle: of its claim.
        again: the overrides that give the same config to a single run, which has no number by itself.
        resumed: it has run before, in this folder.
    """

    trial: int
    params: dict[str, Any]
    overrides: list[str]
    again: list[str]
    folder: Path
    resumed: bool
    config: Any
    part: int = 0
    of: "Member | None" = None
    handle: Any = None


@dataclass(frozen=True, eq=False)
class Work:
    """What one group of processes does."""

    members: tuple[Member, ...]


@dataclass(frozen=True)
class Begun:
    """The program has been called; until now processes were started and modules imported."""

    work: Work


@dataclass(frozen=True)
class Reported:
    """A member reports, and waits for the decision."""

    work: Work
    member: Member
    value: float
    step: int


@dataclass(frozen=True)
class Ended:
    """A member has said how it ended. Its processes may need a while to leave.

    Args:
        final: this is the last word. If not, another process of the work may know better, and ``Gone`` tells.
    """

    work: Work
    member: Member
    outcome: Outcome
    final: bool = True


@dataclass(frozen=True)
class Gone:
    """No process of the work is left; the verdict is on the members whose ends are not settled."""

    work: Work
    verdict: Verdict


@dataclass(frozen=True)
class Signalled:
    """A signal reached the work that was meant for the search."""

    number: int


Event = Begun | Reported | Ended | Gone | Signalled
Hear = Callable[[Event], Decision]


class Scheduler(Protocol):
    """A sampler and a pruner."""

    @property
    def exhausted(self) -> str:
        """Why it has nothing more to propose; empty if it has."""

    def propose(self, claim: Callable[[], Claim | None]) -> Work | None:
        """What to do in the next free slot; None if there is nothing just now.

        Args:
            claim: gives a trial that waits or a new one; None if the budget has no more. A scheduler that has parts or
                paused trials left need not call it.

        Raises:
            RefusedError: no work can be made of a claimed trial.
            KnownError: a claimed trial need not be run.
            NotBegunError: raised by ``claim``, as are the ledger's errors; both must pass.
        """

    def prepare(self) -> None:
        """Get ready for the next proposal: the slots are full, and nobody waits."""

    def on_report(self, report: Reported) -> Decision:
        """Decide whether the member goes on. Any exception is the member's failure."""

    def on_end(self, member: Member, outcome: Outcome) -> Outcome | None:
        """How the member's trial ended with this; None if it has not: parts are left, or it is paused.

        After a trial has ended, or was interrupted, the ends of its other parts are not told.
        """

    def on_lost(self, trial: int) -> None:
        """Another supervisor has taken one of our trials: forget it, and its parts."""

    def on_finished(self, finished: Finished) -> None:
        """The ledger has recorded one of our trials as finished."""


class Executor(Protocol):
    """Does work in slots. It speaks in events, to the function that ``wait`` is given.

    The decision about a report is that function's result, not a later call: work that runs in this process reports in
    the middle of the program's own code, and has its answer before that goes on.
    """

    def start(self, work: Work, slot: int) -> None:
        """Begin; the first event comes with ``wait``."""

    def prepare(self, *, more: bool, seconds_left: float) -> None:
        """Get ready for what comes next.

        Args:
            more: more work will come.
            seconds_left: until the search ends, as far as one can tell.
        """

    def wait(self, seconds: float | None, hear: Hear, wake: Any) -> None:
        """Wait for events, or until ``wake`` can be read, and tell them. Each started work ends with one ``Gone``.

        Args:
            seconds: at most; None: as long as it takes.
        """

    def stop(self, work: Work) -> None:
        """Ask it to end in order, as Ctrl-C does. Work in this process cannot be asked."""

    def kill(self, work: Work) -> None:
        """End it at once. Work in this process cannot be ended."""

    def is_writing(self, work: Work) -> bool:
        """Whether a file would be left half written if it were killed now."""

    def close(self) -> None:
        """Kill what still runs, and wait until it is gone."""


class Ledger(Protocol):
    """Says whose a trial is, and keeps how it ended. Several supervisors may share one.

    Attributes:
        trouble: errors that no trial can be blamed for, such as a lost connection; they end the search.
    """

    trouble: tuple[type[Exception], ...]

    @property
    def next_look(self) -> float:
        """When ``renew`` is due, on the loop's clock."""

    def claim(self, limit: int) -> Claim | None:
        """A trial that waits, or a new one; None if there are ``limit`` trials.

        Raises:
            NotBegunError: the trial has failed before it could begin.
        """

    def begin(self, member: Member, slot: int) -> None:
        """Note where and since when it runs."""

    def owns(self, trial: int) -> bool:
        """Whether it is still ours: another supervisor may have taken this one for gone."""

    def finish(self, member: Member, outcome: Outcome, seconds: float) -> Finished | None:
        """Record how it ended; None if it is not ours any more.

        Args:
            seconds: that the member has run.
        """

    def keep(self, member: Member, seconds: float) -> None:
        """Note how long a member has run whose trial has not ended."""

    def refuse(self, trial: int, reason: str) -> Finished | None:
        """Record that a trial failed before it could begin; None if it is not ours any more."""

    def reuse(self, trial: int, other: int) -> Finished | None:
        """Record a trial with what another one has come to; None if it is not ours any more."""

    def release(self, trial: int, seconds: float | None = None) -> None:
        """Let it wait to be run again, by whomever.

        Args:
            seconds: that it has run since ``begin``; None if nobody knows.
        """

    def retry(self, trial: int, most: int) -> bool:
        """Whether it may be run again after it died of something outside; counts."""

    def renew(self, ours: Collection[int]) -> set[int]:
        """Give a sign of life, and put back what belongs to nobody alive; which of ours are lost to others."""

    def news(self) -> News:
        """What has changed since the last call."""


class View(Protocol):
    """What the user sees meanwhile.

    Attributes:
        next_draw: when it wants to be drawn again, on the loop's clock.
    """

    next_draw: float

    def told(self, finished: Finished, tally: Any) -> None:
        """A trial has finished, and is counted."""

    def stopping(self, number: int) -> None:
        """The running trials are asked to stop, since this signal has come."""

    def draw(self, running: Collection[Any], tally: Any) -> None:
        """Show its state."""
