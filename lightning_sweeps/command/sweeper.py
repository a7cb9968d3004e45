"""The Hydra plugin. Imported at every start of Hydra, so the rest is imported when a sweep begins."""

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.command import stock_files
from lightning_sweeps.errors import ConfigError, GuardMissingError, SweepsError, nearest
from lightning_sweeps.overrides.again import go_on_with_what_was_noted
from lightning_sweeps.safety.passwords import masked
from lightning_sweeps.search import config as configs
from lightning_sweeps.search.durations import DURATIONS, seconds
from lightning_sweeps.terminal.closed import open_what_is_closed

log = logging.getLogger(__name__)
configs.register()

OPTIONS = {field.name for field in fields(configs.StudySweeper)}


class StudySweeper(Sweeper):
    """``hydra/sweeper=study``: an Optuna study whose trials run in slots, each in a process of its own."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.master_config = config

    def sweep(self, arguments: list[str]) -> Any:
        """Search; leaves with ``sys.exit`` where the search failed or was interrupted."""
        open_what_is_closed()
        gc.freeze()  # what the program has made is not looked through again and again while the search makes its own
        try:
            return self._search(arguments)
        except SweepsError as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1":  # also where this package's own ``main`` explains errors
                raise
            sys.exit(f"error: {masked(str(error))}")
        except KeyboardInterrupt:  # before the first trial or after the last one; in between it is the supervisor's
            sys.exit(130)
        finally:
            gc.unfreeze()

    def _search(self, arguments: list[str]) -> Any:
        from lightning_sweeps.search.execute.gpus import hold_for
        from lightning_sweeps.search.execute.slots import Asked, Slot, Slots, divide

        if os.environ.get("LOCAL_RANK", "0") != "0":
            raise ConfigError(
                f"LOCAL_RANK={os.environ['LOCAL_RANK']}: a distributed run started the search again.\n"
                "Import lightning at the top of the program, so that a trial's processes can be started for it"
            )
        if self.options.get("search_space") is not None:
            raise ConfigError(
                "hydra.sweeper.search_space: first versions of the stock sweeper had this name for params. Write there:"
                "\nlr: tag(log, interval(0.0001, 0.1)), or width: int(interval(8, 64)), or act: choice(relu, gelu)"
            )
        if unknown := sorted(self.options.keys() - OPTIONS):
            raise ConfigError(f"hydra.sweeper.{unknown[0]}: no such option.{nearest(unknown[0], OPTIONS)}")
        self.options |= {name: seconds(name, self.options[name]) for name in DURATIONS if name in self.options}
        if sys.modules["__main__"].__name__ == "__mp_main__":  # it is being imported for trials
            raise GuardMissingError
        go_on_with_what_was_noted(self.master_config)
        if not self.master_config.hydra.sweep.dir:
            raise ConfigError("hydra.sweep.dir is empty: name a folder, or leave it out for one with date and time")
        if self.options["study_name"] == "":
            raise ConfigError("hydra.sweeper.study_name is empty: name the study, or leave it out for hydra.job.name")
        isolation = self.options["isolation"]
        if isolation not in ("process", "none"):
            raise ConfigError(f"hydra.sweeper.isolation={isolation}: it is process or none")
        start_method = self.options["start_method"]
        if isolation == "none" and start_method != os.environ.get("LIGHTNING_SWEEPS_START_METHOD", "auto"):
            raise ConfigError(f"hydra.sweeper.start_method={start_method}: isolation=none starts no processes")
        sizes = {name: self.options[name] for name in ("n_jobs", "devices_per_trial", "trials_per_device")}
        asked = Asked(**sizes, devices=OmegaConf.select(self.master_config, "trainer.devices"))
        in_processes = isolation == "process" and self.options["workers"] is None
        with ExitStack() as stack:
            slots, servers = Slots([Slot()]), None
            if in_processes:
                servers = stack.enter_context(self._open_servers())
                gpus = stack.enter_context(hold_for(self.master_config, asked.gpus, asked.gpus_of_a_slot))
                slots = divide(asked, gpus)
            from lightning_sweeps.search.search import search

            return search(
                self.options,
                self.hydra_context,
                self.task_function,
                self.master_config,
                arguments,
                slots,
                servers,
                _prepare_report if self.options["report"] else None,
                supervise,
            )

    @contextmanager
    def _open_servers(self) -> Iterator[Any]:
        """What trials' processes are started from, before this process opens anything that is not for them."""
        from lightning_sweeps.search.execute.program import this_program
        from lightning_sweeps.search.execute.servers import Servers

        program = this_program(self.hydra_context, self.task_function, self.master_config)
        servers = Servers(program, str(self.options["start_method"]), preload=bool(self.options["preload"]))
        server = servers.open()
        try:
            yield servers, server
        finally:
            server.close()
            servers.close()


stock_files.read_their_target_as(StudySweeper)


def supervise(
    options: dict[str, Any],
    hydra_context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    arguments: Any,
) -> None:
    """Sweep, as a worker that a launcher started."""
    sweeper = StudySweeper(**options)
    sweeper.setup(hydra_context=hydra_context, task_function=task_function, config=config)
    sweeper.sweep(arguments)


def _prepare_report(*, ahead: bool) -> Callable[[Any], str]:
    """Import what a report needs.

    Args:
        ahead: also what only one of many trials needs; it takes a second.
    """
    from lightning_sweeps.report import import_importances, write_report
    from lightning_sweeps.search.record.saved import open_saved

    if ahead:
        import_importances()

    def write(where: tuple[str, str | None, str]) -> str:
        try:
            write_report(open_saved(*where), Path(where[0], "report.html"))
        except Exception as error:  # noqa: BLE001 (any figure may meet a study that it cannot draw)
            return f"{type(error).__name__}: {error}"
        return ""

    return write
