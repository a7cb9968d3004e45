"""A fully connected network."""

from collections.abc import Sequence
from math import prod

from torch import nn

from lightning_sweeps.models.activations import activation_class


class MLP(nn.Sequential):
    """Images (N, C, H, W) -> logits (N, num_classes).

    Args:
        width: of every hidden layer; a sequence gives one width per layer, and ``depth`` is not used.
        depth: number of hidden layers.
        dropout: after each hidden layer.
        batch_norm: before each activation.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        width: int | Sequence[int] = 128,
        depth: int = 2,
        dropout: float = 0.0,
        activation: str = "relu",
        batch_norm: bool = False,
    ) -> None:
        act = activation_class(activation)
        widths = [width] * depth if isinstance(width, int) else list(width)
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = prod(image_shape)
        for outputs in widths:
            layers.append(nn.Linear(inputs, outputs))
            if batch_norm:
                layers.append(nn.BatchNorm1d(outputs))
            layers.append(act())
            if dropout:
                layers.append(nn.Dropout(dropout))
            inputs = outputs
        super().__init__(*layers, nn.Linear(inputs, num_classes))
