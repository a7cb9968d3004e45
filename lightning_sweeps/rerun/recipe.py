"""How a trial was made, so that it can be run again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.again import folders_of_configs
from lightning_sweeps.overrides.groups import CONF, find_groups
from lightning_sweeps.rerun.composition import Primary
from lightning_sweeps.runs.result import read_result
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.trials_csv import ranked
from lightning_sweeps.searches.study.parts import FIRST_PART, PARTS


@dataclass(frozen=True)
class Recipe:
    """What repeats a trial, and what came out of it."""

    number: int
    values: tuple[float, ...]
    directions: tuple[str, ...]  # of the search: minimize or maximize, for each objective
    overrides: list[str]
    folder: Path | None  # where it wrote, if that is there
    primary: Primary
    metric: str
    subdir: str | None  # of that folder, where Hydra writes the composed config
    what: str = ""  # of the trial, if it is not the whole of it
    whole: tuple[float, ...] = ()  # values of the whole trial
    of_the_trial: Sequence[str] = ()  # overrides of the whole trial
    repeats: int = 1  # seeds that it was run with
    folds: Sequence[str] = ()  # overrides of a search, for the folds that it was run on

    @property
    def value(self) -> float | None:
        """None for a trial without a value, or with several."""
        return self.values[0] if len(self.values) == 1 else None

    def first_new_seed(self) -> int:
        """After those that it was chosen with."""
        seed = self.result().get("seed")
        if seed is None:
            seed = (self.config() or {}).get("seed")
        return (seed if isinstance(seed, int) else 0) + self.repeats

    def result(self) -> dict[str, Any]:
        """Its ``result.json``; empty if it has none."""
        return read_result(self.folder) if self.folder is not None else {}

    def config(self) -> Mapping[str, Any] | None:
        """The config that it ran with, with its interpolations; None if it is gone, or was not kept."""
        return self._saved("config")

    def choices(self) -> Mapping[str, Any]:
        """Config group -> option; a list if several options were typed, which Hydra does not save."""
        hydra = self._saved("hydra") or {}
        own = [self.primary.folder] if self.primary.folder is not None else []
        groups = find_groups([*own, CONF, *self.primary.added])
        parsed = OverridesParser.create().parse_overrides(self.overrides)
        typed = {one.key_or_group: one.value() for one in parsed if one.key_or_group in groups}
        several = {group: options for group, options in typed.items() if isinstance(options, list)}
        return {**hydra["hydra"]["runtime"]["choices"], **several}

    def _saved(self, name: str) -> Mapping[str, Any] | None:
        if self.folder is None or self.subdir is None:
            return None
        file = self.folder / self.subdir / f"{name}.yaml"
        if not file.is_file():
            return None
        loaded: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        return loaded  # type: ignore[no-any-return]


def choose(saved: Saved, number: int | None, best: int, *, front: bool = False) -> list[Recipe]:
    """The trial of this number, or the best ones, or the Pareto front.

    Raises:
        ConfigError: there are none, or nobody knows how they were made.
    """
    if saved.config is None:
        raise ConfigError(f"{saved.folder}: it has no multirun.yaml, so nobody knows how its trials were composed")
    if number is not None:
        return [_recipe(saved, saved.trial(number))]
    if front:
        return [_recipe(saved, trial) for trial in saved.study.best_trials]
    if len(saved.study.directions) > 1:
        found = " or ".join(f"--trial {trial.number}" for trial in saved.study.best_trials)
        raise ConfigError(f"the study has several objectives; choose of its Pareto front: --front, or {found}")
    if not (trials := ranked(saved.study)[:best]):
        raise ConfigError(f"{saved.folder}: no trial is complete yet")
    return [_recipe(saved, trial) for trial in trials]


def _recipe(saved: Saved, trial: FrozenTrial) -> Recipe:
    overrides = trial.user_attrs.get("overrides")
    if overrides is None:
        raise ConfigError(f"trial {trial.number} never began, or another tool ran it: it has no overrides")
    folder, values, first = saved.folder_of(trial), tuple(trial.values or ()), overrides
    divided = saved.study.user_attrs.get(PARTS) or {}
    if parts := trial.user_attrs.get(PARTS):  # one run repeats its first part
        first, values = trial.user_attrs.get(FIRST_PART, overrides), tuple(parts.get("0", ()))
        folder = folder / "0" if folder is not None else None
    return Recipe(
        trial.number,
        values,
        tuple(direction.name.lower() for direction in saved.study.directions),
        list(first),
        folder,
        _primary(saved.config.hydra),
        str(OmegaConf.select(saved.config, "objective.metric") or "value"),
        saved.config.hydra.output_subdir,
        f" of the first of its {len(parts)} parts" if parts else "",
        tuple(trial.values or ()),
        list(overrides),
        divided.get("repeats", 1),
        [f"hydra.sweeper.{name}={value}" for name, value in divided.items()] if "folds" in divided else [],
    )


def _primary(hydra: DictConfig) -> Primary:
    own = folders_of_configs(hydra, "main")
    return Primary(own[0] if own else None, str(hydra.job.config_name), folders_of_configs(hydra, "command-line"))
