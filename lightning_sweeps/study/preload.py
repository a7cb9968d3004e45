"""Imported first by the server that trials are forked from: every trial's process starts with all of this done."""

import atexit
import gc

gc.disable()  # it would go through everything that is being imported again and again; each trial turns it on

import os  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402

import cloudpickle  # noqa: E402
from hydra.core.plugins import Plugins  # noqa: E402

import lightning_sweeps.study.process  # noqa: E402, F401
from lightning_sweeps.environment import environment  # noqa: E402
from lightning_sweeps.study.gpus import visible_gpus  # noqa: E402
from lightning_sweeps.study.server import TASK  # noqa: E402


def import_for(task: Path) -> None:
    """Import what the pickled task function refers to. What fails here fails again in a trial, which says so.

    A module that starts threads or looks for GPUs in CUDA leaves a process that must not be forked: then the server
    begins again without, and each trial imports for itself.
    """
    with environment(PYTORCH_NVML_BASED_CUDA_CHECK="1"), suppress(Exception, SystemExit):  # torch asks CUDA otherwise
        cloudpickle.loads(task.read_bytes())
        if "lightning" in sys.modules:
            import lightning_sweeps.warm  # noqa: F401
    if {"lightning", "lightning_fabric"} & sys.modules.keys():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # as it does itself
    if threading.active_count() > 1 or (_keeps_children_from_cuda() and visible_gpus()):
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606


def _keeps_children_from_cuda() -> bool:
    """Whether torch refuses CUDA to processes that are forked from this one; only such a process can tell."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    child = os.fork()
    if child == 0:
        os._exit(int(torch.cuda._is_in_bad_fork()))  # noqa: SLF001
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


Plugins.instance()
if task := os.environ.pop(TASK, None):
    import_for(Path(task))
atexit.register(gc.unfreeze)  # some libraries complain when the interpreter leaves and their objects are still there
