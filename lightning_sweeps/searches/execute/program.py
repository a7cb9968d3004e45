"""The program that searches, as its trials need it, and how a process gets it that is not forked from it."""

import io
import multiprocessing
import sys
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import cloudpickle
from omegaconf import DictConfig

from lightning_sweeps.errors import ConfigError

CANNOT_BE_TAKEN = "what the main function uses cannot be taken to another process"


@dataclass
class Program:
    """A Hydra program under ``-m``. A forked process has it as it is."""

    hydra_context: Any
    task_function: Any
    config: DictConfig
    start_method: str | None  # of the processes that it starts by multiprocessing

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that runs need and the program has not imported."""
        return tuple(getattr(self.task_function, "preload", ()))


def this_program(hydra_context: Any, task_function: Any, config: DictConfig) -> Program:
    """The program that runs in this process."""
    return Program(hydra_context, task_function, config, multiprocessing.get_start_method(allow_none=True))


def pack(program: Program) -> tuple[bytes | None, bytes | None]:
    """Pickle the program twice: for an interpreter that can import its main module, and for one that cannot.

    Raises:
        ConfigError: neither can be had.
    """
    from hydra.core.singleton import Singleton

    state = Singleton.get_state()
    by_name, by_value, error = None, None, ""
    for by_reference in (True, False):
        buffer = io.BytesIO()
        pickler = _ByName(buffer) if by_reference else cloudpickle.Pickler(buffer)
        try:
            pickler.dump((program, state))
        except Exception as failed:  # noqa: BLE001 (whatever a program's objects raise)
            error = str(failed)
        else:
            by_name, by_value = (buffer.getvalue(), None) if by_reference else (by_name, buffer.getvalue())
    if by_name is None and by_value is None:
        raise ConfigError(f"{CANNOT_BE_TAKEN}: {error}.\nLet trials run in this one: hydra.sweeper.isolation=none")
    return by_name, by_value


def unpack(packed: bytes) -> Program:
    """Unpickle the program in a new interpreter, and set Hydra's state to the program's."""
    from hydra.core.singleton import Singleton

    program, state = cloudpickle.loads(packed)
    Singleton.set_state(state)
    return program  # type: ignore[no-any-return]


class _ByName(cloudpickle.Pickler):  # type: ignore[misc] # cloudpickle has no types
    """Pickles by name what the main module defines, so that a process has it once and not twice."""

    def reducer_override(self, given: Any) -> Any:
        if isinstance(given, type | FunctionType) and given.__module__ == "__main__":
            unwrapped = _times_wrapped(given)
            if unwrapped is not None:
                return _from_main, (given.__qualname__, unwrapped)
        return super().reducer_override(given)


def _times_wrapped(given: Any) -> int | None:
    """How often the name's object must be unwrapped to get this one, as with ``@hydra.main``; None: it is not there."""
    try:
        found = _named(given.__qualname__)
    except AttributeError:
        return None
    times = 0
    while found is not given:
        found, times = getattr(found, "__wrapped__", None), times + 1
        if found is None:
            return None
    return times


def _named(name: str) -> Any:
    found: Any = sys.modules["__main__"]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _from_main(name: str, times: int) -> Any:
    found = _named(name)
    for _ in range(times):
        found = found.__wrapped__
    return found
