"""Lightning callbacks: four that configs name, those that belong to every run, and one for a user's own Trainer.

``conf/callbacks`` offers ``EpochCheckpoint``, ``Progress``, ``SampleImages`` and ``ConfusionMatrix``; ``TrialCallback``
is for a user's own Trainer, and the others belong to every run.
"""

from lightning_sweeps.callbacks.checkpoint import EpochCheckpoint
from lightning_sweeps.callbacks.confusion_matrix import ConfusionMatrix
from lightning_sweeps.callbacks.finite_loss import FiniteLoss
from lightning_sweeps.callbacks.history import History
from lightning_sweeps.callbacks.interruption import SaveOnInterrupt
from lightning_sweeps.callbacks.progress import Progress
from lightning_sweeps.callbacks.random_state import RandomState
from lightning_sweeps.callbacks.sample_images import SampleImages
from lightning_sweeps.callbacks.trial_callback import TrialCallback

__all__ = [
    "ConfusionMatrix",
    "EpochCheckpoint",
    "FiniteLoss",
    "History",
    "Progress",
    "RandomState",
    "SampleImages",
    "SaveOnInterrupt",
    "TrialCallback",
]
