"""Comet: the search as a tag of its trials' experiments."""

import os
import uuid
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_sweeps.trackers.contract import About, Ending, Plain, Tracker, array
from lightning_sweeps.trackers.ids import keep_id, known_id


class Comet(Tracker):
    """Offline, what an interrupted trial adds is another archive of the same experiment."""

    def settings(self, about: About) -> dict[str, Any]:
        given = known_id(about.folder, "comet") or (uuid.uuid4().hex + uuid.uuid4().hex)[:40]
        if about.writes:
            keep_id(about.folder, "comet", given)
        return {"experiment_key": given, "mode": "get_or_create", "name": about.name}

    def overruled(self, node: Mapping[str, Any], about: About) -> dict[str, Any]:
        if node.get("online") is not False:
            return {}
        # What Lightning's logger makes of online=False logs nothing at all.
        os.environ["COMET_START_ONLINE"] = "0"
        os.environ.setdefault("COMET_INTERNAL_SENTRY_DSN", "")  # its reports of errors would wait for the network
        return {"online": None}

    def begin(self, logger: Any, about: About, hyperparameters: Mapping[str, Plain]) -> None:
        if about.group is not None:
            logger.experiment.log_other("search", about.group)
            logger.experiment.add_tag(about.group)
        logger.log_hyperparams(dict(hyperparameters))

    def show(self, logger: Any, tag: str, picture: Tensor, step: int) -> None:
        logger.experiment.log_image(array(picture), name=tag, step=step)

    def end(self, logger: Any, hyperparameters: Mapping[str, Plain], ending: Ending) -> None:
        if ending.objective is not None:
            logger.experiment.log_metric("objective", ending.objective, step=ending.step)
        logger.experiment.log_other("state", ending.status)
        logger.experiment.add_tag(ending.status)
        logger.experiment.end()
