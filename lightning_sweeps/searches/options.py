"""The options of ``hydra/sweeper=study``, read once and checked as far as each can be by itself."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from omegaconf import OmegaConf

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.safety.passwords import masked_url
from lightning_sweeps.searches.durations import seconds

DURATIONS = ("timeout", "trial_timeout", "stop_timeout", "start_timeout", "grace_period")
ISOLATIONS = ("process", "none")


@dataclass(frozen=True)
class Options:
    """What the user may set below ``hydra.sweeper``; ``config.py`` has the defaults and says what each means.

    Durations are seconds. ``sampler``, ``pruner`` and ``params`` are configs: who builds these parts reads them.
    """

    sampler: Any
    pruner: Any
    params: Any
    conditions: Mapping[str, Any] | None
    exclude: Sequence[Any] | None
    custom_search_space: str | None
    direction: Any
    repeats: Any
    folds: Any
    aggregate: Any
    constraints: Any
    on_duplicate: Any
    on_oom: Any
    warm_start: Any
    priors: Any
    dry_run: bool
    detach: Any
    storage: Any
    study_name: str | None
    n_trials: Any
    n_jobs: Any
    devices_per_trial: Any
    trials_per_device: Any
    max_failure_rate: float
    keep_checkpoints: str
    report: bool
    workers: int | None
    allow_changes: bool
    join: bool
    preload: bool
    start_method: str
    start_timeout: float | None
    isolation: str
    timeout: float | None
    trial_timeout: float | None
    stop_timeout: float
    target: float | None
    patience: int | None
    terminator: Any
    grace_period: float
    max_retries: int

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Options":
        """The options as Hydra has them.

        Raises:
            ConfigError: there is no such option, or it has no such value.
        """
        given = dict(given)
        if given.pop("search_space", None) is not None:
            raise ConfigError(
                "hydra.sweeper.search_space: first versions of the stock sweeper had this name for params. Write there:"
                "\nlr: tag(log, interval(0.0001, 0.1)), or width: int(interval(8, 64)), or act: choice(relu, gelu)"
            )
        known = {field.name for field in fields(cls)}
        if unknown := sorted(given.keys() - known):
            raise ConfigError(f"hydra.sweeper.{unknown[0]}: no such option.{nearest(unknown[0], known)}")
        options = cls(**given | {name: seconds(name, given[name]) for name in DURATIONS})
        if options.study_name == "":
            raise ConfigError("hydra.sweeper.study_name is empty: name the study, or leave it out for hydra.job.name")
        if options.isolation not in ISOLATIONS:
            raise ConfigError(f"hydra.sweeper.isolation={options.isolation}: it is process or none")
        if options.isolation == "none" and options.detach:
            raise ConfigError("hydra.sweeper.detach: isolation=none is for a debugger, which needs the terminal")
        method = options.start_method
        if options.isolation == "none" and method != os.environ.get("LIGHTNING_SWEEPS_START_METHOD", "auto"):
            raise ConfigError(f"hydra.sweeper.start_method={method}: isolation=none starts no processes")
        return options

    def of_a_worker(self) -> "Options":
        """The same for a supervisor that a launcher starts, without the password and the config that they came from."""
        storage = self.storage and masked_url(str(self.storage))
        alone = {field.name: _alone(getattr(self, field.name)) for field in fields(self)}
        return replace(self, **alone | {"workers": None, "join": True, "detach": False, "storage": storage})


def _alone(option: Any) -> Any:
    """The option without the config that it is a part of."""
    return OmegaConf.create(OmegaConf.to_container(option, resolve=True)) if OmegaConf.is_config(option) else option
