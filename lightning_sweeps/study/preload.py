"""Imported first by the server that trials are forked from: every trial's process starts with all of this done."""

import atexit
import gc

gc.disable()  # it would go through everything that is being imported again and again; each trial turns it on

import os  # noqa: E402
import sys  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402

import cloudpickle  # noqa: E402
from hydra.core.plugins import Plugins  # noqa: E402

import lightning_sweeps.study.process  # noqa: E402, F401
from lightning_sweeps.study.server import TASK  # noqa: E402


def import_for_task(file: Path) -> None:
    """Import what the pickled task function refers to. What fails here fails again in a trial, which says so."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # to look for GPUs then does not keep this process from forking
    with suppress(Exception):
        cloudpickle.loads(file.read_bytes())
    if "lightning" in sys.modules:
        import lightning_sweeps.warm  # noqa: F401
    if "torch" in sys.modules:
        import torch

        from lightning_sweeps.devices import settle_cuda_check

        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            sys.exit("error: a module of the program starts CUDA when it is imported; start it in the main function")
        settle_cuda_check()


Plugins.instance()
import_for_task(Path(os.environ.pop(TASK)))
atexit.register(gc.unfreeze)  # some libraries complain when the interpreter leaves and their objects are still there
