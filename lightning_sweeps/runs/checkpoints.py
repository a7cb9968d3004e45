"""Reading checkpoints before Lightning does, so that a wrong one is an error in two lines."""

import pickle
import re
import shlex
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch.nn.parameter import is_lazy

from lightning_sweeps.errors import CheckpointError
from lightning_sweeps.safety.signatures import is_own
from lightning_sweeps.safety.trust import TRUST_VARIABLE, whitelist

SHOWN_KEYS = 3
TRUST_CHECKPOINTS = "ckpt_path"  # among the trusted names: files that others wrote may be loaded whole


def require_fitting(
    path: Path, module: LightningModule, max_epochs: int | None = None, max_steps: int | None = None
) -> None:
    """Check that the checkpoint is there, readable without executing code, of this model, and not at its end already.

    Args:
        max_epochs, max_steps: of the fit that goes on from it; None if there is no fit, -1 without a limit.

    Raises:
        CheckpointError: it is not; names the keys that differ and how that checkpoint's run was composed.
    """
    if path.is_dir():
        raise CheckpointError(f"ckpt_path={path}: this is a folder, not a checkpoint.{_candidates(path / '*')}")
    if not path.is_file():
        raise CheckpointError(f"ckpt_path={path}: no such file.{_candidates(path)}")
    content = _read(path)
    saved = content.get("state_dict")
    if not isinstance(saved, dict):
        raise CheckpointError(f"ckpt_path={path}: not a Lightning checkpoint (it has no state_dict)")
    _require_limits(path, content, max_epochs, max_steps)
    if _says_all_of_itself(module):
        _require_same_layers(path, saved, module)


def _says_all_of_itself(module: LightningModule) -> bool:
    """Whether the module's layers alone decide what Lightning will load, so that it can be checked before."""
    hooks = ("setup", "configure_model", "on_save_checkpoint", "on_load_checkpoint", "state_dict", "load_state_dict")
    changed = any(getattr(type(module), name) is not getattr(LightningModule, name) for name in hooks)
    lazy = any(is_lazy(parameter) for parameter in module.parameters())
    return module.strict_loading and not changed and not lazy


def _require_same_layers(path: Path, saved: Mapping[str, Any], module: LightningModule) -> None:
    expected = module.state_dict()
    differences = {
        "only in the checkpoint": [key for key in saved if key not in expected],
        "only in the model": [key for key in expected if key not in saved],
        "of another shape": [
            f"{key} {tuple(saved[key].shape)} instead of {tuple(expected[key].shape)}"
            for key in expected
            if key in saved and getattr(saved[key], "shape", None) != getattr(expected[key], "shape", None)
        ],
    }
    found = [f"{what}: {_shortened(keys)}" for what, keys in differences.items() if keys]
    if found:
        raise CheckpointError(
            f"ckpt_path={path} is of another model; {'; '.join(found)}.\n"
            f"Compose the model it was saved from{_overrides(path)}"
        )


def _require_limits(path: Path, content: Mapping[str, Any], max_epochs: int | None, max_steps: int | None) -> None:
    """Something must be left to train."""
    steps = int(content.get("global_step", 0))
    if max_steps is not None and 0 <= max_steps <= steps:
        raise CheckpointError(
            f"ckpt_path={path} has {steps} steps, and trainer.max_steps={max_steps}: nothing is left to train.\n"
            f"Set trainer.max_steps to more than {steps}, or choose stage=test"
        )
    epochs = (
        content.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {}).get("current", {}).get("processed", 0)
    )
    if max_epochs is not None and 0 <= max_epochs <= epochs:
        raise CheckpointError(
            f"ckpt_path={path} has {epochs} epochs, and trainer.max_epochs={max_epochs}: nothing is left to train.\n"
            f"Set trainer.max_epochs to more than {epochs}, or choose stage=test"
        )


def logged_steps(path: Path) -> int:
    """How many steps the run had logged when it wrote the checkpoint; the next is logged under this number.

    Raises:
        CheckpointError: it cannot be read.
    """
    content = _read(path)
    epoch_loop = content.get("loops", {}).get("fit_loop", {}).get("epoch_loop.state_dict", {})
    return int(epoch_loop.get("_batches_that_stepped", content.get("global_step", 0)))


def may_load_whole(path: Path) -> bool:
    """Whether loading it may run code that it holds: a run of this user wrote it, or somebody trusts it."""
    return is_own(path) or TRUST_CHECKPOINTS in whitelist()


def _read(path: Path) -> dict[str, Any]:
    if not zipfile.is_zipfile(path):
        raise CheckpointError(f"ckpt_path={path}: not a checkpoint, or not all of one (torch.save writes zip files)")
    try:
        loaded = _load(path)
    except pickle.UnpicklingError as error:
        held = re.search(r"(?:GLOBAL|global|type) `?([\w.]+)", str(error))
        what = f"more than tensors ({held[1]})" if held else "more than tensors"
        raise CheckpointError(
            f"ckpt_path={path} holds {what}, so loading it could run code, and no run of yours wrote it as it is.\n"
            f"If you know where it is from, set {TRUST_VARIABLE}={TRUST_CHECKPOINTS}"
        ) from error
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(f"ckpt_path={path}: cannot be read as a checkpoint ({reason})") from error
    return loaded if isinstance(loaded, dict) else {}


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="meta", weights_only=True)
    except pickle.UnpicklingError:
        if not may_load_whole(path):
            raise
        return torch.load(path, map_location="meta", weights_only=False)


def _shortened(keys: list[str]) -> str:
    more = len(keys) - SHOWN_KEYS
    return ", ".join(keys[:SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")


def _candidates(path: Path) -> str:
    there = sorted(file.name for file in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
    return f"\nIn {path.parent} there are: {', '.join(there)}" if there else ""


def _overrides(path: Path) -> str:
    """How the run that wrote the checkpoint was composed, where it is in a run's folder."""
    file = path.absolute().parent.parent / ".hydra" / "overrides.yaml"
    if not file.is_file():
        return ""
    from omegaconf import OmegaConf

    overrides = [str(override) for override in OmegaConf.load(file)]
    return f": its run was typed with {shlex.join(overrides) if overrides else 'no overrides'}"
