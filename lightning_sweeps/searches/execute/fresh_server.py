"""What a new interpreter does for trials: start others, or import the program once and be forked, or be a trial."""

import importlib.util
import logging
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Callable, Collection, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lightning_sweeps.errors import GuardMissingError
from lightning_sweeps.searches.execute.importing import forkable_imports
from lightning_sweeps.searches.execute.lifeline import tie
from lightning_sweeps.searches.execute.server import Child, Told, serve, tell

BOOT = Path(__file__).parent / "fresh"


def begin(role: str, first: Mapping[str, Any], world: int, *descriptors: int) -> None:
    """Take a role: ``forkserver`` and ``spawn`` talk to the supervisor by a socket, ``trial`` by a connection."""
    channel, lifeline = descriptors
    tie(lifeline)
    if role == "trial":
        _be_a_trial(first, channel)
        return
    with socket.socket(fileno=channel) as control:
        if role == "spawn":
            serve(control, _starting_interpreters(first["command"], world))
        _be_forked(first, control)


def command(interpreter: list[str], role: str, world: int, channel: int, lifeline: int) -> list[str]:
    """The command that starts a new interpreter in a role."""
    return [*interpreter, str(BOOT), role, *map(str, (world, channel, lifeline))]


def _starting_interpreters(interpreter: list[str], world: int) -> Callable[[int, int, Collection[int]], Child]:
    def start(connection: int, lifeline: int, _: Collection[int]) -> Child:
        process = subprocess.Popen(  # noqa: S603
            command(interpreter, "trial", world, connection, lifeline),
            pass_fds=(world, connection, lifeline),
            start_new_session=True,
        )
        return Child(process.pid, process.wait)

    return start


def _be_forked(first: Mapping[str, Any], control: socket.socket) -> None:
    from lightning_sweeps.searches.execute.fork import ignore_signals, serve_forks
    from lightning_sweeps.searches.execute.inherited import Inherited
    from lightning_sweeps.searches.execute.process import not_imported

    try:
        program = load(first)
    except (Exception, GuardMissingError) as error:  # noqa: BLE001 (whatever an import may raise)
        tell(control, Told.WRONG, not_imported(error))
        return
    serve_forks(control, program, Inherited(), ignore_signals())


def _be_a_trial(first: Mapping[str, Any], channel: int) -> None:
    from lightning_sweeps.searches.execute.process import fail, run_one

    connection = Connection(channel)
    try:
        program = load(first)
        for name in program.preload:  # before distributed runs, whose launchers must be there
            importlib.import_module(name)
    except (Exception, GuardMissingError) as error:  # noqa: BLE001 (whatever an import may raise)
        fail(connection, error)
        sys.exit(1)
    run_one(connection, program)


def load(first: Mapping[str, Any]) -> Any:
    """Import the program's main module, and what was packed of the rest.

    Raises:
        GuardMissingError: the program has begun to work.
        Exception: whatever the program's import raises.
    """
    import cloudpickle

    from lightning_sweeps.searches.execute import seeds, settings
    from lightning_sweeps.searches.execute.program import unpack

    with forkable_imports():
        try:
            import_main(first["main"])
        except SystemExit as left:  # most likely from Hydra's main function
            raise GuardMissingError from left
        program = unpack_either(first, unpack)
    sys.argv[:] = first["argv"]  # the program may have taken its own options out
    settings.restore(cloudpickle.loads(first["settings"]))
    seeds.set_states(first["seeds"])
    if signal.SIGHUP not in first["ignored"]:  # as this interpreter was started
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    return program


def unpack_either(first: Mapping[str, Any], unpack: Callable[[bytes], Any]) -> Any:
    """Unpickle by the names in the main module, or by value if importing it does not define them."""
    by_name, by_value = first["program"]
    if by_name is not None:
        try:
            return unpack(by_name)
        except AttributeError:
            if by_value is None:
                raise
    return unpack(by_value)


def import_main(main: tuple[str, str] | None) -> None:
    """Import the program's main module as ``multiprocessing`` does, under the name ``__mp_main__``.

    Args:
        main: ``path`` or ``module``, and which; None if nothing can be imported, as in a notebook.
    """
    if main is None:
        return
    kind, name = main
    module = types.ModuleType("__mp_main__")
    if kind == "module":
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None or spec.origin is None:
            raise ImportError(f"no module named {name}")
        module.__spec__, module.__file__, module.__package__ = spec, spec.origin, spec.parent
        code = spec.loader.get_code(name)  # type: ignore[attr-defined] # runpy asks for it too
    else:
        module.__file__ = name
        code = compile(Path(name).read_bytes(), name, "exec", dont_inherit=True)
    # Pickles of the program's own, and of whatever a trial starts, name either of the two.
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    exec(code, module.__dict__)  # noqa: S102 (the person's own program)
    # A module keeps the name that it has when it is run: whitelists, pickles and loggers know its parts by it.
    module.__name__ = "__main__"
    _rename(vars(module), set())
    loggers = logging.root.manager.loggerDict
    logger = loggers.get("__mp_main__")
    if isinstance(logger, logging.Logger) and "__main__" not in loggers:
        loggers["__main__"] = loggers.pop("__mp_main__")
        logger.name = "__main__"


def _rename(parts: Mapping[str, Any], seen: set[int]) -> None:
    for part in list(parts.values()):
        while isinstance(part, type | types.FunctionType) and id(part) not in seen:
            seen.add(id(part))
            if part.__module__ == "__mp_main__":
                part.__module__ = "__main__"
                _rename(vars(part), seen)
            part = getattr(part, "__wrapped__", None)  # noqa: PLW2901 (what a decorator has wrapped)
