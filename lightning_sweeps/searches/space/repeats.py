"""``hydra.sweeper.repeats`` and ``folds``: a trial is run several times, and one number is made of the values."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.overrides.text import key_of

SEED = "seed"
DATAMODULES = ("datamodule", "data")  # the config groups that templates use


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _bound(values: Sequence[float], *, maximized: bool) -> float:
    error = _standard_error(values)
    return statistics.mean(values) + (-error if maximized else error)


AGGREGATES: dict[str, Callable[[Sequence[float], bool], float]] = {
    "mean": lambda values, _: statistics.mean(values),
    "median": lambda values, _: statistics.median(values),
    "worst": lambda values, maximized: min(values) if maximized else max(values),
    "bound": lambda values, maximized: _bound(values, maximized=maximized),
}


@dataclass(frozen=True)
class Parts:
    """How a trial is divided.

    Args:
        kind: ``repeats`` or ``folds``.
        count: of the parts.
        aggregate: makes one number of the parts' values: ``mean``; ``median``; ``worst``; ``bound``, one standard
            error on the bad side of the mean.
    """

    kind: str
    count: int
    aggregate: str

    def overrides(self, config: DictConfig, part: int) -> list[str]:
        """What a part has in place of the trial's own.

        Args:
            config: of the trial.

        Raises:
            ConfigError: the config has no place for it.
        """
        if self.kind == "repeats":
            seed = OmegaConf.select(config, SEED, throw_on_missing=False)
            if not isinstance(seed, int) or isinstance(seed, bool):
                raise ConfigError(
                    f"hydra.sweeper.repeats={self.count}: each repeat has a seed of its own, and the config's key "
                    f"'seed' holds {seed}.\nGive the program's config a key 'seed' with a whole number"
                )
            return [f"{SEED}={seed + part}"]
        for group in DATAMODULES:
            node = OmegaConf.select(config, group, throw_on_missing=False)
            if OmegaConf.is_dict(node) and "folds" in node and "fold" in node:
                return [f"{group}.folds={self.count}", f"{group}.fold={part}"]
        raise ConfigError(
            f"hydra.sweeper.folds={self.count}: the datamodule offers none: its config has no keys 'folds' and 'fold'"
            "\nUse hydra.sweeper.repeats, or a datamodule that has both"
        )

    def value(self, values: Sequence[float], *, maximized: bool) -> float:
        """One number of the parts' values, or of those that are there yet."""
        return AGGREGATES[self.aggregate](values, maximized)

    def described(self) -> dict[str, Any]:
        """As the study notes it."""
        return {self.kind: self.count, "aggregate": self.aggregate}

    def __str__(self) -> str:
        what = "seeds" if self.kind == "repeats" else "folds"
        return f"{self.aggregate} of {self.count} {what}"


def parts_of(repeats: Any, folds: Any, aggregate: Any, searched: Sequence[str]) -> Parts | None:
    """How trials are divided; None if they are not.

    Args:
        searched: the names of the parameters.

    Raises:
        ConfigError: the options are none, or contradict each other or the space.
    """
    if aggregate not in AGGREGATES:
        hint = nearest(str(aggregate), AGGREGATES)
        raise ConfigError(f"hydra.sweeper.aggregate={aggregate}: it is one of {', '.join(AGGREGATES)}.{hint}")
    for name, count, least in (("repeats", repeats, 1), ("folds", folds, 2)):
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < least):
            raise ConfigError(f"hydra.sweeper.{name}={count}: it is a whole number, at least {least}")
    if repeats is not None and folds is not None:
        raise ConfigError("hydra.sweeper.repeats and folds: a trial is divided by seeds or by folds; leave out one")
    if repeats is not None and any(key_of(name) == SEED for name in searched):
        raise ConfigError(
            "hydra.sweeper.repeats: seed is searched, and repeats would replace it; leave out one of them"
        )
    if folds is not None:
        return Parts("folds", folds, aggregate)
    return Parts("repeats", repeats, aggregate) if repeats is not None and repeats > 1 else None
