"""Run the task function as a trial, in whatever process."""

import errno
import os
import re
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lightning_sweeps import trial as trials
from lightning_sweeps.errors import RunInterruptedError
from lightning_sweeps.partials import let_partials_be_pickled
from lightning_sweeps.searches.engine.outcome import Outcome, judge

# As CUDA's libraries, MPS and the allocator of torch for CPUs have it.
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|_ALLOC_FAILED", re.IGNORECASE)

READY = "ready"  # the process is set up, and waits for a trial
BEGUN = "begun"  # the process is calling the task function
SAVING, SAVED = "saving", "saved"  # the process has begun, or finished, to write a checkpoint


@dataclass(frozen=True)
class Facts:
    """What the process of a trial is told of it.

    Args:
        restarted: an earlier process of it was interrupted.
        directions: of the study.
    """

    number: int
    params: Mapping[str, Any]
    restarted: bool
    folder: Path
    directions: tuple[str, ...]


class ReportingTrial(trials.Trial):
    """The current trial of a search; ``exchange`` gives a report to the study and returns whether to prune."""

    def __init__(self, facts: Facts, exchange: Any, say: Callable[[str], None]) -> None:
        self.number = facts.number
        self.params = facts.params
        self.directions = facts.directions
        self.folder = facts.folder.absolute()
        self.restarted = facts.restarted
        self.ckpt_path = _left_in(self.folder) if facts.restarted else None
        self.reported = False
        self._exchange = exchange
        self._say = say
        self._prune = False
        self._last_step: int | None = None

    def report(self, value: float, step: int) -> None:
        if step < 0 or int(step) != step:
            raise ValueError(f"report(step={step}): a step is a whole number, 0 or more")
        if step != self._last_step:
            self._last_step, self.reported = step, True
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


def _left_in(folder: Path) -> Path | None:
    """The checkpoint to go on from; sharded strategies write a folder."""
    last = folder / trials.LAST_CHECKPOINT
    return last if last.is_dir() or zipfile.is_zipfile(last) else None


def run_trial(trial: ReportingTrial, hydra_context: Any, task_function: Any, config: Any) -> Outcome:
    """Run the task function as Hydra's launchers do; never raises an ``Exception``."""
    from hydra.core.utils import JobStatus, run_job

    let_partials_be_pickled()
    if (take := OmegaConf.select(config, "objective.take")) in ("best", "last"):
        trial.take = take
    with trials.running(trial):
        try:
            job = run_job(
                hydra_context=hydra_context,
                task_function=task_function,
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 (anything may be wrong)
            return _raised(error, trial)
    value = job._return_value  # noqa: SLF001 (the property prints an error of its own)
    if job.status is not JobStatus.COMPLETED:
        return _raised(value, trial)
    if trial.pruned:
        return Outcome("pruned")
    return judge(value, len(trial.directions), trial.take if trial.reported else None)


def _raised(error: BaseException, trial: trials.Trial) -> Outcome:
    name = type(error).__name__
    # A Trainer leaves with SystemExit after Ctrl-C, and so does many a program.
    left = isinstance(error, SystemExit) and _follows(KeyboardInterrupt, error)
    if left or isinstance(error, KeyboardInterrupt | RunInterruptedError) or name == "SIGTERMException":  # Lightning's
        return Outcome("interrupted")
    if trial.pruned or name == "TrialPruned":
        return Outcome("pruned")
    return failed(error)


def failed(error: BaseException) -> Outcome:
    with suppress(OSError):  # the disk may be full
        traceback.print_exception(error)
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    reason = f"{type(error).__name__}: {first}" if first else type(error).__name__
    if "CUDA out of memory" in first:
        asked = re.search(r"Tried to allocate ([\d.]+) (\w+)", first)
        reason = "CUDA out of memory" + (f", {float(asked[1]):.1f} {asked[2]} asked" if asked else "")
    how = "no space" if _is_full_disk(error) else "failed"
    return Outcome(how, reason=reason, out_of_memory=is_out_of_memory(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error, or one that led to it, means that a device or the machine has no memory left."""
    return any(
        isinstance(one, MemoryError)
        or type(one).__name__ == "OutOfMemoryError"  # torch's, which is not imported here
        or (isinstance(one, RuntimeError) and _NO_MEMORY.search(str(one)) is not None)
        for one in _led_to(error)
    )


def _is_full_disk(error: BaseException) -> bool:
    """Whether the error, or one that led to it, means a full disk, on which no trial can do better."""
    causes = (one for one in _led_to(error) if isinstance(one, OSError))
    return any(one.errno in (errno.ENOSPC, errno.EDQUOT) for one in causes)


def _follows(kind: type[BaseException], error: BaseException) -> bool:
    return any(isinstance(one, kind) for one in _led_to(error))


def _led_to(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def leave_if_forked(process: int) -> None:
    """End this process if the main function has forked and this is the child, returning as well."""
    if os.getpid() != process:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)
