"""What commands share that are forked from one interpreter: torch's and Lightning's imports take seconds.

What this package's modules read of a process when they are imported, each command's own process imports.
"""

import os
import sys
from contextlib import suppress
from importlib import import_module, reload
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pkgutil import walk_packages
from typing import Any, NoReturn
from unittest.mock import patch

OF_A_SEARCH = (
    "cloudpickle",
    "hydra",
    "jinja2",
    "multiprocessing.connection",
    "multiprocessing.popen_fork",
    "optuna",
    "orjson",
    "plotly.graph_objects",
    *(f"plotly.graph_objs._{kind}" for kind in ("bar", "contour", "figure", "layout", "scatter")),
    "plotly.io._json",
    "plotly.offline",
    "rich.live",
    "sqlalchemy",
)
OF_OTHERS = (
    *OF_A_SEARCH,
    "filelock",
    "fsspec.implementations.chained",
    "lightning.pytorch",
    "lightning.pytorch.loggers",
    "PIL.Image",
    "sklearn.datasets",
    "tensorboard.plugins.hparams.metadata",
    "torch",
    "torch.utils.tensorboard",
    "torchmetrics.classification",
    "torchvision.transforms.v2",
)
PACKAGE = "lightning_sweeps"
LOOK_AROUND = {f"{PACKAGE}.runs.warm", f"{PACKAGE}.runs.warm_fit"}  # for what else is imported


def import_hydras_plugins() -> None:
    """All that Hydra looks through when it starts. What it finds there, each command finds for itself."""
    for package in ("hydra._internal.core_plugins", "hydra_plugins"):
        with suppress(ImportError):
            there = import_module(package)
            for module in walk_packages(there.__path__, f"{package}."):
                if module.name.rpartition(".")[2].startswith("_"):  # Hydra leaves these out; one imports Ray
                    continue
                with suppress(ImportError):
                    import_module(module.name)


class _NothingElse(MetaPathFinder):
    """Refuses to import what is not there already, but for modules of the standard library and of this package."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        top = fullname.partition(".")[0]
        if fullname in LOOK_AROUND or not (top == PACKAGE or top in sys.stdlib_module_names):
            raise ImportError(fullname)
        return None


def import_this_package() -> None:
    """What of it needs nothing that is not imported yet, and reads no variable and no folder of a process' own."""
    finder = _NothingElse()
    sys.meta_path.insert(0, finder)
    with patch.object(type(os.environ), "__getitem__", _refuse), patch.object(os, "getcwd", _refuse):
        for module in walk_packages(import_module(PACKAGE).__path__, f"{PACKAGE}."):
            if not module.name.endswith("__main__"):
                with suppress(ImportError):
                    import_module(module.name)
    sys.meta_path.remove(finder)


def _refuse(*_: Any) -> NoReturn:
    raise ImportError("each process has its own")


def meet_this_process(command: str | bool) -> None:
    """Let this package see whose process it is in now, as its first import does."""
    there = sys.modules.get(PACKAGE)
    if there is None:
        return
    found = find_spec(PACKAGE)
    if found is None or found.origin != there.__file__:  # a command of another copy
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        return
    reload(there)
    if command in sys.modules and not hasattr(sys.modules[command], "__path__"):
        del sys.modules[command]  # it is run, not imported
