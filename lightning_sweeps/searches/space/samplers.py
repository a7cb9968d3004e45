"""Samplers that depend on a trial's number, so that a study goes on as if it had never stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GridSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.auto import Search, automatic
from lightning_sweeps.searches.space.gaussian import direct
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.space.wrapping import Wrapping

DEFAULT_TRIALS = 20
FITS = "gprs_cache_list"  # of Gaussian processes, from which a sampler goes on; a resumed search has none of them


class Exhaustive(BaseSampler):
    """Gives trial number k the k-th combination: it has no state, and no combination is run twice.

    Args:
        asked: so many trials were asked for; 0 if nobody said.
    """

    def __init__(
        self, combinations: Sequence[Mapping[str, Any]], space: Mapping[str, BaseDistribution], asked: int = 0
    ) -> None:
        self.combinations = combinations
        self.space = dict(space)
        self.asked = asked
        self._first = 0  # the number of the trial that gets the first combination

    def go_on_after(self, trials: Sequence[FrozenTrial]) -> int:
        """Leave out combinations that another sampler has drawn; if more trials are wanted, repeat those that failed.

        Returns:
            How many trials the study has when every combination has had its own.
        """
        if all(trial.params in ({}, self._of(trial)) for trial in trials):
            first, left = 0, list(self.combinations)
        else:
            drawn = [trial.params for trial in trials]
            first, left = len(trials), [one for one in self.combinations if one not in drawn]
        again = self.failed(trials)[: max(0, self.asked - first - len(left))]
        if left or again:
            self.combinations, self._first = [*left, *again], first
        return first + len(left) + len(again)

    def failed(self, trials: Sequence[FrozenTrial]) -> list[Mapping[str, Any]]:
        """Combinations that have failed, have no other result, and are not running."""
        ends: dict[int, set[TrialState]] = {}
        for trial in trials:
            if trial.params in self.combinations:
                ends.setdefault(self.combinations.index(trial.params), set()).add(trial.state)
        return [self.combinations[index] for index, states in ends.items() if states == {TrialState.FAIL}]

    def _of(self, trial: FrozenTrial) -> Mapping[str, Any]:
        return self.combinations[(trial.number - self._first) % len(self.combinations)]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(self._of(trial))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._of(trial)[param_name]


class Numbered(Wrapping):
    """Any sampler of Optuna's, seeded anew for each trial from its seed and the trial's number.

    What it draws then depends on the seed, the number and the finished trials alone: a resumed study draws what it
    would have drawn, and several workers with one seed never draw the same.
    """

    def __init__(self, sampler: BaseSampler, seed: int) -> None:
        super().__init__(sampler)
        self.seed = seed

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        _reseed(self.sampler, (self.seed * 1_000_003 + trial.number) % 2**32)
        super().before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        # A grid stops the study by itself when it is through; here the budget does.
        if not isinstance(self.sampler, GridSampler):
            super().after_trial(study, trial, state, values)


def _reseed(sampler: BaseSampler, seed: int) -> None:
    for name, value in vars(sampler).items():
        if isinstance(value, LazyRandomState):
            value.rng.seed(seed)
        elif isinstance(value, BaseSampler):
            _reseed(value, seed)
        elif name.endswith(FITS):
            setattr(sampler, name, None)


class Auto:
    """The target of ``hydra/sweeper/sampler=auto``: chosen when the space and the budget are known; see ``choose``."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed


OLD_DEFAULTS = (
    "multivariate",
    "constant_liar",
)  # of TPE: off in Optuna 4 and in the stock plugin's config, on in Optuna 5


def as_optuna_has_it(node: Any, typed: Sequence[str]) -> Any:
    """A sampler's config without outdated defaults of the stock plugin, unless somebody has typed them."""
    if not hasattr(node, "get") or node.get("_target_") != "optuna.samplers.TPESampler":
        return node
    said = " ".join(line for line in typed if line.lstrip("+").startswith("hydra.sweeper.sampler"))
    return {key: value for key, value in node.items() if value or key not in OLD_DEFAULTS or key in said}


def choose(
    configured: Any, seed: int | None, space: Space, n_trials: int | None, search: Search
) -> tuple[BaseSampler, int, str]:
    """Choose the sampler and the number of trials, and say why in a few words.

    Args:
        configured: what the config group built: a sampler, ``Auto``, or a partial of GridSampler without its space.
        search: what ``Auto`` depends on too.

    Raises:
        ConfigError: a grid over a continuous space.
    """
    combinations = space.combinations()
    chosen = n_trials is not None and combinations is not None and n_trials < len(combinations)
    if space.excluded and (chosen or not isinstance(configured, Auto)):
        raise ConfigError(
            "hydra.sweeper.exclude: combinations are left out where all others are run, with sampler=auto and "
            "n_trials for all of them.\nWhere a sampler chooses, use hydra.sweeper.conditions"
        )
    if isinstance(configured, partial) and space.conditions:
        raise ConfigError("sampler=grid knows no hydra.sweeper.conditions; sampler=auto runs each combination once")
    if isinstance(configured, partial):  # the stock grid
        if combinations is None:
            raise ConfigError(
                "sampler=grid needs choices or ranges with a step; "
                "a continuous interval has no grid. Use hydra/sweeper/sampler=tpe or random"
            )
        grid = {name: list(dict.fromkeys(point[name] for point in combinations)) for name in space.distributions}
        budget = len(combinations) if n_trials is None else min(n_trials, len(combinations))
        return Numbered(configured(grid), seed or 0), budget, f"grid of {len(combinations)}"
    if isinstance(configured, Auto) and combinations is not None and (n_trials is None or not chosen):
        return _exhaustive(combinations, space, n_trials or 0)
    count, why = DEFAULT_TRIALS if n_trials is None else n_trials, ""
    if isinstance(configured, Auto):
        configured, reason = automatic(space, count, seed, search)
        why = f" (chosen by auto: {reason})"
    sampler = direct(configured) if seed is None else Numbered(direct(configured), seed)
    return sampler, count, f"{type(configured).__name__}{why}"


def _exhaustive(combinations: Sequence[Mapping[str, Any]], space: Space, n_trials: int) -> tuple[BaseSampler, int, str]:
    count = len(combinations)
    why = "the only combination" if count == 1 else f"all {count} combinations"
    if space.excluded:
        why += f" ({len(replace(space, excluded=()).combinations() or ()) - count} excluded)"
    if n_trials > count:
        why += f" (n_trials={n_trials} asks for more than there are, to run again what has failed)"
    return Exhaustive(combinations, space.distributions, n_trials), count, why
