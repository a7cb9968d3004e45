"""A rehearsal, as the supervisor sees it."""

import pickle
import signal
import time
from multiprocessing.connection import Connection, wait
from typing import Any

from lightning_sweeps.searches.execute.processes import Processes
from lightning_sweeps.searches.execute.rehearsal import MEASURE, REHEARSE, Facts, Refusal, Rehearsal
from lightning_sweeps.searches.execute.task import READY
from lightning_sweeps.searches.execute.trial_process import TrialProcess


class Rehearsing:
    """Asks a process what is wrong with configs. If it dies or takes too long, there is no answer.

    Args:
        method: ``REHEARSE``, whose answers together get ``start_timeout``, or ``MEASURE``, of which each one does.
    """

    def __init__(self, processes: Processes, method: str = REHEARSE) -> None:
        self.processes = processes
        self.method = method
        self._deadline = time.monotonic() + processes.start_timeout
        self._held: tuple[TrialProcess, Connection] | None = None

    def __call__(self, config: Any) -> Refusal:
        """What is wrong with a config. There is no answer for one that does not pickle, which its trial composes."""
        return self.ask(config)[0]

    def ask(self, config: Any) -> tuple[Refusal, Facts]:
        """The same, and what else was found; without an answer why, as ``unmeasured``."""
        if self.method == MEASURE:
            self._deadline = time.monotonic() + self.processes.start_timeout
        elif self._held is None and self.processes.servers.imports_each_time:
            return None, {}  # importing would take as long as a trial
        try:
            packed = pickle.dumps(config)
        except Exception:  # noqa: BLE001 (whatever a config's objects raise)
            return None, {"unmeasured": "the config cannot be pickled"}
        try:
            (self._held or self._take())[1].send(packed)
            answer: tuple[Refusal, Facts] = self._hear()
        except TimeoutError:
            why = f"it took longer than hydra.sweeper.start_timeout={self.processes.start_timeout:g} s"
        except (EOFError, OSError):
            why = "its process ended"
        else:
            return answer
        self.close()
        return None, {"unmeasured": why}

    def _take(self) -> tuple[TrialProcess, Connection]:
        self._held = held = self.processes.take()
        self.processes.prepare()  # the process of the first trial
        if self._hear() != READY:
            raise EOFError
        held[1].send(Rehearsal(self.method))
        return held

    def _hear(self) -> Any:
        """What the process says.

        Raises:
            TimeoutError: nothing in time.
            EOFError: it has ended.
        """
        assert self._held is not None  # noqa: S101 (for the type checker)
        process, connection = self._held
        while not process.ended and (seconds := self._deadline - time.monotonic()) > 0:
            ready = wait([connection, *self.processes.watched], seconds)
            if connection in ready:
                return connection.recv()
            if (problem := self.processes.heed(ready)) is not None:
                self.processes.go_on(problem)
                break
        raise EOFError if process.ended or time.monotonic() < self._deadline else TimeoutError

    def close(self) -> None:
        """End the process; another one is asked next."""
        if self._held is not None:
            process, connection = self._held
            self._held = None
            process.signal(signal.SIGKILL)
            connection.close()
