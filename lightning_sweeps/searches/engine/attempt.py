"""Work in a slot, and how far its members have come."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lightning_sweeps.searches.engine.contracts import Member, Work


@dataclass
class Progress:
    """How far a member has come.

    Args:
        value: of the last report.
        step: of the last report.
        failure: the member counts as failed for this, whatever it says itself.
        paused: it was asked to stop, and is not to be run again at once.
        seconds: how long it had run when it said how it ended; None until then.
        settled: the search has drawn the conclusions from its end.
    """

    member: Member
    value: float | None = None
    step: int | None = None
    failure: str = ""
    paused: bool = False
    seconds: float | None = None
    settled: bool = False


@dataclass
class Attempt:
    """Work in a slot.

    Args:
        started: when the program was called; before that, when its process was asked for.
        stopped: it was asked to end in order.
        killed: by the search.
        failure: what it was killed for; members that ended earlier keep their own outcome.
    """

    work: Work
    slot: int
    started: float
    stopped: bool = False
    killed: bool = False
    failure: str = ""
    progress: dict[Member, Progress] = field(init=False)

    def __post_init__(self) -> None:
        self.progress = {member: Progress(member) for member in self.work.members}

    @property
    def leaving(self) -> bool:
        """Whether all members have said how they ended, and the slot will soon be free."""
        return all(one.seconds is not None for one in self.progress.values())

    def open(self) -> Iterator[Progress]:
        """Members whose end is not settled."""
        return (one for one in self.progress.values() if not one.settled)
