"""Imported by a search's forkserver before the first trial: what a Lightning run imports and asks, done once.

The modules are those that a run imports late: compare ``sys.modules`` before and after one.
"""

from typing import Any

import fsspec.implementations.chained  # noqa: F401
import hydra._internal.logging_config  # noqa: F401
import PIL.Image
import PIL.ImageSequence
import tensorboard.plugins.hparams.api_pb2
import tensorboard.plugins.hparams.metadata  # noqa: F401
import torch
import torch.utils.serialization.config
import torch.utils.tensorboard
import torchmetrics

import lightning_sweeps.datamodules
import lightning_sweeps.models
import lightning_sweeps.train  # noqa: F401
from lightning_sweeps.groups import CONF
from lightning_sweeps.values import read_examples

PIL.Image.preinit()  # the formats' own modules
read_examples([CONF])


def _subclasses(of: Any) -> set[type]:
    found: set[type] = set()
    for one in of.__subclasses__():
        found |= {one, *_subclasses(one)}
    return found


# Lightning asks each module whether it is a metric. Metric is an abstract class with hundreds of subclasses, and Python
# asks all of them the first time: a quarter second, which the children inherit as answered.
for _class in _subclasses(torch.nn.Module):
    issubclass(_class, torchmetrics.Metric)
