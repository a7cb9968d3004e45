"""Hyperparameter sweeps for PyTorch Lightning, composed with Hydra and searched with Optuna.

The user's own package starts from here::

    from lightning_sweeps import main

    main(conf=Path(__file__).parent / "conf", trust=["own_package"])

A notebook or a Python program starts runs and searches itself::

    from lightning_sweeps import run, search

    study = search(["model=mlp", "optimizer.lr=tag(log,interval(1e-4,1e-1))"], n_trials=20)

Importing this package imports neither torch nor lightning.
"""

from lightning_sweeps.terminal import closed, ctrl_c

if ctrl_c.is_command():  # what is imported from here on takes a second or more
    ctrl_c.leave_at_ctrl_c()
    closed.open_what_is_closed()
    from lightning_sweeps.files.leave import Leaving

    Leaving.be_last()

import gc
import sys
from collections.abc import Iterable
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_sweeps.trial import Trial, current_trial

if TYPE_CHECKING:
    from lightning_sweeps.api.run import RunResult, run
    from lightning_sweeps.api.search import search
    from lightning_sweeps.api.study import Study

__all__ = ["RunResult", "Study", "Trial", "current_trial", "main", "run", "search"]
OF_PYTHON = {"RunResult": "run", "run": "run", "search": "search", "Study": "study"}  # name -> file of api


def __getattr__(name: str) -> Any:
    if name not in OF_PYTHON:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # a command does without them

    return getattr(import_module(f"lightning_sweeps.api.{OF_PYTHON[name]}"), name)


def main(conf: str | Path | None = None, trust: Iterable[str] = ()) -> None:
    """Run the command line ``sys.argv``: one run, or several under ``-m``; leaves with ``sys.exit`` if it failed.

    Args:
        conf: a folder of the caller's own config groups. It is searched before the ones that ship with this package,
            so it may add options, replace them, and have a ``config.yaml`` of its own.
        trust: packages whose code a config may name in ``_target_``.
    """
    if getattr(current_process(), "_inheriting", False) or sys.modules["__main__"].__name__ == "__mp_main__":
        return  # a process of a trial imports the script that started the search, for its definitions
    ctrl_c.leave_at_ctrl_c()  # until the run has its parts there is nothing to save
    # The imports make a million objects that live as long as the process. Looking through them again and again for
    # garbage is a fifth of the time to the first step; ``app`` turns the collector on again when they are done.
    gc.disable()
    from lightning_sweeps.command.app import start

    try:
        start(conf, trust)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.enable()
