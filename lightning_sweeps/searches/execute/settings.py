"""Settings of a program's process, such as warning filters, which a new interpreter gets too."""

import gc
import logging
import sys
import warnings
from typing import Any

TORCH_BACKENDS = {
    "cudnn": ("enabled", "benchmark", "deterministic", "allow_tf32"),
    "cuda.matmul": ("allow_tf32", "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction"),
}


def taken() -> dict[str, Any]:
    """The settings of this process; each can be pickled."""
    settings = {
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "garbage collection": gc.isenabled(),
        "warnings": list(warnings.filters),
        "loggers": _loggers(),
    }
    if "numpy" in sys.modules:
        numpy = sys.modules["numpy"]
        settings["numpy"] = numpy.geterr(), numpy.get_printoptions()
    if "torch" in sys.modules:
        settings["torch"] = _torch(sys.modules["torch"])
    return settings


def restore(settings: dict[str, Any]) -> None:
    """Set them in this process, as far as the libraries that they belong to are imported."""
    sys.setrecursionlimit(settings["recursion limit"])
    sys.setswitchinterval(settings["switch interval"])
    (gc.enable if settings["garbage collection"] else gc.disable)()
    set_warning_filters(settings["warnings"])
    for name, (level, disabled, propagate) in settings["loggers"].items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.disabled, logger.propagate = disabled, propagate
    if "numpy" in settings and "numpy" in sys.modules:
        numpy = sys.modules["numpy"]
        errors, printing = settings["numpy"]
        numpy.seterr(**errors)
        numpy.set_printoptions(**{name: value for name, value in printing.items() if name != "override_repr"})
    if "torch" in settings and "torch" in sys.modules:
        _set_torch(sys.modules["torch"], settings["torch"])


def set_warning_filters(filters: list[Any]) -> None:
    """Replace the warning filters in place, so that everybody who holds the list sees the new ones."""
    warnings.resetwarnings()
    warnings.filters[:] = filters  # type: ignore[index]


def _loggers() -> dict[str, tuple[int, bool, bool]]:
    names = [name for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger)]
    loggers = [logging.root, *(logging.getLogger(name) for name in names)]
    return {one.name: (one.level, one.disabled, one.propagate) for one in loggers}


def _torch(torch: Any) -> dict[str, Any]:
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "gradients": torch.is_grad_enabled(),
        "anomalies": torch.is_anomaly_enabled(),
        "threads": torch.get_num_threads(),
        "sharing": torch.multiprocessing.get_sharing_strategy(),
        "backends": {
            f"{backend}.{name}": getattr(_backend(torch, backend), name)
            for backend, names in TORCH_BACKENDS.items()
            for name in names
        },
    }


def _set_torch(torch: Any, settings: dict[str, Any]) -> None:
    torch.set_default_dtype(settings["dtype"])
    if settings["device"] != torch.get_default_device():
        torch.set_default_device(settings["device"])
    torch.set_float32_matmul_precision(settings["matmul precision"])
    mode, warn_only = settings["deterministic"]
    torch.use_deterministic_algorithms(mode, warn_only=warn_only)
    torch.set_grad_enabled(settings["gradients"])
    torch.autograd.set_detect_anomaly(settings["anomalies"])
    if settings["threads"] != torch.get_num_threads():
        torch.set_num_threads(settings["threads"])
    torch.multiprocessing.set_sharing_strategy(settings["sharing"])
    for name, value in settings["backends"].items():
        backend, _, switch = name.rpartition(".")
        if getattr(_backend(torch, backend), switch) != value:
            setattr(_backend(torch, backend), switch, value)


def _backend(torch: Any, name: str) -> Any:
    found = torch.backends
    for part in name.split("."):
        found = getattr(found, part)
    return found
