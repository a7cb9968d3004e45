"""scikit-learn's handwritten digits, which ship inside its wheel: real data without a download."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from lightning_sweeps.datamodules.folds import Split, Stage
from lightning_sweeps.datamodules.images import ImageDataModule
from lightning_sweeps.errors import DataError


class Digits(ImageDataModule):
    """1,797 images of 8x8 pixels with 17 grey levels; 70 % train, 15 % validation, 15 % test, fixed and stratified."""

    class_names = tuple("0123456789")
    image_shape = (1, 8, 8)
    mean = (0.3053,)
    std = (0.3760,)

    def load(self) -> dict[Stage, Split]:
        table = torch.from_numpy(_read_table())
        # 17 levels spread over the bytes: 16 -> 255.
        images = (table[:, :64] * 255 // 16).to(torch.uint8).view(-1, 1, 8, 8)
        labels = table[:, 64]
        return {
            stage: Split(images[chosen], labels[chosen])
            for stage, chosen in _stratified(labels, {"train": 0.7, "val": 0.15, "test": 0.15}).items()
        }


def _read_table() -> np.ndarray:
    """(1797, 65) int64: 64 pixels of 0..16 and the label.

    What ``sklearn.datasets.load_digits`` reads, without importing all of scikit-learn (half a second at every start).
    """
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError("datamodule=digits needs scikit-learn, which is not installed: pip install scikit-learn")
    with gzip.open(Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        return np.array([line.split(",") for line in file], dtype=np.float64).astype(np.int64)


def _stratified(labels: torch.Tensor, shares: dict[Stage, float]) -> dict[Stage, torch.Tensor]:
    """Indices per split, with the shares held within each class. The same at every call."""
    generator = torch.Generator().manual_seed(0)
    chosen: dict[Stage, list[torch.Tensor]] = {stage: [] for stage in shares}
    for label in range(10):
        members = (labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        start, share_so_far = 0, 0.0
        for stage, share in shares.items():
            share_so_far += share
            end = round(share_so_far * len(members))
            chosen[stage].append(members[start:end])
            start = end
    return {stage: torch.cat(parts).sort().values for stage, parts in chosen.items()}
