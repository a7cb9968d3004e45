"""A small convolutional network."""

from collections.abc import Sequence

from torch import nn

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.models.activations import activation_class


class CNN(nn.Sequential):
    """Images (N, C, H, W) -> logits (N, num_classes).

    Each level is two 3x3 convolutions with batch normalisation; the image is halved and the channels doubled from one
    level to the next. Averaged over the image at the end.

    Args:
        width: channels of the first level.
        depth: number of levels; the image must be at least ``2 ** (depth - 1)`` pixels wide.
        dropout: before the last layer.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        width: int = 32,
        depth: int = 2,
        dropout: float = 0.0,
        activation: str = "relu",
    ) -> None:
        act = activation_class(activation)
        inputs, height, breadth = image_shape
        if depth < 1 or min(height, breadth) < 2 ** (depth - 1):
            raise ConfigError(
                f"model.net.depth={depth} does not suit images of {height}x{breadth}: "
                f"use 1 to {min(height, breadth).bit_length()}"
            )
        layers: list[nn.Module] = []
        for level in range(depth):
            outputs = width * 2**level
            if level:
                layers.append(nn.MaxPool2d(2))
            for channels in (inputs, outputs):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), act()]
            inputs = outputs
        super().__init__(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(inputs, num_classes)
        )
