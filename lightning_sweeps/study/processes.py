"""Starting the trials' processes, one ahead of its trial."""

from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.study.job import Job, Rank, Running
from lightning_sweeps.study.process import serve
from lightning_sweeps.study.ranks import Launch
from lightning_sweeps.study.slots import Slots


class Processes:
    """Starts jobs in slots.

    A process spends as long on being forked and set up as on all else between two trials, so the next one is made while
    the others work, and waits for its job.
    """

    def __init__(
        self, context: Any, hydra_context: Any, task_function: Any, lock: Path, objectives: int, slots: Slots
    ) -> None:
        self.context = context
        self.lock = lock
        self.objectives = objectives
        self.slots = slots
        self.shared = cloudpickle.dumps((hydra_context, task_function, Singleton.get_state()))
        self._next: tuple[BaseProcess, Connection] | None = None
        self._started = False

    def prepare(self) -> None:
        """Make the next process."""
        if self._next is None:
            ours, theirs = self.context.Pipe()
            arguments = (theirs, self.shared, str(self.lock), self.objectives)
            process = self.context.Process(target=serve, args=arguments)
            try:
                process.start()
            except (OSError, EOFError) as error:
                if self._started:
                    raise OSError(f"the server that trials are forked from has ended ({error!r})") from error
                raise ConfigError(
                    "the server that trials are forked from has ended; what it printed stands above.\n"
                    "A script must call its main function below: if __name__ == '__main__':"
                ) from error
            theirs.close()
            self._next = process, ours
            self._started = True

    def start(self, job: Job, slot: int, others: int) -> Running:
        """Start a job, where so many slots of other supervisors work on the same cores."""
        packed = cloudpickle.dumps((job.trial.number, job.params, job.restarted, job.config))
        running = Running(job, packed, slot, self.slots.place(slot, others), [])
        self._add_rank(running, None)
        return running

    def launch(self, running: Running, launch: Launch) -> None:
        """Start the other processes of a distributed trial."""
        for environment in launch.environments:
            self._add_rank(running, environment)

    def _add_rank(self, running: Running, environment: dict[str, str] | None) -> None:
        if self._next is not None and not self._next[0].is_alive():
            self.close()
        self.prepare()
        assert self._next is not None  # noqa: S101 (for the type checker)
        process, connection = self._next
        self._next = None
        running.ranks.append(Rank(process, connection))
        connection.send((running.packed, str(running.job.folder), running.place, environment))

    def close(self) -> None:
        """Let the process go that got no job."""
        if self._next is not None:
            process, connection = self._next
            self._next = None
            process.kill()
            process.join()
            connection.close()
