"""How a trial ended."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
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


def told_of(what: str, error: BaseException) -> str:
    """What a part of somebody's own has raised, on one line."""
    return f"{what}: {type(error).__name__}: {' '.join(str(error).split())}"


def _shown(value: Any) -> str:
    return f"{json.dumps(value, default=repr)[:60]} ({type(value).__name__})"
