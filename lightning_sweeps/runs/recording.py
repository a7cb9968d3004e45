"""What comes out of a run, however it ends."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lightning_sweeps.callbacks.objective import Objective, never_logged
from lightning_sweeps.errors import MetricError, NonFiniteLossError, RunInterruptedError
from lightning_sweeps.overrides.again import command_again
from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.runs import loggers
from lightning_sweeps.runs.assembly import Assembly
from lightning_sweeps.runs.reasons import forget_reasons, note_reason, reason_of_another
from lightning_sweeps.runs.result import Result
from lightning_sweeps.trackers.contract import Ending
from lightning_sweeps.trial import current_trial


@contextmanager
def recording(job: Assembly, hyperparameters: dict[str, Any]) -> Iterator[None]:
    """Write ``result.json`` and the HParams entry however the run ends, and make its error one to act on."""
    started = time.monotonic()
    result, trainer = job.result, job.trainer
    forget_reasons(result.folder, trainer.global_rank)
    try:
        with _clearer_errors(job):
            if trainer.is_global_zero:
                loggers.begin(trainer, result.folder, job.from_step, hyperparameters)
            yield
        result.status = "pruned" if current_trial().pruned else "completed"
    except BaseException as error:
        first = _first_error(error, result.folder, trainer)
        result.status = "interrupted" if isinstance(first, RunInterruptedError | KeyboardInterrupt) else "failed"
        result.reason = " ".join(f"{type(first).__name__}: {first}".split())
        if first is not error:
            raise first from error
        raise
    finally:
        result.seconds = round(time.monotonic() - started, 3)
        collect(job)
        if job.trainer.is_global_zero:
            goes_on = job.result.status == "interrupted" and current_trial().number is not None
            result.write()
            loggers.end(trainer, hyperparameters, _ending(result, goes_on=goes_on))


def _ending(result: Result, *, goes_on: bool) -> Ending:
    metric = result.objective_metric if result.stage == "fit" else None
    return Ending(result.stage, result.status, result.objective, metric, result.metrics, result.steps, goes_on)


@contextmanager
def _clearer_errors(job: Assembly) -> Iterator[None]:
    """Turn errors of Lightning and of the loss into errors that the user can act on."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        # After Ctrl-C Lightning shuts down in order, ignores further ones, and exits with code 1.
        if not job.interrupt.interrupted:
            raise
        signal.signal(signal.SIGINT, before)
        raise _interrupted(job) from None
    except NonFiniteLossError as error:
        raise _with_last_good_checkpoint(error, job) from error
    except (MisconfigurationException, RuntimeError) as error:
        if (clearer := _of_a_missing_metric(error, job)) is not None:
            raise clearer from error
        raise


def _of_a_missing_metric(error: Exception, job: Assembly) -> MetricError | None:
    """Early stopping, checkpoints and schedulers each have their own words for a metric that is not there."""
    match = re.search(r"(?:monitor='|conditioned on metric `?)([^'`\s]+)", str(error))
    if match is None or match.group(1) in job.trainer.callback_metrics:
        return None
    metric = match.group(1)
    return never_logged(
        "objective.metric" if metric == job.tracker.objective.metric else "monitor", metric, job.trainer
    )


def _first_error(error: BaseException, folder: Path, trainer: Trainer) -> BaseException:
    """The error of another process that led to this one, if there is one."""
    if trainer.world_size == 1:
        return error
    if not trainer.is_global_zero:
        note_reason(folder, trainer.global_rank, error)
        return error
    return reason_of_another(folder, trainer.world_size, error) or error


def collect(job: Assembly) -> None:
    """Bring the result up to date with the trainer."""
    result, trainer = job.result, job.trainer
    result.metrics |= {name: float(value) for name, value in trainer.callback_metrics.items()}
    if result.stage != "fit":
        if result.objective_metric in result.metrics:
            result.objective = result.metrics[result.objective_metric]
        return
    if (chosen := job.tracker.chosen) is not None:
        result.objective, result.objective_epoch = chosen.value, chosen.epoch
        result.costs = job.costs.measured(job.module)
        known = {**result.costs, **chosen.others}
        result.also = {name: known[name] for name in job.tracker.objective.others if name in known}
    result.epochs, result.steps = trainer.current_epoch, trainer.global_step
    result.best_checkpoint = _best_checkpoint(trainer, job.tracker.objective)
    if job.interrupt.file.is_file():
        result.last_checkpoint = from_here(job.interrupt.file)


def _best_checkpoint(trainer: Trainer, objective: Objective) -> str | None:
    """The checkpoint callback that monitors the objective; without an objective, the first that monitors anything."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            fits = (callback.monitor, callback.mode) == (objective.metric, objective.mode)
            if fits or objective.metric is None:
                return from_here(Path(callback.best_model_path))
    return None


def _interrupted(job: Assembly) -> RunInterruptedError:
    file = job.interrupt.file
    if not file.is_file():
        return RunInterruptedError("interrupted, with nothing learnt yet to keep")
    what = "saved" if job.interrupt.saved else "the last epoch's checkpoint is"
    return RunInterruptedError(
        f"interrupted in epoch {job.trainer.current_epoch}; {what} {from_here(file)}. Go on with:\n"
        f"{command_again(HydraConfig.get().overrides.task, ckpt_path=from_here(file))}"
    )


def _with_last_good_checkpoint(error: NonFiniteLossError, job: Assembly) -> NonFiniteLossError:
    file = job.interrupt.file
    kept = f"the last good checkpoint is {from_here(file)}" if file.is_file() else "there was no checkpoint yet"
    return NonFiniteLossError(f"{error}; {kept}.\nTry a lower optimizer.lr, or trainer.gradient_clip_val=1")
