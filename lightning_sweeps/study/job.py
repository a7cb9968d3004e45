"""A trial on its way: composed, then running in a process."""

import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from optuna.trial import Trial

from lightning_sweeps.study.outcome import Outcome


@dataclass
class Job:
    """One trial, composed and ready to run."""

    trial: Trial
    params: dict[str, Any]
    overrides: list[str]
    folder: Path
    restarted: bool
    config: Any


@dataclass
class Running:
    """A trial's process."""

    job: Job
    process: BaseProcess
    connection: Connection
    slot: int
    started: float = field(default_factory=time.monotonic)
    step: int | None = None  # of the last report
    value: float | None = None
    outcome: Outcome | None = None
    deadline: float = math.inf  # on the monotonic clock; then it is killed
    timed_out: bool = False

    def stop(self) -> None:
        """Ask it to end in order, as Ctrl-C does."""
        if self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill it and what it started."""
        pid = self.process.pid
        if pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
