"""What the options of a search mean, checked."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import NopPruner
from optuna.samplers import GridSampler
from optuna.storages import BaseStorage

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.metric_names import COSTS
from lightning_sweeps.overrides.again import typed
from lightning_sweeps.searches.again import run_again
from lightning_sweeps.searches.engine.budget import Budget
from lightning_sweeps.searches.execute.program import Program
from lightning_sweeps.searches.history import require_learning
from lightning_sweeps.searches.options import Options
from lightning_sweeps.searches.priors import expected, with_expected
from lightning_sweeps.searches.record.checkpoints_kept import kept_count
from lightning_sweeps.searches.space.auto import Search
from lightning_sweeps.searches.space.chosen import build_pruner, build_sampler, seed_of
from lightning_sweeps.searches.space.compose import Composer
from lightning_sweeps.searches.space.conditions import conditional, without
from lightning_sweeps.searches.space.constraints import Constraint, constraints
from lightning_sweeps.searches.space.direction import also_of, directions, metric_of
from lightning_sweeps.searches.space.expecting import Expecting
from lightning_sweeps.searches.space.parse import parse_space
from lightning_sweeps.searches.space.repeats import Parts, parts_of
from lightning_sweeps.searches.space.samplers import Exhaustive
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.space.wrapping import innermost
from lightning_sweeps.searches.study.duplicates import drawing, require_way
from lightning_sweeps.searches.study.informed import informed
from lightning_sweeps.searches.study.opening import open_study
from lightning_sweeps.searches.study.parts import require_same_parts
from lightning_sweeps.searches.study.smaller_batches import require_way as require_way_out
from lightning_sweeps.searches.terminator import require_terminator
from lightning_sweeps.searches.warm_start import WarmStart, warm_start

BUDGETS = ("timeout", "trial_timeout", "stop_timeout", "target", "patience", "max_failure_rate", "max_retries")


@dataclass
class Plan:
    """What the options mean, checked."""

    space: Space
    directions: list[str]
    pruner: optuna.pruners.BasePruner
    sampler: optuna.samplers.BaseSampler
    why: str
    budget: Budget
    compose: Composer
    start_timeout: float | None
    parts: Parts | None
    first: WarmStart
    names: list[str]
    constraints: tuple[Constraint, ...]
    terminates: bool  # when little is left to gain
    halves_batches: bool  # of trials that ran out of memory
    reuses: bool  # the values of a trial with the same parameters

    def open(self, storage: BaseStorage, name: str) -> optuna.Study:
        """The study, new or to go on with; the budget is for what it lacks."""
        study, is_new = open_study(storage, name, self.directions, self.sampler, self.pruner, self.space)
        require_same_parts(study, self.parts)
        if len(self.names) == len(self.directions) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna calls it experimental
                study.set_metric_names(self.names)
        if is_new:
            self.first.put_into(study)
        if isinstance(self.sampler, Exhaustive):
            n_trials = self.sampler.go_on_after(study.get_trials(deepcopy=False))
            self.budget = replace(self.budget, n_trials=n_trials)
        return study

    def run_again(self, study: optuna.Study, pattern: str) -> None:
        """Add failed trials to the budget; see ``again.run_again``."""
        count = run_again(study, pattern)
        waiting = len(study.get_trials(deepcopy=False))
        self.budget = replace(self.budget, n_trials=max(self.budget.n_trials + count, waiting))


def make_plan(options: Options, program: Program, arguments: Sequence[str]) -> Plan:
    """Check the options of a search against each other and against the program.

    Args:
        arguments: the overrides that were typed, but for Hydra's own.

    Raises:
        SweepsError: they cannot be, or what they name cannot be composed.
    """
    config, task_function = program.config, program.task_function
    space = parse_space(options.params, arguments, program.hydra_context.config_loader)
    space = without(conditional(space, options.conditions), options.exclude or ())
    bounds = constraints(options.constraints)
    if measured := [one.name for one in bounds if one.name in COSTS]:
        space.lines += _measuring(config, measured)
    chosen = directions(options.direction, config)
    pruner = build_pruner(options.pruner)
    _require_objective(config)
    count = getattr(task_function, "objectives", None)
    if count is not None and len(chosen) != (returned := count(config)):
        raise ConfigError(
            f"hydra.sweeper.direction={','.join(chosen)}: a run here returns {returned} value{'s' * (returned > 1)}. "
            "Leave the direction out; it follows objective.mode and objective.also"
        )
    sampler, n_trials, why = build_sampler(
        options.sampler,
        space,
        typed(config.hydra),
        options.n_trials,
        Search(not isinstance(pruner, NopPruner), len(chosen), bool(bounds)),
        extended=bool(options.custom_search_space),
    )
    way = require_way(options.on_duplicate)
    if way == "skip" and (points := space.combinations()) is not None:
        n_trials = min(n_trials, len(points))
    kept_count(options.keep_checkpoints, len(chosen))
    budget = Budget(n_trials, **{name: getattr(options, name) for name in BUDGETS})
    accept = getattr(task_function, "check", None)
    compose = Composer(space, program.hydra_context, config, options.custom_search_space, accept)
    compose.draw = drawing(space, way)
    compose.check()
    parts = parts_of(options.repeats, options.folds, options.aggregate, list(space.distributions))
    if parts is not None:
        parts.overrides(compose.numbered(space.overrides(space.first())), 0)
    names = [str(metric_of(config)), *map(str, also_of(config))]
    samples = not isinstance(innermost(sampler), Exhaustive | GridSampler)
    first = warm_start(options.warm_start, space, compose, n_trials, chosen, samples=samples)
    if first.history:
        require_learning(sampler)
    sampler = informed(sampler, first.history)
    values = expected(options.priors, space, samples=samples)
    return Plan(
        space=space,
        directions=chosen,
        pruner=pruner,
        sampler=Expecting(sampler, values, seed_of(options.sampler)) if values else sampler,
        why=why,
        budget=budget,
        compose=compose,
        start_timeout=options.start_timeout,
        parts=parts,
        first=with_expected(first, values, n_trials),
        names=names,
        constraints=bounds,
        terminates=require_terminator(options.terminator, len(chosen)),
        halves_batches=require_way_out(options.on_oom, compose.numbered(space.overrides(space.first()))),
        reuses=way == "reuse",
    )


def _measuring(config: DictConfig, costs: Sequence[str]) -> list[tuple[str, str | None]]:
    """An override for what constraints need, of programs that measure it when they are asked."""
    objective = OmegaConf.select(config, "objective")
    if not OmegaConf.is_dict(objective) or "measure" not in objective:
        return []
    names = dict.fromkeys([*(objective.measure or ()), *costs])
    return [("objective.measure", f"objective.measure=[{','.join(names)}]")]


def _require_objective(config: DictConfig) -> None:
    objective = OmegaConf.select(config, "objective")
    if OmegaConf.is_dict(objective) and "metric" in objective and objective.metric is None:
        raise ConfigError("objective.metric=null: a search needs a number to compare; name a logged metric")
