"""Imports that leave a process as it can be forked."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lightning_sweeps.environment import environment

LIGHTNING = {"lightning", "lightning_fabric", "pytorch_lightning"}
# Threads that wait for each other spin. If another supervisor's do so too, a trial becomes many times slower.
SPIN = os.environ.get("GOMP_SPINCOUNT", "10000")


@contextmanager
def forkable_imports() -> Iterator[None]:
    """While inside, torch looks for GPUs through NVML. Through CUDA, the process could not be forked afterwards."""
    with environment(PYTORCH_NVML_BASED_CUDA_CHECK="1", GOMP_SPINCOUNT=SPIN):
        yield
    if has_lightning():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # as Lightning itself does


def has_lightning() -> bool:
    """Whether Lightning has been imported, by either of its names."""
    return bool(LIGHTNING & sys.modules.keys())
