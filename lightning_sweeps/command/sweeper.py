"""The Hydra plugin. Imported at every start of Hydra, so the rest is imported when a sweep begins."""

import gc
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.command import stock_files
from lightning_sweeps.errors import ConfigError, GuardMissingError, SweepsError
from lightning_sweeps.overrides.again import go_on_with_what_was_noted
from lightning_sweeps.safety.passwords import masked
from lightning_sweeps.searches import config as configs
from lightning_sweeps.searches.options import Options
from lightning_sweeps.terminal.closed import open_what_is_closed

configs.register()


class StudySweeper(Sweeper):
    """``hydra/sweeper=study``: an Optuna study whose trials run in slots, each in a process of its own."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.given = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Search; leaves with ``sys.exit`` if the search failed or was interrupted."""
        from lightning_sweeps.searches.execute.program import this_program

        with _explained():
            options = Options.read(self.options)
            return _sweep(options, this_program(*self.given), arguments)


stock_files.read_their_target_as(StudySweeper)


@contextmanager
def _explained() -> Iterator[None]:
    """Show errors that the user can act on as one line, instead of a traceback."""
    open_what_is_closed()
    gc.freeze()  # the collector need not walk through the program's objects while the search makes its own
    try:
        yield
    except SweepsError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":  # even if this package's own ``main`` explains errors
            raise
        sys.exit(f"error: {masked(str(error))}")
    except KeyboardInterrupt:  # before the first trial or after the last one; in between it is the supervisor's
        sys.exit(130)
    finally:
        gc.unfreeze()


def join_search(options: Options, program: Any, arguments: Sequence[str]) -> None:
    """Sweep, as a worker that a launcher has started."""
    from lightning_sweeps.searches.execute.program import this_program

    with _explained():
        _sweep(options, this_program(program.hydra_context, program.task_function, program.config), arguments)


def _sweep(options: Options, program: Any, arguments: Sequence[str]) -> float | None:
    if importlib.util.find_spec("fcntl") is None:
        raise ConfigError(
            "a search needs Linux or macOS; on Windows run it in WSL. A single run, without -m, works here"
        )
    if os.environ.get("LOCAL_RANK", "0") != "0":
        raise ConfigError(
            f"LOCAL_RANK={os.environ['LOCAL_RANK']}: a distributed run started the search again.\n"
            "Import lightning at the top of the program, so that a trial's processes can be started for it"
        )
    if sys.modules["__main__"].__name__ == "__mp_main__":  # the program is being imported for its trials
        raise GuardMissingError
    from lightning_sweeps.searches.execute.gpus import hold_for
    from lightning_sweeps.searches.execute.slots import Asked, Slot, Slots, divide

    config = program.config
    go_on_with_what_was_noted(config)
    if not config.hydra.sweep.dir:
        raise ConfigError("hydra.sweep.dir is empty: name a folder, or leave it out for one with date and time")
    if (shown := getattr(program.task_function, "show", None)) is not None:
        from lightning_sweeps.searches.preview import preview

        preview(options, program, arguments, shown)
        return None
    if options.detach:
        from lightning_sweeps.searches.detached import detach, is_detached
        from lightning_sweeps.searches.dry_run import wants_dry_run

        if not is_detached() and not wants_dry_run(options.dry_run, program.task_function, config):
            folders = getattr(program.task_function, "folders", [])
            detach(config, folders, join=options.join, launched=options.workers is not None)
    asked = Asked(
        options.n_jobs,
        options.devices_per_trial,
        options.trials_per_device,
        devices=OmegaConf.select(config, "trainer.devices"),
    )
    with ExitStack() as stack:
        slots, servers = Slots([Slot()]), None
        if options.isolation == "process" and options.workers is None:
            servers = stack.enter_context(_open_servers(program, options))
            gpus = stack.enter_context(hold_for(config, asked.gpus, asked.gpus_of_a_slot))
            slots = divide(asked, gpus)
        from lightning_sweeps.searches.search import search

        report = _prepare_report if options.report else None
        return search(options, program, arguments, slots, servers, report, join_search)


@contextmanager
def _open_servers(program: Any, options: Options) -> Iterator[Any]:
    """Open the server that starts trials' processes, before this process opens anything that is not for them."""
    from lightning_sweeps.searches.execute.servers import Servers

    servers = Servers(program, options.start_method, preload=options.preload)
    server = servers.open()
    try:
        yield servers, server
    finally:
        server.close()
        servers.close()


def _prepare_report(*, ahead: bool) -> Callable[[Any], str]:
    """Import what a report needs.

    Args:
        ahead: also what only one of many trials needs; it takes a second.
    """
    from lightning_sweeps.report import import_importances, write_report
    from lightning_sweeps.searches.record.saved import open_saved

    if ahead:
        import_importances()

    def write(where: tuple[str, str | None, str]) -> str:
        try:
            write_report(open_saved(*where), Path(where[0], "report.html"))
        except Exception as error:  # noqa: BLE001 (any figure may meet a study that it cannot draw)
            return f"{type(error).__name__}: {error}"
        return ""

    return write
