"""An earlier search as a sampler's memory: ``hydra.sweeper.warm_start={from: FOLDER, history: true}``."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.record.saved import open_saved
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.space.wrapping import innermost
from lightning_sweeps.searches.study.opening import typed

OPTION = "hydra.sweeper.warm_start"
LEARNED_FROM = (TrialState.COMPLETE, TrialState.PRUNED)


def is_history(part: Any) -> bool:
    """Whether this part of the option is an earlier search as a whole."""
    return isinstance(part, Mapping) and "history" in part


def history(part: Mapping[str, Any], space: Space, directions: Sequence[str]) -> list[FrozenTrial]:
    """What an earlier search has found out, if it had the same space.

    Raises:
        ConfigError: it is no search, has another space or other directions, or no trial of it has ended.
    """
    if set(part) - {"study"} != {"from", "history"} or part["history"] is not True:
        raise ConfigError(f"{OPTION}: a whole search is {{from: FOLDER, history: true}}, with study: NAME if need be")
    where = str(part["from"])
    try:
        study = open_saved(where, None, part.get("study")).study
    except ConfigError as error:
        raise ConfigError(f"{OPTION}={error}") from error
    before = [one.name.lower() for one in study.directions]
    if before != list(directions):
        raise ConfigError(f"{OPTION}: {where} has direction {','.join(before)}, not {','.join(directions)}")
    known: dict[str, str] = study.user_attrs.get("space") or {}
    described = space.described()
    if other := next((name for name in {**known, **described} if known.get(name) != described.get(name)), None):
        raise ConfigError(
            f"{OPTION}: {where} has another space: {other} was {typed(known.get(other))}, now "
            f"{typed(described.get(other))}.\nIts best trials may be the first ones: {{from: {where}, best: 3}}"
        )
    trials = [one for one in study.get_trials(deepcopy=False, states=LEARNED_FROM) if one.params]
    if not trials:
        raise ConfigError(f"{OPTION}={where}: no trial of that search has ended")
    return trials


def require_learning(sampler: BaseSampler) -> None:
    """Refuse a sampler that learns nothing from an earlier search.

    Raises:
        ConfigError: it is one.
    """
    inner = innermost(sampler)
    stock = type(inner).__module__.startswith("optuna.")
    if stock and not isinstance(inner, TPESampler | GPSampler):
        raise ConfigError(
            f"{OPTION}: {type(inner).__name__} learns nothing from an earlier search; tpe and gp do.\n"
            "Its best trials may be the first ones: {from: FOLDER, best: 3}"
        )
