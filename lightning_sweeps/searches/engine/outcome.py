"""How a trial ended."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass
class Outcome:
    """``done``, ``pruned``, ``failed``, ``no space`` (on the disk), ``no program`` (to call) or ``interrupted``.

    Has the values of what is done, unless they are among the trial's reports, and the reason of what failed.
    """

    how: str
    values: list[float] = field(default_factory=list)
    reason: str = ""
    take: str | None = None  # done without values: the trial's ``best`` report counts, or its ``last``
    out_of_memory: bool = False  # what failed did so for this
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
        step: of its last report; None if it has reported nothing.
        feasible: it fulfils the search's constraints; else it is no result, however good.
    """

    number: int
    state: State
    values: Sequence[float] = ()
    params: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    step: int | None = None
    feasible: bool = True


@dataclass(frozen=True)
class News:
    """What has changed in the ledger.

    Args:
        finished: trials that have finished since, under whichever supervisor, in the order of their ends.
        unfinished: trials within the budget that run, here or elsewhere, or wait to be run again.
    """

    finished: Sequence[Finished]
    unfinished: int


def judge(returned: Any, objectives: int, take: str | None = None) -> Outcome:
    """Whether what a task function returned is as many numbers as the study has objectives.

    A number may also be given as ``{"name": ..., "value": ...}``, as Orion has it.

    Args:
        take: which of its reports counts if the function returned None; None if it has reported nothing.
    """
    if returned is None and objectives == 1 and take is not None:
        return Outcome("done", take=take)
    if returned is None:
        return Outcome("failed", reason="returned None, and reported nothing" if objectives == 1 else "returned None")
    several = isinstance(returned, list | tuple) and (objectives > 1 or any(map(_is_named, returned)))
    given: Sequence[Any] = returned if several else [returned]
    if len(given) != objectives:
        return Outcome("failed", reason=f"returned {_shown(returned)}; {objectives} numbers are needed")
    return _numbers(given, returned)


def _numbers(given: Sequence[Any], returned: Any) -> Outcome:
    numbers = []
    for one in given:
        one = one["value"] if _is_named(one) else one  # noqa: PLW2901
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


def _is_named(one: Any) -> bool:
    return isinstance(one, Mapping) and "value" in one


def with_reported(outcome: Outcome, reports: Mapping[int, float], *, maximized: bool) -> Outcome:
    """The outcome with the trial's best or last report as its value, if the program has returned none.

    Args:
        reports: by step.
    """
    if outcome.how != "done" or outcome.take is None:
        return outcome
    if outcome.take == "last":
        return judge(reports[max(reports)], 1)
    numbers = [value for value in reports.values() if not math.isnan(value)]
    if not numbers:
        return Outcome("failed", reason="reported nothing but nan")
    return Outcome("done", [max(numbers) if maximized else min(numbers)])


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
