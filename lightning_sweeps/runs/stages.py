"""What a run does with its parts: fit, validate, test or predict."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import BaseFinetuning
from lightning.pytorch.utilities.model_helpers import is_overridden

from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.runs.assembly import Assembly
from lightning_sweeps.runs.checkpoints import may_load_whole
from lightning_sweeps.runs.predictions import write_predictions
from lightning_sweeps.runs.recording import collect
from lightning_sweeps.trial import current_trial

log = logging.getLogger(__name__)


def _fit(job: Assembly) -> None:
    frozen = [type(one).__name__ for one in job.trainer.callbacks if isinstance(one, BaseFinetuning)]  # type: ignore[attr-defined]
    if job.ckpt_path is not None and frozen:
        log.warning("going on: Lightning freezes again what %s had unfrozen, until it unfreezes once more", frozen[0])
    job.trainer.fit(job.module, **job.loading)
    collect(job)
    if job.test_after_fit and not current_trial().pruned and _has_test(job):
        if job.result.best_checkpoint is None and job.trainer.checkpoint_callbacks:
            metric = job.tracker.objective.metric
            log.warning("no checkpoint follows objective.metric=%s; the last weights are tested", metric)
        best = job.result.best_checkpoint
        # If this run has written it, whatever a module keeps in its checkpoint may be read back.
        whole = best is not None and may_load_whole(Path(best))
        with _as_in_a_new_process(job.trainer):
            job.trainer.test(
                job.module, datamodule=job.datamodule, ckpt_path=best, weights_only=not whole, verbose=False
            )


@contextmanager
def _as_in_a_new_process(trainer: Trainer) -> Iterator[None]:
    """Have no callback put a fit's weights in place of a checkpoint's, as those do that average weights.

    So the test after a fit is the one that ``stage=test`` makes of the same file.
    """
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    changing = [one for one in callbacks if type(one).on_load_checkpoint is not Callback.on_load_checkpoint]
    for callback in changing:
        callback.on_load_checkpoint = lambda *_: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        for callback in changing:
            del callback.on_load_checkpoint


def _validate(job: Assembly) -> None:
    job.trainer.validate(job.module, verbose=False, **job.loading)


def _test(job: Assembly) -> None:
    job.trainer.test(job.module, verbose=False, **job.loading)


def _predict(job: Assembly) -> None:
    batches = job.trainer.predict(job.module, **job.loading)
    if job.trainer.is_global_zero:
        file = write_predictions(batches or [], job.result.folder)
        log.info("predictions in %s", from_here(file))


DO = {"fit": _fit, "validate": _validate, "test": _test, "predict": _predict}


def _has_test(job: Assembly) -> bool:
    if job.trainer.fast_dev_run:  # type: ignore[attr-defined]
        return False
    source = job.datamodule if job.datamodule is not None else job.module
    return is_overridden("test_step", job.module) and is_overridden("test_dataloader", source)
