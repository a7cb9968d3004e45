"""Say before training that a device is missing."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from lightning_sweeps.errors import DeviceError


def require_devices(trainer: Mapping[str, Any]) -> None:
    """Check the trainer's ``accelerator`` and ``devices`` against this machine's GPUs.

    Raises:
        DeviceError: it asks for GPUs or cores that are not here; says what is.
    """
    if trainer.get("accelerator") == "cpu" or (trainer.get("accelerator") == "auto" and not _has_accelerator()):
        _require_cores(trainer.get("devices"))
    if trainer.get("accelerator") not in ("gpu", "cuda"):
        return
    if trainer["accelerator"] == "gpu" and torch.backends.mps.is_available():
        return
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cores = os.cpu_count()
    if there == 0:
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        raise DeviceError(
            f"trainer.accelerator={trainer['accelerator']}: no GPU here. There are {cores} CPU cores, and torch "
            f"{torch.__version__} ({built}) sees no CUDA device.\n"
            "Use trainer=cpu, or trainer=auto, which takes a GPU if there is one"
        )
    devices = trainer.get("devices")
    if isinstance(devices, int) and devices > there:
        raise DeviceError(
            f"trainer.devices={devices}: there are {there} GPUs here. Use trainer.devices={there} or auto"
        )


def _has_accelerator() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _require_cores(processes: Any) -> None:
    cores = os.cpu_count() or 1
    if isinstance(processes, int) and processes > cores:
        raise DeviceError(f"trainer.devices={processes}: there are {cores} CPU cores here. Use at most {cores}")


def settle_cuda_check() -> None:
    """On a machine without CUDA, make ``torch.cuda.is_available()`` cheap for the rest of the process.

    Lightning asks torch to look for GPUs through NVML, so that looking does not keep a process from forking. Without a
    GPU that looks for a missing library at each call, and Adam calls it at each step: 0.05 to 0.2 ms.
    """
    if not torch.cuda.is_available():
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
