"""Run the task function as a trial, in whatever process."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from lightning_sweeps import trial as trials
from lightning_sweeps.errors import RunInterruptedError
from lightning_sweeps.search.engine.outcome import Outcome, judge

READY = "ready"  # the process is set up, and waits for a trial
BEGUN = "begun"  # the process is calling the task function
SAVING, SAVED = "saving", "saved"  # the process has begun, or finished, to write a checkpoint


class ReportingTrial(trials.Trial):
    """The current trial of a search; ``exchange`` gives a report to the study and returns whether to prune."""

    def __init__(
        self, number: int, params: Mapping[str, Any], restarted: bool, exchange: Any, say: Callable[[str], None]
    ) -> None:
        self._say = say
        self.number = number
        self.params = params
        self.restarted = restarted
        self._exchange = exchange
        self._prune = False
        self._last_step: int | None = None

    def report(self, value: float, step: int) -> None:
        if step < 0 or int(step) != step:
            raise ValueError(f"report(step={step}): a step is a whole number, 0 or more")
        if step != self._last_step:
            self._last_step = step
            self._prune = bool(self._exchange(float(value), int(step)))

    @contextmanager
    def saving(self) -> Iterator[None]:
        self._say(SAVING)
        try:
            yield
        finally:
            self._say(SAVED)

    def should_prune(self) -> bool:
        self.pruned = self._prune
        return self.pruned


def run_trial(trial: ReportingTrial, hydra_context: Any, task_function: Any, config: Any, objectives: int) -> Outcome:
    """Run the task function as Hydra's launchers do; never raises an ``Exception``."""
    from hydra.core.utils import JobStatus, run_job

    with trials.running(trial):
        try:
            job = run_job(
                hydra_context=hydra_context,
                task_function=task_function,
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        except KeyboardInterrupt:
            return Outcome("interrupted")
        except (Exception, SystemExit) as error:  # noqa: BLE001 (anything may be wrong with a config)
            return failed(error)
    value = job._return_value  # noqa: SLF001 (the property prints an error of its own)
    if job.status is JobStatus.COMPLETED:
        return Outcome("pruned") if trial.pruned else judge(value, objectives)
    if isinstance(value, RunInterruptedError) or type(value).__name__ == "SIGTERMException":  # Lightning's
        return Outcome("interrupted")
    if trial.pruned or type(value).__name__ == "TrialPruned":
        return Outcome("pruned")
    return failed(value)


def failed(error: BaseException) -> Outcome:
    with suppress(OSError):  # the disk may be full
        traceback.print_exception(error)
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    reason = f"{type(error).__name__}: {first}" if first else type(error).__name__
    if "CUDA out of memory" in first:
        asked = re.search(r"Tried to allocate ([\d.]+) (\w+)", first)
        reason = "CUDA out of memory" + (f", {float(asked[1]):.1f} {asked[2]} asked" if asked else "")
    return Outcome("no space" if _is_full_disk(error) else "failed", reason=reason)


def _is_full_disk(error: BaseException | None) -> bool:
    """Whether the error, or one that led to it, means a full disk, on which no trial can do better."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def leave_if_forked(process: int) -> None:
    """End this process if the main function has forked and this is the child, returning as well."""
    if os.getpid() != process:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)
