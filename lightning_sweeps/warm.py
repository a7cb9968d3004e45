"""Imported by a search's forkserver before the first trial: what a Lightning run imports and asks, done once."""

from typing import Any

import torch
import torch.utils.tensorboard
import torchmetrics

import lightning_sweeps.train  # noqa: F401


def _subclasses(of: Any) -> set[type]:
    found: set[type] = set()
    for one in of.__subclasses__():
        found |= {one, *_subclasses(one)}
    return found


# Lightning asks each module whether it is a metric. Metric is an abstract class with hundreds of subclasses, and Python
# asks all of them the first time: a quarter second, which the children inherit as answered.
for _class in _subclasses(torch.nn.Module):
    issubclass(_class, torchmetrics.Metric)
