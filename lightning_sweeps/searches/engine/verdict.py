"""How a trial ended that has not said so itself: judged by what is known of its processes."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightning_sweeps.searches.engine.outcome import Outcome

UNKNOWN_EXIT = 255  # the server that would have told it is gone


@dataclass(frozen=True)
class Ending:
    """What is known of one process of a trial.

    Args:
        outcome: what it said last; None if it said nothing.
        died: it ended without a word, and the supervisor did not kill it.
        exit_code: minus the signal that killed it.
    """

    outcome: Outcome | None
    died: bool
    exit_code: int


@dataclass(frozen=True)
class Verdict:
    """A trial's outcome, and whether its cause is outside of the trial, so that it may be run again."""

    outcome: Outcome
    from_outside: bool = False


def judge_ending(processes: Sequence[Ending]) -> Verdict:
    """Judge a trial all of whose processes have ended.

    Args:
        processes: of a distributed trial by rank; the first speaks for the trial.
    """
    dead = next((rank for rank in reversed(range(len(processes))) if processes[rank].died), None)
    spoken = [(process.outcome.at, rank) for rank, process in enumerate(processes) if process.outcome is not None]
    if dead is not None:  # what the others said was a consequence
        return _death(processes, dead)
    if not spoken:
        return _death(processes, 0)
    first = min(spoken)[1]
    outcome = processes[first].outcome
    assert outcome is not None  # noqa: S101 (for the type checker)
    if outcome.how == "interrupted":
        return _outside("stopped by a signal")
    if first > 0 and outcome.reason:
        outcome.reason = f"rank {first}: {outcome.reason}"
    return Verdict(outcome)


def outcome_of(verdict: Verdict, *, failure: str, put_back: bool, retry: Callable[[], bool]) -> Outcome:
    """How a trial ended that has not said so itself.

    Args:
        failure: why the supervisor has killed it; empty if it has not.
        put_back: the trial waits to be run again, since the search stops or another supervisor has taken it.
        retry: says, and counts, that the trial may be run again although nobody has asked for its end.
    """
    if failure:
        return Outcome("failed", reason=failure)
    if put_back or (verdict.from_outside and retry()):
        return Outcome("interrupted")
    return verdict.outcome


def _death(processes: Sequence[Ending], rank: int) -> Verdict:
    code = processes[rank].exit_code
    whose = f"rank {rank} " if len(processes) > 1 else ""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = " (out of memory?)" if -code == signal.SIGKILL else ""
        return _outside(f"{whose}killed by {name}{memory}")
    reason = f"{whose or 'its process '}left with exit code {code} and no result"
    return _outside(reason) if code == UNKNOWN_EXIT else Verdict(Outcome("failed", reason=reason))


def _outside(reason: str) -> Verdict:
    return Verdict(Outcome("failed", reason=reason), from_outside=True)
