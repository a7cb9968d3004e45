"""``hydra.sweeper.on_duplicate``: what becomes of a trial whose parameters another one has had."""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.store.optunas import draw_ahead, fix, is_fixed

WAYS = ("run", "reuse", "skip")
TRIES = 30  # draws of the sampler, before any point that nobody has had is taken

Point = frozenset[tuple[str, Any]]


def require_way(given: Any) -> str:
    """The way that was typed.

    Raises:
        ConfigError: there is no such way.
    """
    if given not in WAYS:
        hint = nearest(str(given), WAYS)
        raise ConfigError(f"hydra.sweeper.on_duplicate={given}: it is one of {', '.join(WAYS)}.{hint}")
    return str(given)


def drawing(space: Space, way: str) -> Callable[[Trial], None]:
    """What draws a trial's parameters; with ``skip`` others than those that a trial of the study has had.

    Only in a finite space may a sampler draw the same again.
    """
    points = space.combinations() if way == "skip" else None
    return space.draw if points is None else _Distinct(space, points)


def same_as(study: optuna.Study, trial: Trial) -> FrozenTrial | None:
    """The first complete trial with the same parameters."""
    others = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((one for one in others if one.params == trial.params), None)


class _Distinct:
    def __init__(self, space: Space, points: Sequence[Mapping[str, Any]]) -> None:
        self.space = space
        self.points = points

    def __call__(self, trial: Trial) -> None:
        if not trial.params and not is_fixed(trial):
            had = {_key(one.params) for one in trial.study.get_trials(deepcopy=False) if one.number != trial.number}
            if (point := self._new(trial, had)) is not None:
                fix(trial, point)
        self.space.draw(trial)

    def _new(self, trial: Trial, had: Collection[Point]) -> dict[str, Any] | None:
        for attempt in range(TRIES):
            point = draw_ahead(trial, self.space.distributions, self.space.has, again=attempt > 0)
            if _key(point) not in had:
                return point
        left = [one for one in self.points if _key(one) not in had]
        return dict(random.Random(trial.number).choice(left)) if left else None  # noqa: S311


def _key(params: Mapping[str, Any]) -> Point:
    return frozenset(params.items())
