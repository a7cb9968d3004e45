"""trackio, Hugging Face's local tracker, for which neither it nor Lightning has a logger."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from lightning_sweeps.trackers.contract import About, Ending, Plain, Tracker, array
from lightning_sweeps.trackers.flat import flatten
from lightning_sweeps.trackers.ids import keep_id, known_id


class TrackioLogger(Logger):
    """Logs to a trackio project on this machine, in ``TRACKIO_DIR`` or the cache of Hugging Face.

    Args:
        project: of trackio's.
        run_name: must be unique in the project, since trackio knows a run by it.
        group: of runs that belong together.
        resume: ``allow`` goes on with the run of that name if there is one; else trackio's own words.
    """

    def __init__(
        self, project: str, run_name: str | None = None, group: str | None = None, resume: str = "allow"
    ) -> None:
        super().__init__()
        self._name, self._version = project, run_name
        self._made_with: dict[str, Any] = {"project": project, "name": run_name, "group": group, "resume": resume}
        self._run: Any = None
        self.hyperparameters: dict[str, Plain] = {}

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The ``trackio.Run``."""
        if self._run is None:
            import trackio

            off: dict[str, Any] = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
            self._run = trackio.init(**self._made_with, config=self.hyperparameters, **off)
        return self._run

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def version(self) -> str | None:
        return self._version

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Add to the run's config, which trackio takes with the first thing that is logged."""
        flat: dict[str, Plain] = {}
        flatten(vars(params) if isinstance(params, Namespace) else params, "", flat)
        self.hyperparameters.update({name.removeprefix("/"): value for name, value in flat.items()})

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.experiment.log(dict(metrics), step=step)


class Trackio(Tracker):
    """It knows a run by its name, so that one is kept."""

    def settings(self, about: About) -> dict[str, Any]:
        name = known_id(about.folder, "trackio") or about.name
        if about.writes:
            keep_id(about.folder, "trackio", name)
        return {"run_name": name, "group": about.group}

    def show(self, logger: Any, tag: str, picture: Tensor, step: int) -> None:
        import trackio

        logger.experiment.log({tag: trackio.Image(array(picture))}, step=step)

    def end(self, logger: Any, hyperparameters: Mapping[str, Plain], ending: Ending) -> None:
        last: dict[str, Any] = {"state": ending.status}
        if ending.objective is not None:
            last["objective"] = ending.objective
        logger.experiment.log(last, step=ending.step)
        logger.experiment.finish()
