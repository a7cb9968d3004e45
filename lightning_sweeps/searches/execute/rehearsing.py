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

    Attributes:
        silence: why the last question has no answer; None if it has one.
    """

    def __init__(self, processes: Processes, method: str = REHEARSE) -> None:
        self.processes = processes
        self.method = method
        self.silence: str | None = None
        self._deadline = time.monotonic() + processes.start_timeout
        self._held: tuple[TrialProcess, Connection] | None = None

    def __call__(self, config: Any) -> Refusal:
        """What is wrong with a config. There is no answer for one that does not pickle, which its trial composes."""
        return self.ask(config)[0]

    def ask(self, config: Any) -> tuple[Refusal, Facts]:
        """The same, and what else was found."""
        nothing: tuple[Refusal, Facts] = (None, {})
        self.silence = None
        if self.method == MEASURE:
            self._deadline = time.monotonic() + self.processes.start_timeout
        try:
            packed = pickle.dumps(config)
        except Exception:  # noqa: BLE001 (whatever a config's objects raise)
            self.silence = "the config cannot be pickled"
            return nothing
        try:
            if self._held is None:
                if self.method == REHEARSE and self.processes.servers.imports_each_time:
                    return nothing  # importing would take as long as a trial
                self._held = self.processes.take()
                self.processes.prepare()  # the process of the first trial
                if self._hear() != READY:
                    return nothing
                self._held[1].send(Rehearsal(self.method))
            self._held[1].send(packed)
            answer: tuple[Refusal, Facts] | None = self._hear()
        except (EOFError, OSError):
            self.silence = "its process ended"
            self.close()
            return nothing
        return answer or nothing

    def _hear(self) -> Any:
        assert self._held is not None  # noqa: S101 (for the type checker)
        process, connection = self._held
        while not process.ended and (seconds := self._deadline - time.monotonic()) > 0:
            ready = wait([connection, *self.processes.watched], seconds)
            if connection in ready:
                return connection.recv()
            if (problem := self.processes.heed(ready)) is not None:
                self.processes.go_on(problem)
                break
        if not process.ended and time.monotonic() >= self._deadline:
            self.silence = f"it took longer than hydra.sweeper.start_timeout={self.processes.start_timeout:g} s"
        else:
            self.silence = "its process ended"
        self.close()
        return None

    def close(self) -> None:
        """End the process; another one is asked next."""
        if self._held is not None:
            process, connection = self._held
            self._held = None
            process.signal(signal.SIGKILL)
            connection.close()
