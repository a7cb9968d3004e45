"""TensorBoard: one entry in its HParams tab for each run."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from lightning_sweeps.trackers.contract import About, Ending, Plain, Tracker
from lightning_sweeps.trackers.flat import flatten
from lightning_sweeps.trial import current_trial

TRIAL = "#trial"  # the tab sorts its columns by their names, and this one is to stand first
# What modules have given to their loggers themselves: hyperparameters, and metrics.
_own: WeakKeyDictionary[TensorBoardLogger, tuple[dict[str, Any], dict[str, float]]] = WeakKeyDictionary()


class TensorBoard(Tracker):
    """Its hyperparameters are written at the run's end: they are shown only together with a metric's value."""

    def overruled(self, node: Mapping[str, Any], about: About) -> dict[str, Any]:
        return {} if about.from_step is None else {"purge_step": about.from_step}

    def opened(self, logger: Any, about: About) -> None:
        """Have a module's own entry, ``logger.log_hyperparams(hparams, metrics)``, become part of the run's.

        TensorBoard takes the columns of an entry from the first one that a run writes.
        """
        write: Callable[..., None] = logger.log_hyperparams
        params, metrics = _own.setdefault(logger, ({}, {}))

        def log_hyperparams(given: Any, own: Any = None, step: int | None = None, **named: Any) -> None:
            own = named.pop("metrics", own)
            write(given, None, step)  # into hparams.yaml
            if own is None:
                return
            values = own if isinstance(own, Mapping) else {"hp_metric": own}
            logger.log_metrics(values, step)
            metrics.update({name: float(value) for name, value in values.items()})
            flatten(vars(given) if isinstance(given, Namespace) else dict(given), "", params)

        logger.log_hyperparams = log_hyperparams

    def begin(self, logger: Any, about: About, hyperparameters: Mapping[str, Plain]) -> None:
        """Have them in ``hparams.yaml``, which the logger writes once; nothing goes into the event file yet."""
        logger.hparams.update(hyperparameters)

    def show(self, logger: Any, tag: str, picture: Tensor, step: int) -> None:
        logger.experiment.add_image(tag, picture, global_step=step)

    def end(self, logger: Any, hyperparameters: Mapping[str, Plain], ending: Ending) -> None:
        """Write the run's one entry: the definition, the objective's value and the end of the session.

        All three are in the run's own event files, and there is no placeholder value: TensorBoard shows an entry only
        together with a metric of the same tag. Lightning writes its own with ``hp_metric=-1`` at the start of a run.
        """
        if ending.stage != "fit" or ending.goes_on:  # one entry for a trial, when it has ended
            return
        from torch.utils.tensorboard.summary import hparams

        writer = logger.experiment
        params, own = _own.get(logger, ({}, {}))
        flat = {**{name.removeprefix("/"): value for name, value in params.items()}, **hyperparameters}
        if (number := current_trial().number) is not None:
            flat[TRIAL] = number
        # Columns: the objective, and the test's metrics, whose scalars are there already.
        metrics = {name: value for name, value in ending.metrics.items() if name.startswith("test")}
        if ending.objective is not None:
            writer.add_scalar("objective", ending.objective, global_step=ending.step)
        if ending.metric is not None:
            # Also without a value: TensorBoard takes the columns of all runs from the first definition that it reads,
            # which may be that of a trial that failed. Only the names go into it.
            metrics = {"objective": ending.objective or 0.0, **metrics}
        metrics = {**metrics, **own}
        # Not writer.add_hparams: it opens a second event folder, which TensorBoard takes for a second run.
        for summary in hparams(flat, metrics):  # type: ignore[no-untyped-call]
            writer._get_file_writer().add_summary(summary)  # noqa: SLF001
        writer.flush()
