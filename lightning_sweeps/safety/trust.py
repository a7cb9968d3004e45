"""What a config may execute, and the one function that calls what a run's config names.

A ``_target_`` in a config names Python code to call. Only what Python code (``main(trust=...)``) or the environment
(``LIGHTNING_SWEEPS_TRUST=package_a,package_b``) allowed is called; the config itself can never widen the list.
"""

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from omegaconf import ListConfig, OmegaConf

from lightning_sweeps.errors import ConfigError, SweepsError, UntrustedTargetError

TRUST_VARIABLE = "LIGHTNING_SWEEPS_TRUST"

# Narrow on purpose: constructors of this field, no package that can load or run code by name (torch.hub, torch.load).
TRUSTED = (
    "lightning_sweeps.callbacks.*",
    "lightning_sweeps.terminal.console.Console",
    "lightning_sweeps.datamodules.*",
    "lightning_sweeps.command.run_folder.ClaimRunFolder",
    "lightning_sweeps.models.*",
    "lightning_sweeps.runs.optimization.*",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.trainer.trainer.Trainer",
    "lightning.pytorch.callbacks.*",
    "lightning.pytorch.demos.*",
    "lightning.pytorch.loggers.*",
    "aim.pytorch_lightning.AimLogger",
    "lightning_sweeps.trackers.trackio.TrackioLogger",
    "lightning.pytorch.plugins.*",
    "lightning.pytorch.profilers.*",
    "lightning.pytorch.strategies.*",
    "logging.FileHandler",
    "logging.Formatter",
    "logging.NullHandler",
    "logging.StreamHandler",
    "torch.nn.*",
    "torch.optim.*",
    "torchmetrics.*",
    "torchvision.models.*",
    "torchvision.transforms.*",
)

# Read once, before Hydra sets what a config asks for (hydra.job.env_set).
_trusted_by_environment = [name.strip() for name in os.environ.get(TRUST_VARIABLE, "").split(",")]
_trusted_by_python: list[str] = []

# Variables that decide which code is run, for Python, the loader, git and torch's compiler.
DECIDES_ON_CODE = (
    "PATH",
    "PYTHON",
    "LD_",
    "DYLD_",
    "GIT_",
    "LIGHTNING_SWEEPS_",
    "CC",
    "CXX",
    "TORCHINDUCTOR_",
    "TRITON_",
    "TORCH_EXTENSIONS_DIR",
    "TORCH_HOME",
    "HOME",  # the key that signs checkpoints is there, and what tools run at their start
    "XDG_",
    "BASH_ENV",
    "OMP_TOOL",
    "CUDA_INJECTION",
    "NCCL_NET_PLUGIN",
    "NCCL_PROFILER_PLUGIN",
    "NCCL_TUNER_PLUGIN",
    "GCONV_PATH",
)


def trust(packages: Iterable[str]) -> None:
    """Allow configs to call what is in these packages (or these exact dotted names), for this process."""
    _trusted_by_python.extend(package for package in packages if package not in _trusted_by_python)


@contextmanager
def trusting(packages: Iterable[str]) -> Iterator[None]:
    """Inside, what is in these packages is trusted too."""
    before = list(_trusted_by_python)
    trust(packages)
    try:
        yield
    finally:
        _trusted_by_python[:] = before


def whitelist() -> list[str]:
    """Every trusted pattern, in Hydra's form: ``package.*`` or an exact dotted name."""
    old_names = [name.replace("lightning.pytorch", "pytorch_lightning") for name in TRUSTED]
    patterns = list(dict.fromkeys([*TRUSTED, *old_names]))
    for name in trusted():
        patterns += [name] if name.endswith(".*") else [name, f"{name}.*"]
    return patterns


def trusted() -> list[str]:
    """What Python and the environment have allowed beyond ``TRUSTED``."""
    return [name for name in (*_trusted_by_python, *_trusted_by_environment) if name]


def require_harmless(variables: Mapping[str, Any]) -> None:
    """Refuse a config (``hydra.job.env_set``) that would have other code run than the person's.

    Raises:
        UntrustedTargetError: it sets a variable that decides on that.
    """
    for name in variables:
        if name.upper().startswith(DECIDES_ON_CODE):
            raise UntrustedTargetError(
                f"hydra.job.env_set.{name}: a config may not set what decides which code is run.\nSet it in the shell"
            )


def require_trusted(config: Any, where: str = "") -> None:
    """Refuse a config that would be refused when something is built of it, before anything is.

    Args:
        config: plain containers with their interpolations, whose targets are judged when they are known.

    Raises:
        UntrustedTargetError: a target is outside the whitelist.
    """
    if isinstance(config, list):
        for index, item in enumerate(config):
            require_trusted(item, f"{where}[{index}]")
    elif isinstance(config, dict):
        target = str(config.get("_target_") or "")
        if target and "${" not in target and not _is_trusted(target):
            raise _untrusted(where, target)
        for key, item in config.items():
            require_trusted(item, f"{where}.{key}" if where else str(key))


def _is_trusted(target: str) -> bool:
    return any(target.startswith(one[:-1]) if one.endswith(".*") else target == one for one in whitelist())


def _untrusted(where: str, target: str) -> UntrustedTargetError:
    return UntrustedTargetError(
        f"{where}: _target_ '{target}' is not trusted, so a config may not call it.\n"
        f"Trust its package {in_python_or_environment('package')}"
    )


def in_python_or_environment(name: str) -> str:
    """How the user trusts it, for messages."""
    return f"from Python, main(trust=['{name}']), or with {TRUST_VARIABLE}={name}"


@contextmanager
def _readable(where: str, target: str) -> Iterator[None]:
    """Turn Hydra's instantiation errors into one that names the config key and the cause."""
    from hydra.errors import InstantiationException

    try:
        yield
    except SweepsError:
        raise
    except InstantiationException as error:
        if isinstance(error.__cause__, SweepsError):
            raise error.__cause__ from error
        text = str(error)
        if is_refused(error):
            raise _untrusted(where, _refused(text) or target) from error
        cause = error.__cause__
        if isinstance(cause, ImportError) and "Error loading" in str(cause):
            raise ConfigError(f"{where}: there is no {target}") from error
        reason = f"{type(cause).__name__}: {cause}" if cause is not None else text
        reason = re.sub(r"\s+full_key: .*", "", reason, flags=re.DOTALL)  # OmegaConf's, of the part, not of the config
        raise ConfigError(f"{where}: cannot build {target}: {' '.join(reason.split())}") from error
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"{where}: cannot build {target}: {reason}") from error


def is_refused(error: Exception) -> bool:
    """Whether Hydra has not called a target because it is not trusted."""
    text = f"{error} {error.__cause__ or ''}".lower()
    return any(word in text for word in ("whitelist", "not allowed", "blocked", "cannot be authorized"))


def _refused(message: str) -> str | None:
    match = re.search(r"'([A-Za-z_][\w.]*\.[\w.]+)'", message)
    return match.group(1) if match else None


def build(config: Any, where: str, **arguments: Any) -> Any:
    """Call the ``_target_`` of a config node with its values and these further arguments.

    Args:
        config: a mapping with ``_target_``; nested ``_target_`` nodes are built first.
        where: the config key, for error messages.

    Raises:
        UntrustedTargetError: the target is outside the whitelist.
        ConfigError: there is no such target, or it refused its arguments.
    """
    from hydra.utils import instantiate

    target = str(config.get("_target_", "")) if hasattr(config, "get") else ""
    if not target:
        raise ConfigError(f"{where}: no _target_, so there is nothing to build. Choose an option of the group {where}")
    with _readable(where, target):
        if _has_partial(config):
            config = OmegaConf.create(_with_plain_partials(config), flags={"allow_objects": True})
        return instantiate(config, **arguments, _execution_whitelist_=whitelist())


def _has_partial(node: Any) -> bool:
    """Whether something inside has ``_partial_: true``."""
    if isinstance(node, Mapping):
        return any(_is_partial(one) or _has_partial(one) for one in node.values())
    return isinstance(node, list | ListConfig) and any(_is_partial(one) or _has_partial(one) for one in node)


def _is_partial(node: Any) -> bool:
    return isinstance(node, Mapping) and node.get("_partial_") is True


def _with_plain_partials(node: Any) -> Any:
    """The node as plain containers, with a ``functools.partial`` in the place of each part that has ``_partial_``.

    Hydra's own kind of partial asks for trust once more when it is called, and cannot be pickled. A module keeps its
    optimizer's in its hyperparameters, and so in its checkpoints. What it will call is trusted here, when it is made.
    """
    from hydra.utils import instantiate

    if _is_partial(node):
        made = instantiate(node, _execution_whitelist_=whitelist())
        return functools.partial(made.func, *made.args, **made.keywords)
    if isinstance(node, Mapping):
        return {key: _with_plain_partials(one) for key, one in node.items()}
    if isinstance(node, list | ListConfig):
        return [_with_plain_partials(one) for one in node]
    return node
