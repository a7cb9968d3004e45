"""Trials in the process of the search itself, for a debugger."""

import gc
import importlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.search.engine.outcome import Outcome
from lightning_sweeps.search.execute.hydras_log import log_as_hydra
from lightning_sweeps.search.execute.ranks import Launch, start_ranks_by
from lightning_sweeps.search.execute.task import ReportingTrial, leave_if_forked, run_trial
from lightning_sweeps.search.space.job import Job
from lightning_sweeps.terminal.keyboard_interrupt import interrupt


def run_here(
    job: Job, report: Any, hydra_context: Any, task_function: Any, master: DictConfig, objectives: int
) -> Outcome:
    for module in getattr(task_function, "preload", ()):
        importlib.import_module(module)
    start_ranks_by(_refuse_ranks, 1)
    trial = ReportingTrial(job.trial.number, job.params, job.restarted, report, lambda _: None)
    process = os.getpid()
    try:
        with _ctrl_c_raising():
            outcome = run_trial(trial, hydra_context, task_function, job.config, objectives)
        leave_if_forked(process)
        return outcome
    finally:
        log_as_hydra(master, hydra_context)  # the trial's handlers write into its folder
        gc.collect()  # a module and its trainer refer to each other, and the next trial's need their memory


@contextmanager
def _ctrl_c_raising() -> Iterator[None]:
    """The search's own handler only notes it, for a loop that does not turn while a trial runs in this process."""
    if threading.current_thread() is not threading.main_thread():  # Python lets only that one
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _refuse_ranks(_: Launch) -> None:
    raise ConfigError("a distributed trial has several processes; leave hydra.sweeper.isolation=none out")
