"""How a trial's process is started: from a forkserver that has imported what the app imports."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton

from lightning_sweeps.study.job import Job, Running
from lightning_sweeps.study.process import serve


@contextmanager
def open_processes(
    hydra_context: Any, task_function: Any, folder: Path, objectives: int, slots: int, gpus: Sequence[str]
) -> Iterator[Callable[[Job, int], Running]]:
    """A function that starts a job in a slot; each slot has its share of the cores, and one of the GPUs."""
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    cores = max(1, len(os.sched_getaffinity(0)) // slots)
    if hasattr(context, "set_forkserver_preload"):
        context.set_forkserver_preload(["lightning_sweeps.study.preload", *getattr(task_function, "preload", ())])
    shared = cloudpickle.dumps((hydra_context, task_function, Singleton.get_state()))

    def start(job: Job, slot: int) -> Running:
        ours, theirs = context.Pipe()
        packed = cloudpickle.dumps((job.trial.number, job.params, job.restarted, job.config))
        gpu = gpus[slot % len(gpus)] if gpus else None
        process = context.Process(
            target=serve,
            args=(theirs, shared, packed, str(job.folder), str(folder), objectives, cores, gpu),
            name=f"trial-{job.trial.number}",
        )
        process.start()
        theirs.close()
        return Running(job, process, ours, slot)

    threads = {name: os.environ.get(name, str(cores)) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    with _environment(**threads, PYTHONPATH=os.pathsep.join(entry for entry in sys.path if entry)):
        yield start


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
