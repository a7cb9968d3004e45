"""The command: Hydra's flags and composition around ``run.train``. Imports no torch, so that ``--help`` is quick."""

import atexit
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightning_sweeps.command.as_json import only_json
from lightning_sweeps.command.explain import explain
from lightning_sweeps.command.flags import OF_OURS, read_flags
from lightning_sweeps.command.guarded import guard_hydra, require_own_log_files
from lightning_sweeps.command.sweeper import StudySweeper
from lightning_sweeps.environment import environment
from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.files.folders import require_inside
from lightning_sweeps.overrides.again import ONE_RUN, typed
from lightning_sweeps.overrides.groups import CONF, add_config_folder, describe_groups
from lightning_sweeps.overrides.text import flat, key_of
from lightning_sweeps.runs.one_lightning import share_one_lightning
from lightning_sweeps.runs.values import require_a_validation, require_kinds
from lightning_sweeps.safety import trust as trusting
from lightning_sweeps.safety import user_key  # noqa: F401 (reads its place before a config can set another)
from lightning_sweeps.terminal.console import could_write
from lightning_sweeps.terminal.ctrl_c import leave_at_ctrl_c, starts_a_command
from lightning_sweeps.terminal.keyboard_interrupt import interrupt
from lightning_sweeps.trackers.ready import require_loggers

_frozen_in: set[int] = set()  # processes


def start(conf: str | Path | None, trust: Iterable[str]) -> None:
    """What ``lightning_sweeps.main`` does."""
    trust = list(trust)
    trusting.trust(trust)
    share_one_lightning()
    folders = [Path(conf).resolve(), CONF] if conf is not None else [CONF]
    register_resolvers(folders)
    if conf is not None:
        if not folders[0].is_dir():
            sys.exit(f"error: main(conf=...): no such folder: {folders[0]}")
        add_config_folder(CONF)

    def task(config: DictConfig) -> float | list[float] | None:
        trusting.trust(trust)  # again in a trial's process
        share_one_lightning()
        task.folders.append(Path(HydraConfig.get().runtime.output_dir))  # type: ignore[attr-defined]
        return _run(config, folders)

    def check(config: DictConfig) -> None:
        plain: Any = OmegaConf.to_container(config, resolve=False)
        hydra_config = plain.pop("hydra")
        trusting.require_harmless(hydra_config["job"]["env_set"])
        require_own_log_files(hydra_config["job_logging"], hydra_config["sweep"]["dir"])
        require_inside(hydra_config["output_subdir"])
        require_kinds(plain, hydra_config["runtime"]["choices"], folders)
        trusting.require_trusted(plain)
        require_loggers(plain.get("logger"))
        require_a_validation(plain)

    def as_hydra_calls(config: DictConfig) -> DictConfig:
        check(config)
        HydraConfig.instance().set_config(config)
        with read_write(config), open_dict(config):
            del config["hydra"]
        return config

    def rehearse(config: DictConfig) -> None:
        from lightning_sweeps.runs import rehearsal

        rehearsal.rehearse(as_hydra_calls(config))

    def measure(config: DictConfig) -> dict[str, Any]:
        from lightning_sweeps.runs import measuring

        return measuring.measure(as_hydra_calls(config))

    # Read by the sweeper ``study``. The first three know before the first trial what is wrong with a config.
    vars(task).update(check=check, rehearse=rehearse, measure=measure, objectives=_objectives, folders=[])
    task.preload = ("lightning_sweeps.runs.warm",)  # type: ignore[attr-defined]
    Plugins.instance().register(StudySweeper)  # even if the package is used without being installed
    guard_hydra()

    # Hydra finds the caller by the task's module; the command's name in its messages is the package's.
    task.__module__ = "lightning_sweeps.__main__"
    command = hydra.main(config_path=str(folders[0]), config_name="config", execution_whitelist=trusting.whitelist())
    with explained(folders):
        _require_plain_path()
        arguments = sys.argv[1:]
        flags = read_flags(arguments)
        task.show = flags.show  # type: ignore[attr-defined]
        sys.argv[1:] = arguments
        sys.orig_argv = [one for one in sys.orig_argv if one not in OF_OURS]  # no part of the command to type again
        with only_json(flags, task.folders), raising_errors():  # type: ignore[attr-defined]
            command(task)()


def _objectives(config: DictConfig) -> int:
    """How many numbers a run returns."""
    return 1 + len(OmegaConf.select(config, "objective.also") or ())


@contextmanager
def explained(folders: Sequence[Path]) -> Iterator[None]:
    """Turn whatever is raised into the lines that the user reads, and leave."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        yield
        if not could_write():
            sys.exit(1)
        # Nothing follows but the interpreter's way out, on which a Ctrl-C would have a traceback.
        if starts_a_command(sys.orig_argv):
            leave_at_ctrl_c()
    except (Exception, _RunFailed) as failure:  # noqa: BLE001 (every error becomes a message)
        error = failure.error if isinstance(failure, _RunFailed) else failure
        if isinstance(error, BrokenPipeError):  # nobody reads any more, as after | head
            could_write()
            sys.exit(1)
        if wants_traceback:
            raise error from None
        could_write()
        message, code = explain(error, folders, failure.log_file if isinstance(failure, _RunFailed) else None)
        # Of the processes of a distributed run only the first speaks.
        if os.environ.get("LOCAL_RANK", "0") == "0":
            sys.stderr.write(f"{message}\n")
        # The exit code is settled: one more Ctrl-C must not print a traceback of the interpreter's way out.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(code)


class _RunFailed(BaseException):
    """Carries a run's exception past Hydra, which would print a line of its own about an ``Exception``."""

    def __init__(self, error: Exception, log_file: Path) -> None:
        self.error = error
        self.log_file = log_file


def _require_plain_path() -> None:
    """Hydra reads the working folder's name as a value of a config."""
    if "${" in (here := os.getcwd()):  # noqa: PTH109
        raise FolderError(f"{here}: Hydra takes ${{...}} in the working folder's name for an interpolation; rename it")


def _require_one_run(hydra_config: Any, *, dry_run: bool) -> None:
    """A run has a folder, and what is composed for a search has no values yet."""
    if not hydra_config.run.dir:
        raise ConfigError("hydra.run.dir is empty: name a folder, or leave it out for one with date and time")
    given = {key_of(line) for line in typed(hydra_config)}
    if dry_run and hydra_config.mode is not RunMode.MULTIRUN:
        raise ConfigError("dry_run=true is for a search, with -m; for a single run: trainer.fast_dev_run=true")
    conditional = set(_names(hydra_config.sweeper.get("conditions") or {}))
    params = hydra_config.sweeper.get("params") or {}
    names = _names(params) if OmegaConf.is_dict(params) else ["one of several spaces"]
    searched = [name for name in names if name not in given | conditional]  # with these values some may be absent
    again = ONE_RUN in os.environ  # rerun has given every value
    if "search" in given and hydra_config.mode is not RunMode.MULTIRUN and searched and not again:
        raise ConfigError(
            f"search={hydra_config.runtime.choices.get('search')} is a search, over {', '.join(searched)}: add -m"
        )


def _names(params: Mapping[str, Any]) -> Iterator[str]:
    from lightning_sweeps.searches.space.zipped import is_zip, zipped_names

    for name, value in flat(params):
        yield from zipped_names(value) if is_zip(value) else (name,)


def _run(config: DictConfig, folders: Sequence[Path]) -> float | list[float] | None:
    hydra_config = HydraConfig.get()
    # Processes started by the run (DDP) decide by themselves how to print their errors.
    with environment(HYDRA_FULL_ERROR=None):
        try:
            plain: Any = OmegaConf.to_container(config, resolve=False)
            _require_one_run(hydra_config, dry_run=bool(plain.get("dry_run")))
            trusting.require_harmless(hydra_config.job.env_set)
            require_kinds(plain, hydra_config.runtime.choices, folders)
            require_loggers(plain.get("logger"))
            from lightning_sweeps.runs.train import run

            # What was imported stays: no collection looks at it again, nor copies its pages in a forked process. Of
            # several trials in one process only the first freezes, or nothing of a trial would ever be collected.
            if os.getpid() not in _frozen_in:
                _frozen_in.add(os.getpid())
                gc.freeze()
            gc.enable()
            # Some libraries complain when the interpreter leaves and their frozen objects are still there.
            atexit.unregister(gc.unfreeze)
            atexit.register(gc.unfreeze)
            # The heavy imports are done: from here on Ctrl-C is an exception, which the run turns into a checkpoint.
            in_main_thread = threading.current_thread() is threading.main_thread()
            if in_main_thread and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                signal.signal(signal.SIGINT, interrupt)
            return run(config)
        except Exception as error:
            logging.getLogger("lightning_sweeps.file").exception("The run failed")
            if hydra_config.mode is RunMode.MULTIRUN:
                raise
            raise _RunFailed(error, Path(hydra_config.runtime.output_dir, f"{hydra_config.job.name}.log")) from error


@contextmanager
def raising_errors() -> Iterator[None]:
    """Let Hydra raise its errors, instead of printing them and leaving."""
    with environment(HYDRA_FULL_ERROR="1"):
        yield


def register_resolvers(folders: Sequence[Path]) -> None:
    """What the configs may use beside OmegaConf's and Hydra's own: ``${config_groups:}`` and ``${on_gpu:...}``."""
    OmegaConf.register_resolver("config_groups", lambda: describe_groups(folders), replace=True)
    OmegaConf.register_resolver("on_gpu", _on_gpu, replace=True)


def _on_gpu(accelerator: str, on_gpu: Any, elsewhere: Any) -> Any:
    """The resolver ``${on_gpu:${trainer.accelerator},a,b}``: a if the run will use a GPU, else b."""
    if accelerator in ("gpu", "cuda"):
        return on_gpu
    if accelerator != "auto":
        return elsewhere
    import torch

    return on_gpu if torch.cuda.is_available() else elsewhere
