"""Building the parts of configurations before a search's first trial, in a process that trains nothing."""

import os
import pickle
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from omegaconf.errors import OmegaConfBaseException

from lightning_sweeps.errors import SweepsError
from lightning_sweeps.searches.execute.program import Program

Refusal = str | None  # what is wrong with a configuration; None if nothing is, or nobody can say
Facts = dict[str, Any]  # what else is known of it


@dataclass(frozen=True)
class Rehearsal:
    """What a process is given instead of a trial.

    Args:
        method: of the program's task function: ``rehearse``, or ``measure``, which also returns what it has found.
    """

    method: str = "rehearse"

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
    except (Exception, SystemExit):  # noqa: BLE001 (what is odd here need not be in a trial, which will say so)
        return None, {}
    return None, found or {}
