"""Imported by the server of a Lightning program's trials: what a fit imports late and asks, done once.

The modules are those that a fit imports late: compare ``sys.modules`` before and after one.
"""

from contextlib import suppress
from typing import Any

import torch
import torch.utils.serialization.config
import torchmetrics

with suppress(ImportError):
    import fsspec.implementations.chained  # noqa: F401
with suppress(ImportError):
    import tensorboard.plugins.hparams.api_pb2
    import tensorboard.plugins.hparams.metadata  # noqa: F401
    import torch.utils.tensorboard

# Of these only torch.nn's classes are in a user's model as a rule.
LIBRARIES = {"torch", "torchvision", "torchmetrics", "lightning", "lightning_fabric", "pytorch_lightning"}


def _subclasses(of: Any) -> set[type]:
    found: set[type] = set()
    for one in of.__subclasses__():
        found |= {one, *_subclasses(one)}
    return found


# Lightning asks each module whether it is a metric. Metric is an abstract class with hundreds of subclasses, and Python
# asks all of them the first time, which trials inherit as answered.
for _class in _subclasses(torch.nn.Module):
    _library, _, _rest = _class.__module__.partition(".")
    if _library not in LIBRARIES or _class.__module__.startswith("torch.nn."):
        issubclass(_class, torchmetrics.Metric)
