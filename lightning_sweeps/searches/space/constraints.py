"""``hydra.sweeper.constraints``: what a trial must fulfil to count as a result, as ``parameters<100000``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.searches.space.condition import TEXT

OPTION = "hydra.sweeper.constraints"
NOTED = "constraints"  # an attribute of a trial: each constraint as it was typed -> by how much it is violated


@dataclass(frozen=True)
class Constraint:
    """A bound on a number that a run notes.

    Args:
        name: of a metric or a cost.
        sign: 1 for an upper bound, -1 for a lower one.
        strict: whether the bound itself violates it.
        text: as it was typed.
    """

    name: str
    sign: int
    bound: float
    strict: bool
    text: str

    def violation(self, value: float) -> float:
        """By how much; not positive if it is fulfilled. Not-a-number fulfils nothing."""
        if math.isnan(value):
            return math.inf
        excess = self.sign * (value - self.bound)
        return math.ulp(self.bound) if self.strict and excess == 0 else excess


def constraints(given: Any) -> tuple[Constraint, ...]:
    """Read what was typed: a list of texts, or one.

    Raises:
        ConfigError: it is no such text.
    """
    texts = [given] if isinstance(given, str) else (given or [])
    if not isinstance(texts, Sequence) or not all(isinstance(one, str) for one in texts):
        raise ConfigError(f"{OPTION}={given}: it is a list of texts as parameters<100000")
    return tuple(map(_parse, texts))


def _parse(text: str) -> Constraint:
    parts = TEXT.fullmatch(text)
    if parts is None or parts["operator"] not in ("<", "<=", ">", ">="):
        raise ConfigError(f"{OPTION}: '{text}' is no constraint; write it as parameters<100000, or with <= > >=")
    try:
        bound = float(parts["values"])
    except ValueError:
        raise ConfigError(f"{OPTION}: '{text}' compares with a number, and {parts['values']} is none") from None
    sign = 1 if parts["operator"].startswith("<") else -1
    return Constraint(parts["name"], sign, bound, len(parts["operator"]) == 1, text.strip())


def violations(given: Sequence[Constraint], known: Mapping[str, float]) -> dict[str, float]:
    """By how much each is violated.

    Args:
        known: what the run has noted.

    Raises:
        ConfigError: it has not noted what a constraint names.
    """
    for one in given:
        if one.name not in known:
            hint = nearest(one.name, known)
            noted = ", ".join(known) or "nothing"
            raise ConfigError(f"{OPTION}: '{one.text}': the run notes no {one.name}.{hint} It notes {noted}")
    return {one.text: one.violation(known[one.name]) for one in given}


def violated(trial: FrozenTrial) -> list[str]:
    """The constraints that a trial violates, as they were typed."""
    noted = trial.user_attrs.get(NOTED) or {}
    return [text for text, by in noted.items() if by > 0]


def for_samplers(trial: FrozenTrial) -> list[float]:
    """What Optuna's samplers ask for. A pruned trial may have noted nothing; then nothing is known to be violated."""
    noted = trial.user_attrs.get(NOTED) or {}
    return [float(by) for by in noted.values()] or [0.0]
