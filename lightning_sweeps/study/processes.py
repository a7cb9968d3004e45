"""Starting a trial's process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton

from lightning_sweeps.study.job import Job, Running
from lightning_sweeps.study.process import serve
from lightning_sweeps.study.slots import Slots


def starter(
    context: Any, hydra_context: Any, task_function: Any, folder: Path, objectives: int, slots: Slots
) -> Callable[[Job, int], Running]:
    """A function that starts a job's process in a slot."""
    shared = cloudpickle.dumps((hydra_context, task_function, Singleton.get_state()))

    def start(job: Job, slot: int) -> Running:
        ours, theirs = context.Pipe()
        packed = cloudpickle.dumps((job.trial.number, job.params, job.restarted, job.config))
        process = context.Process(
            target=serve,
            args=(theirs, shared, packed, str(job.folder), str(folder), objectives, slots.cores, slots.gpu(slot)),
            name=f"trial-{job.trial.number}",
        )
        process.start()
        theirs.close()
        return Running(job, process, ours, slot)

    return start
