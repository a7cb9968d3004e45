"""How a trial ended."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass
class Outcome:
    """``done``, ``pruned``, ``failed``, ``no space`` (on the disk), ``no program`` (to call) or ``interrupted``.

    Has the values of what is done and the reason of what failed.
    """

    how: str
    values: list[float] = field(default_factory=list)
    reason: str = ""
    at: float = field(default_factory=time.time)  # of several ranks that fail, the first has the cause


class State(Enum):
    """How a trial counts once it has finished."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True)
class Finished:
    """A trial that has finished, as the ledger has recorded it.

    Args:
        values: one for each objective, if it is complete.
        reason: of a failure, on one line.
        reported: it has reported at least one value.
    """

    number: int
    state: State
    values: Sequence[float] = ()
    params: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    reported: bool = False


@dataclass(frozen=True)
class News:
    """What has changed in the ledger.

    Args:
        finished: trials that have finished since, under whichever supervisor, in the order of their ends.
        unfinished: trials within the budget that run, here or elsewhere, or wait to be run again.
    """

    finished: Sequence[Finished]
    unfinished: int


def judge(returned: Any, objectives: int) -> Outcome:
    """Whether what a task function returned is as many numbers as the study has objectives."""
    given: Sequence[Any] = returned if objectives > 1 and isinstance(returned, list | tuple) else [returned]
    if len(given) != objectives:
        return Outcome("failed", reason=f"returned {_shown(returned)}; {objectives} numbers are needed")
    numbers = []
    for one in given:
        try:
            number = float(one)
        except OverflowError:
            return Outcome("failed", reason="returned a number that is too large for a float")
        except (TypeError, ValueError):
            return Outcome("failed", reason=f"returned {_shown(returned)}; a number is needed")
        if math.isnan(number):
            return Outcome("failed", reason=f"returned {number}")
        numbers.append(number)
    return Outcome("done", numbers)


def checked(outcome: Outcome, maximized: Sequence[bool]) -> Outcome:
    """The outcome, or a failure if a value is infinite in the good direction: nothing could ever beat it.

    In the other direction an infinite value is just a bad one, as in Optuna.
    """
    beyond = any(value == (math.inf if up else -math.inf) for value, up in zip(outcome.values, maximized, strict=False))
    if outcome.how != "done" or not beyond:
        return outcome
    return Outcome("failed", reason=f"returned {outcome.values}, which nothing could beat")


def told_of(what: str, error: BaseException) -> str:
    """What a part of somebody's own has raised, on one line."""
    return f"{what}: {type(error).__name__}: {' '.join(str(error).split())}"


def _shown(value: Any) -> str:
    return f"{json.dumps(value, default=repr)[:60]} ({type(value).__name__})"
