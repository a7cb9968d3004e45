"""Weights & Biases: a group for each search, and its sweep-like table by the hyperparameters."""

import uuid
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_sweeps.trackers.contract import About, Ending, Plain, Tracker, array
from lightning_sweeps.trackers.ids import keep_id, known_id


class WandB(Tracker):
    """Its runs have ids that the caller chooses, by which an interrupted trial goes on in its run."""

    def settings(self, about: About) -> dict[str, Any]:
        given = known_id(about.folder, "wandb") or uuid.uuid4().hex[:12]
        if about.writes:
            keep_id(about.folder, "wandb", given)
        return {"id": given, "resume": "allow", "name": about.name, "group": about.group}

    def begin(self, logger: Any, about: About, hyperparameters: Mapping[str, Plain]) -> None:
        logger.experiment.config.update(dict(hyperparameters), allow_val_change=True)

    def show(self, logger: Any, tag: str, picture: Tensor, step: int) -> None:
        import wandb

        logger.experiment.log({tag: wandb.Image(array(picture)), "trainer/global_step": step})

    def end(self, logger: Any, hyperparameters: Mapping[str, Plain], ending: Ending) -> None:
        run = logger.experiment
        if ending.objective is not None:
            run.summary["objective"] = ending.objective
        run.tags = (*(tag for tag in run.tags or () if tag not in STATES), ending.status)
        run.finish(exit_code=0 if ending.status in ("completed", "pruned") else 1)


STATES = ("completed", "pruned", "interrupted", "failed")
