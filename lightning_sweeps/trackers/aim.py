"""Aim: an experiment for each search."""

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import Tensor

from lightning_sweeps.trackers.contract import About, Ending, Plain, Tracker, array
from lightning_sweeps.trackers.ids import keep_id, known_id


class Aim(Tracker):
    """Its runs are in a repository, ``.aim`` in the working folder."""

    def settings(self, about: About) -> dict[str, Any]:
        given = known_id(about.folder, "aim")
        group = {"experiment": about.group} if about.group is not None else {}
        return {"run_name": about.name, **group, **({"run_hash": given} if given else {})}

    def opened(self, logger: Any, about: About) -> None:
        # Lightning would close the run after the fit, before the test; ``end`` closes it.
        logger.finalize = lambda *_: None
        logging.getLogger("aim").setLevel(logging.WARNING)

    def begin(self, logger: Any, about: About, hyperparameters: Mapping[str, Plain]) -> None:
        keep_id(about.folder, "aim", logger.experiment.hash)
        logger.log_hyperparams(dict(hyperparameters))

    def show(self, logger: Any, tag: str, picture: Tensor, step: int) -> None:
        from PIL.Image import fromarray

        aim: Any = import_module("aim")  # its types leave its own names out
        logger.experiment.track(aim.Image(fromarray(array(picture))), name=tag, step=step)

    def end(self, logger: Any, hyperparameters: Mapping[str, Plain], ending: Ending) -> None:
        run = logger.experiment
        if ending.objective is not None:
            run.track(ending.objective, name="objective", step=ending.step)
            run["objective"] = ending.objective
        run["state"] = ending.status
        run.add_tag(ending.status)
        run.close()
