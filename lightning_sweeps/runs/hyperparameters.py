"""A composed config as flat hyperparameters."""

from collections.abc import Mapping
from typing import Any

from lightning_sweeps.trackers.contract import Plain
from lightning_sweeps.trackers.flat import flatten, plain

# What the user varies. The rest of the trainer's settings, the callbacks and the loggers do not make a better model.
GROUPS = ("model", "optimizer", "scheduler", "datamodule")
TRAINER_SETTINGS = (
    "precision",
    "max_epochs",
    "max_steps",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "devices",
)


def flat_hyperparameters(config: Mapping[str, Any], choices: Mapping[str, Any]) -> dict[str, Plain]:
    """``model``, ``model/net/width``, ...: plain values only; lists and None as text.

    Args:
        config: the composed config as plain containers, resolved.
        choices: config group -> option.
    """
    flat: dict[str, Plain] = {}
    for group in GROUPS:
        if choices.get(group) is not None:
            flat[group] = str(choices[group])
        flatten(config.get(group) or {}, group, flat)
    trainer = config.get("trainer") or {}
    flatten({name: trainer[name] for name in TRAINER_SETTINGS if name in trainer}, "trainer", flat)
    if "seed" in config:
        flat["seed"] = plain(config["seed"])
    return flat


def plain_values(values: Mapping[str, Any]) -> dict[str, Plain]:
    """The same of values that are flat."""
    return {name: plain(value) for name, value in values.items()}
