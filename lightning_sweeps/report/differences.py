"""In what several searches differ: in the ranges of their parameters, and in what is fixed in them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from optuna.distributions import BaseDistribution, CategoricalDistribution

from lightning_sweeps.overrides.text import flat
from lightning_sweeps.report.facts import distributions_of
from lightning_sweeps.report.table import shown
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.trials_csv import best_trial

# Of a search, not of what it searches: where it is, and what Hydra knows of its process.
PLACES = (
    *("hydra.sweep.", "hydra.run.", "hydra.job.", "hydra.runtime.", "hydra.overrides.", "hydra.launcher."),
    *("hydra.sweeper.study_name", "hydra.sweeper.storage"),
)
MISSING = "not there"


def differences(searches: Sequence[Saved]) -> list[tuple[str, list[str]]]:
    """What differs, with what each search has in its place: first the parameters, then the config."""
    spaces = [distributions_of(saved) for saved in searches]
    bests = [best_trial(saved.study) for saved in searches]
    found = []
    for name in dict.fromkeys(name for space in spaces for name in space):
        ranges = [_range(space.get(name)) for space in spaces]
        values = [best.params.get(name) if best is not None else None for best in bests]
        if len({*ranges}) > 1 or len({str(value) for value in values}) > 1:
            told = [
                text + (f"; best {shown(value)}" if value is not None else "")
                for text, value in zip(ranges, values, strict=True)
            ]
            found.append((name, told))
    configs = [_settings(saved) for saved in searches]
    for name in sorted({name for config in configs for name in config}):
        told = [str(config.get(name, MISSING)) for config in configs]
        if len({*told}) > 1 and not any(name in space for space in spaces):
            found.append((name, told))
    return found


def but_for_seeds(saved: Saved) -> str | None:
    """The same text for searches that differ in nothing but seeds; None if that cannot be known."""
    settings = {name: value for name, value in _settings(saved).items() if name.rpartition(".")[2] != "seed"}
    space = {name: str(one) for name, one in distributions_of(saved).items()}
    return json.dumps([settings, space], sort_keys=True, default=str) if settings else None


def _settings(saved: Saved) -> Mapping[str, Any]:
    if saved.config is None:
        return {}
    return dict(_of_the_search(OmegaConf.to_container(saved.config, resolve=False)))


def _of_the_search(config: Any) -> Iterator[tuple[str, Any]]:
    for name, value in flat(config):
        if not name.startswith(PLACES) and (not name.startswith("hydra.") or name.startswith("hydra.sweeper.")):
            yield name, value


def _range(one: BaseDistribution | None) -> str:
    if one is None:
        return "not searched"
    if isinstance(one, CategoricalDistribution):
        return ", ".join(map(str, one.choices))
    low, high, log = getattr(one, "low", ""), getattr(one, "high", ""), getattr(one, "log", False)
    return f"{shown(low)} to {shown(high)}" + (", log" if log else "")
