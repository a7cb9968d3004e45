"""Networks as plain ``nn.Module``s, and the one LightningModule that trains them.

``conf/model/cnn.yaml`` configures ``cnn.py``.
"""

from lightning_sweeps.models.classifier import Classifier
from lightning_sweeps.models.cnn import CNN
from lightning_sweeps.models.mlp import MLP
from lightning_sweeps.models.resnet import resnet18

__all__ = ["CNN", "MLP", "Classifier", "resnet18"]
