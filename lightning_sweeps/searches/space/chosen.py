"""The sampler and the pruner that the config names, built with Optuna's own classes."""

import functools
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import optuna
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from optuna.exceptions import ExperimentalWarning

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.safety.trust import is_refused
from lightning_sweeps.searches.space.arguments import require_kinds
from lightning_sweeps.searches.space.auto import Search
from lightning_sweeps.searches.space.constraints import for_samplers
from lightning_sweeps.searches.space.samplers import Auto, as_optuna_has_it, choose
from lightning_sweeps.searches.space.space import Space

OURS = ("lightning_sweeps.searches.space.samplers.*", "lightning_sweeps.searches.space.hub.*")


def build_pruner(node: Any) -> optuna.pruners.BasePruner:
    """The pruner of ``hydra/sweeper/pruner``.

    Raises:
        ConfigError: it is none, or Optuna refuses its arguments.
    """
    pruner: optuna.pruners.BasePruner = _build("pruner", node, optuna.pruners.BasePruner, "optuna.pruners.*")
    return pruner


def build_sampler(
    node: Any, space: Space, lines: Sequence[str], n_trials: Any, search: Search, *, extended: bool
) -> tuple[optuna.samplers.BaseSampler, int, str]:
    """The sampler of ``hydra/sweeper/sampler``, the number of trials, and a word about why; see ``choose``.

    Args:
        lines: the overrides that were typed.
        n_trials: that were asked for; None: every combination, or the default.
        extended: a function of the person's own suggests more parameters than the space has.
        search: if it is constrained, the samplers that know such are told.

    Raises:
        ConfigError: it is none, Optuna refuses its arguments, or it does not suit the space.
    """
    node = as_optuna_has_it(node, lines)
    more = [key for key in node if key not in ("_target_", "seed")] if _is_auto(node) else []
    if more:
        raise ConfigError(
            f"hydra.sweeper.sampler.{more[0]}: sampler=auto takes a seed only.\nName one: hydra/sweeper/sampler=tpe"
        )
    kinds = optuna.samplers.BaseSampler, Auto, functools.partial
    configured = _build("sampler", node, kinds, "optuna.samplers.*", "hydra_plugins.hydra_optuna_sweeper.*")
    seed = seed_of(node)
    if extended and isinstance(configured, Auto):
        configured = optuna.samplers.TPESampler(seed=seed)
    sampler, count, why = choose(configured, seed, space, n_trials, search)
    if search.constrained:
        _tell_of_constraints(sampler)
    return sampler, count, why


def seed_of(node: Any) -> int | None:
    """The seed in a sampler's config.

    Raises:
        ConfigError: it is none.
    """
    seed = node.get("seed") if hasattr(node, "get") else None
    if seed is not None and not (isinstance(seed, int) and 0 <= seed < 2**32):
        raise ConfigError(f"hydra.sweeper.sampler.seed={seed}: it is a whole number from 0 to {2**32 - 1}, or null")
    return seed


def _tell_of_constraints(sampler: optuna.samplers.BaseSampler) -> None:
    """Samplers have no public way to be told after they were made, and are made here from their own configs."""
    if hasattr(sampler, "_constraints_func"):
        sampler._constraints_func = for_samplers  # noqa: SLF001
    for name in ("_elite_population_selection_strategy", "_after_trial_strategy"):  # NSGA-II's and NSGA-III's
        strategy: Any = getattr(sampler, name, None)
        if hasattr(strategy, "_constraints_func"):
            strategy._constraints_func = for_samplers  # noqa: SLF001
    for part in vars(sampler).values():
        if isinstance(part, optuna.samplers.BaseSampler):
            _tell_of_constraints(part)


def _is_auto(node: Any) -> bool:
    return hasattr(node, "get") and str(node.get("_target_")).endswith(".samplers.Auto")


def _build(name: str, node: Any, kinds: Any, *trusted: str) -> Any:
    where, target = f"hydra/sweeper/{name}", node.get("_target_") if hasattr(node, "get") else node
    if isinstance(node, str):
        raise ConfigError(f"hydra.sweeper.{name}={node}: it is named with slashes: {where}={node}")
    plain: Any = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    given = {key: value for key, value in plain.items() if not str(key).startswith("_")}
    if str(target).startswith(f"optuna.{name}s."):  # Optuna may compare them before they can be looked at
        kind = getattr(import_module(f"optuna.{name}s"), str(target).rpartition(".")[2], None)
        if isinstance(kind, type):
            require_kinds(f"hydra.sweeper.{name}", kind, given)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna calls it experimental
            built = instantiate(node, _execution_whitelist_=(*trusted, *OURS))
    except (TypeError, ValueError, ImportError, InstantiationException) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        if is_refused(error):
            reason = f"{target} is no {name} of Optuna's, so a config may not call it"
        raise ConfigError(f"{where}: {reason}") from error
    if not isinstance(built, kinds):
        raise ConfigError(f"{where}: {target} is no {name} of Optuna's")
    require_kinds(f"hydra.sweeper.{name}", type(built), given)
    return built
