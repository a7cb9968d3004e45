"""Building the parts of configurations before a search's first trial, in a process that keeps nothing."""

import os
import pickle
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from omegaconf.errors import OmegaConfBaseException

from lightning_sweeps.errors import SweepsError
from lightning_sweeps.searches.execute.program import Program
from lightning_sweeps.searches.execute.task import failed

Refusal = str | None  # what is wrong with a configuration; None if nothing is, or nobody can say
Facts = dict[str, Any]  # what else is known of it
REHEARSE = "rehearse"  # builds a config's parts
MEASURE = "measure"  # trains a few batches of it


@dataclass(frozen=True)
class Rehearsal:
    """What a process is given instead of a trial.

    Args:
        method: of the program's task function: ``REHEARSE``, or ``MEASURE``, which also returns what it has found.
    """

    method: str = REHEARSE

    def __call__(self, connection: Connection, program: Program) -> None:
        """Answer each config with what is wrong with it and what was found, until the connection is closed."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        while True:
            try:
                packed: bytes = connection.recv()
            except EOFError:
                return
            connection.send(_answer(program, self.method, packed))


def _answer(program: Program, method: str, packed: bytes) -> tuple[Refusal, Facts]:
    try:
        found = getattr(program.task_function, method)(pickle.loads(packed))  # noqa: S301 (the supervisor's)
    except SweepsError as error:
        return str(error), {}
    except OmegaConfBaseException as error:
        return f"{error.full_key}: {str(error).splitlines()[0]}", {}
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever the program raises)
        # What is odd when parts are built without data need not be in a trial; what stops a batch stops the trial too.
        return (failed(error).reason if method == MEASURE else None), {}
    return None, found or {}
