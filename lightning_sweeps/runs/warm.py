"""Imported by a search's server before the first trial: what a run of this package imports and asks, done once."""

import hydra._internal.logging_config  # noqa: F401
import PIL.Image
import PIL.ImageSequence
from hydra.core.hydra_config import HydraConfig

import lightning_sweeps.datamodules
import lightning_sweeps.models
import lightning_sweeps.runs.train
import lightning_sweeps.runs.warm_fit  # noqa: F401
from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.runs.values import read_examples

PIL.Image.preinit()  # the formats' own modules
if HydraConfig.initialized():
    read_examples(HydraConfig.get().runtime.choices, [CONF])
