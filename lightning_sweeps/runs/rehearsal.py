"""Build the parts of a run without running it, to find out what is wrong with a config."""

from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.callbacks.costs import count_parameters
from lightning_sweeps.errors import ConfigError
from lightning_sweeps.runs import optimization
from lightning_sweeps.runs.assembly import assemble
from lightning_sweeps.safety.trust import build


def rehearse(config: DictConfig) -> None:
    """Build what ``run`` builds before it trains, but for data and loggers; the model takes no memory.

    Raises:
        SweepsError: what is wrong with the config.
    """
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)  # type: ignore[assignment]
    parts, folder = {**plain, "logger": None}, Path(HydraConfig.get().runtime.output_dir)
    try:
        with torch.device("meta"):
            job = assemble(parts, folder, _build_once)
    except ConfigError:  # perhaps of a module that computes with its weights when it is made
        job = assemble(parts, folder, build)
    if plain.get("optimizer") and count_parameters(job.module) is not None:
        job.module.trainer = job.trainer
        optimization.make_optimizer(job.module, plain["optimizer"])


_built: dict[tuple[str, str], Any] = {}


def _build_once(config: Any, where: str, **arguments: Any) -> Any:
    """``build`` with a cache: the configurations of one search share most parts, and none of them is run."""
    key = where, repr(config)
    if key not in _built:
        _built[key] = build(config, where, **arguments)
    return _built[key]
