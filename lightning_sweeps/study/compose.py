"""A trial's number and parameters -> the composed config of its job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.trial import Trial

from lightning_sweeps.study.job import Job
from lightning_sweeps.study.space import Space


class Composer:
    """Samples a trial's parameters and composes its job.

    Args:
        extend: the stock sweeper's ``custom_search_space``: a function of the config and the trial, which may suggest
            more parameters.
    """

    def __init__(self, space: Space, hydra_context: Any, master: DictConfig, folder: Path, extend: str | None) -> None:
        self.space = space
        self.loader = hydra_context.config_loader
        self.master = master
        self.folder = folder
        self.extend: Callable[[DictConfig, Trial], None] | None = None
        if extend:
            node = {"_target_": extend, "_partial_": True}
            self.extend = instantiate(node, _execution_whitelist_=hydra_context.execution_whitelist)

    def __call__(self, trial: Trial, restarted: bool) -> Job:
        """Compose, for a trial that is new or run again."""
        for name, distribution in self.space.distributions.items():
            trial._suggest(name, distribution)  # noqa: SLF001 (the stock sweeper's way for any distribution)
        if self.extend is not None:
            self.extend(self.master, trial)
        params = dict(trial.params)
        overrides = [*self.space.fixed, *self.space.overrides(params)]
        config = self.loader.load_sweep_config(self.master, overrides)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.job.id = str(trial.number)
            config.hydra.job.num = trial.number
            config.hydra.sweep.dir = str(self.folder)
            before = HydraConfig.instance().cfg
            HydraConfig.instance().set_config(config)
            subdir = str(OmegaConf.select(config, "hydra.sweep.subdir"))
            HydraConfig.instance().cfg = before
        earlier = trial.user_attrs.get("folder")
        if restarted and earlier and Path(earlier).parent != self.folder and Path(earlier).is_dir():
            with read_write(config.hydra), open_dict(config.hydra):  # begun by another start on a shared storage
                config.hydra.sweep.dir, config.hydra.sweep.subdir = str(Path(earlier).parent), Path(earlier).name
            return Job(trial, params, overrides, Path(earlier), restarted, config)
        return Job(trial, params, overrides, self.folder / subdir, restarted, config)
