"""``-m --cfg job``: what a search would do, without doing it."""

from collections.abc import Sequence
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.distributions import distribution_to_json
from optuna.storages import InMemoryStorage

from lightning_sweeps.safety.passwords import hide_passwords
from lightning_sweeps.searches.execute.program import Program
from lightning_sweeps.searches.options import Options
from lightning_sweeps.searches.plan import BUDGETS, Plan, make_plan
from lightning_sweeps.searches.space.direction import described
from lightning_sweeps.searches.study.opening import typed
from lightning_sweeps.terminal.console import say


def preview(options: Options, program: Program, arguments: Sequence[str], shown: str) -> None:
    """Print the search as YAML: what is searched, how, how long, and the config of its first trial.

    Args:
        arguments: the overrides that were typed, but for Hydra's own.
        shown: ``job``: the trial's config; ``hydra``: Hydra's part of it; ``all``: both.

    Raises:
        SweepsError: the search would not begin.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    hide_passwords(program.config)
    plan = make_plan(options, program, arguments)
    params, config = _first_trial(plan)
    budget = {name: getattr(plan.budget, name) for name in ("n_trials", *BUDGETS)}
    conditions = {name: " and ".join(one.text for one in those) for name, those in plan.space.conditions.items()}
    content: dict[str, Any] = {
        "objective": described(plan.directions, program.config),
        "space": {name: typed(distribution_to_json(one)) for name, one in plan.space.distributions.items()},
        **({"conditions": conditions} if conditions else {}),
        "sampler": plan.why,
        "pruner": type(plan.pruner).__name__,
        "budget": {name: value for name, value in budget.items() if value is not None},
        "n_jobs": options.n_jobs,
        "folder": str(program.config.hydra.sweep.dir),
        "first_trial": {"params": params, "config": _part(config, shown)},
    }
    say(OmegaConf.to_yaml(OmegaConf.create(content)))


def _first_trial(plan: Plan) -> tuple[dict[str, Any], DictConfig]:
    """Parameters as the sampler draws them, and the config with them."""
    trial = plan.open(InMemoryStorage(), "preview").ask()
    plan.compose.draw(trial)
    params = dict(trial.params)
    return params, plan.compose.numbered(plan.space.overrides(params))


def _part(config: DictConfig, shown: str) -> Any:
    if shown == "hydra":
        config = OmegaConf.masked_copy(config, ["hydra"])
    elif shown == "job":
        with read_write(config), open_dict(config):
            del config["hydra"]
    return OmegaConf.to_container(config, resolve=False)
