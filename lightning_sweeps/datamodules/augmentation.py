"""Augmentation of whole batches, each image with its own random parameters, as torchvision transforms (v2).

torchvision's own random transforms draw one set of parameters per call, so a batch would be shifted as one.
"""

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2


class RandomShift(v2.Transform):  # type: ignore[misc]
    """Shift each image by up to ``pixels`` in each direction, filling with zeros.

    A random crop of the zero-padded image is the same thing, so ``crop`` and ``shift`` differ in name and use only.

    Shapes: (N, C, H, W) -> (N, C, H, W), any dtype.
    """

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        images = flat_inputs[0]
        return {"offsets": torch.randint(0, 2 * self.pixels + 1, (2, len(images)), device=images.device)}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        count, _, height, width = inpt.shape
        padded = torch.nn.functional.pad(inpt, (self.pixels,) * 4)
        down, right = params["offsets"]
        rows = (down[:, None] + torch.arange(height, device=inpt.device))[:, None, :, None]
        columns = (right[:, None] + torch.arange(width, device=inpt.device))[:, None, None, :]
        samples = torch.arange(count, device=inpt.device)[:, None, None, None]
        channels = torch.arange(inpt.shape[1], device=inpt.device)[None, :, None, None]
        return padded[samples, channels, rows, columns]


class RandomFlip(v2.Transform):  # type: ignore[misc]
    """Mirror each image left-right with probability 1/2. Shapes: (N, C, H, W) -> (N, C, H, W)."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        images = flat_inputs[0]
        return {"mirrored": torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        return torch.where(params["mirrored"], inpt.flip(-1), inpt)


def augmentation(shift: int = 0, flip: bool = False, crop: int = 0) -> v2.Transform | None:
    """The transforms that the settings ask for, as one; None if they ask for none.

    Args:
        shift: pixels, each way.
        flip: mirror left-right.
        crop: pixels of zero padding from which an image of the old size is cut.
    """
    transforms: list[v2.Transform] = []
    if crop:
        transforms.append(RandomShift(crop))
    if shift:
        transforms.append(RandomShift(shift))
    if flip:
        transforms.append(RandomFlip())
    return v2.Compose(transforms) if transforms else None
