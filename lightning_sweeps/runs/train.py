"""A composed config -> one Lightning run -> its result. Knows nothing of searches."""

import logging
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.runs import summary
from lightning_sweeps.runs.assembly import assemble
from lightning_sweeps.runs.hyperparameters import flat_hyperparameters, plain_values
from lightning_sweeps.runs.messages import route_messages
from lightning_sweeps.runs.recording import recording
from lightning_sweeps.runs.stages import DO
from lightning_sweeps.trial import current_trial

log = logging.getLogger(__name__)


def run(config: DictConfig) -> float | list[float] | None:
    """Do what the config says, write everything into Hydra's output folder, and return the objective, or all of them.

    Raises:
        SweepsError: something that the user can act on; see ``errors``.
    """
    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)  # type: ignore[assignment]
    route_messages()
    job = assemble(plain, folder)
    choices = dict(hydra_config.runtime.choices)
    if job.trainer.is_global_zero:
        log.info(summary.composed(plain, choices, from_here(folder), job.result.parameters))
    # Of a trial, what is searched; of a run, what the user varies.
    hyperparameters = plain_values(current_trial().params) or flat_hyperparameters(plain, choices)
    with recording(job, hyperparameters):
        DO[job.result.stage](job)
    if job.trainer.is_global_zero:
        log.info(summary.finished(job.result))
    if job.tracker.objective.others and job.result.objective is not None:
        return [job.result.objective, *job.result.also.values()]
    return job.result.objective
