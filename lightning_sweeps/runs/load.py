"""A run's folder -> its trained module."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from omegaconf import OmegaConf

from lightning_sweeps.errors import CheckpointError, ConfigError
from lightning_sweeps.runs.assembly import build_module
from lightning_sweeps.runs.checkpoints import may_load_whole, require_fitting
from lightning_sweeps.safety.trust import build, trusting


def load_module(folder: Path, checkpoint: Path, trust: Iterable[str]) -> LightningModule:
    """The module that the run's composed config describes, with the weights of the checkpoint, in evaluation mode.

    Args:
        folder: of a run or trial of this package's own ``main``.
        trust: packages whose code the config may name.

    Raises:
        ConfigError: its config is not there, or names code that is not trusted.
        CheckpointError: the checkpoint is not there, or of another model.
    """
    file = folder / ".hydra" / "config.yaml"
    if not file.is_file():
        raise ConfigError(f"{folder}: no composed config there (.hydra/config.yaml), so nobody knows its model")
    composed: Any = OmegaConf.load(file)
    if not composed.get("model"):
        raise ConfigError(f"{file}: it has no model; your own program loads its checkpoint itself: {checkpoint}")
    with trusting(trust):
        datamodule = build(composed.datamodule, "datamodule") if composed.get("datamodule") else None
        module = build_module(OmegaConf.to_container(composed.model, resolve=True), datamodule)
    require_fitting(checkpoint, module)
    content = torch.load(checkpoint, map_location="cpu", weights_only=not may_load_whole(checkpoint))
    module.on_load_checkpoint(content)
    try:
        module.load_state_dict(content["state_dict"], strict=module.strict_loading)
    except RuntimeError as error:
        raise CheckpointError(f"{checkpoint} does not fit the model of {file}: {error}") from error
    return module.eval()
