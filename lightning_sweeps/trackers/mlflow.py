"""MLflow: a parent run for each search."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from lightning_sweeps.trackers.contract import About, Ending, Plain, Tracker, array
from lightning_sweeps.trackers.ids import keep_id, known_id

STATUS = {"completed": "FINISHED", "pruned": "KILLED", "interrupted": "KILLED", "failed": "FAILED"}
LOCK = ".mlflow.lock"


class MLflow(Tracker):
    """Trials are shown below their search, whose run holds nothing else."""

    def settings(self, about: About) -> dict[str, Any]:
        given = known_id(about.folder, "mlflow")
        return {"run_name": about.name, **({"run_id": given} if given else {})}

    def overruled(self, node: Mapping[str, Any], about: About) -> dict[str, Any]:
        """Pictures are beside the database, and not in the working folder."""
        if (file := _sqlite(node)) is None or node.get("artifact_location") is not None:
            return {}
        return {"artifact_location": str(file.with_name("mlflow").absolute())}

    def opening(self, node: Mapping[str, Any]) -> AbstractContextManager[object]:
        """Two processes must not make the tables of a new database at once."""
        if (file := _sqlite(node)) is None:
            return nullcontext()
        file.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{file}.lock")

    def begin(self, logger: Any, about: About, hyperparameters: Mapping[str, Plain]) -> None:
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        # The first one makes the experiment and the search's run.
        with FileLock(about.shared / LOCK):
            client, run = logger.experiment, logger.run_id
            if about.group is not None:
                client.set_tag(run, MLFLOW_PARENT_RUN_ID, _parent(client, logger.experiment_id, about))
        keep_id(about.folder, "mlflow", run)
        client.update_run(run, status="RUNNING")
        logger.log_hyperparams(dict(hyperparameters))

    def show(self, logger: Any, tag: str, picture: Tensor, step: int) -> None:
        logger.experiment.log_image(logger.run_id, array(picture), key=tag.replace("/", "_"), step=step)

    def end(self, logger: Any, hyperparameters: Mapping[str, Plain], ending: Ending) -> None:
        client, run = logger.experiment, logger.run_id
        if ending.objective is not None:
            client.log_metric(run, "objective", ending.objective, step=ending.step)
        client.set_tag(run, "state", ending.status)
        client.set_terminated(run, STATUS[ending.status])


def _sqlite(node: Mapping[str, Any]) -> Path | None:
    """The file of its database, if it has one."""
    found = re.fullmatch(r"sqlite:///([^?]+).*", str(node.get("tracking_uri")))
    return Path(found[1]) if found else None


def _parent(client: Any, experiment: str, about: About) -> str:
    """The search's run. Nobody knows which trial is the last, so it counts as finished from the start."""
    if (known := known_id(about.shared, "mlflow")) is not None:
        return known
    parent: str = client.create_run(experiment, run_name=about.group).info.run_id
    client.set_terminated(parent)
    keep_id(about.shared, "mlflow", parent)
    return parent
