"""``predictions.csv`` (or ``.pt``): what ``stage=predict`` leaves."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_sweeps.files.folders import write_atomically


def write_predictions(batches: list[Any], folder: Path) -> Path:
    """Write the outputs of ``predict_step``, in the order of the data; return the file.

    Tensors (N,) or (N, K) of one width become a CSV with a row per sample: its index, the values, and where each row is
    a distribution over K classes, the most probable one. Anything else is saved as it is with ``torch.save``.
    """
    if not _are_rows(batches):
        file = folder / "predictions.pt"
        torch.save(batches, file)
        return file
    values = torch.cat([item.detach().cpu() for item in batches])
    rows = values.reshape(len(values), -1).tolist()
    several = values.ndim == 2 and values.shape[1] > 1
    classes = several and values.is_floating_point() and _are_probabilities(values)
    names = [f"p{k}" for k in range(values.shape[1])] if several else ["value"]
    lines = [",".join(["index", *(["class"] if classes else []), *names])]
    for index, row in enumerate(rows):
        best = [str(max(range(len(row)), key=row.__getitem__))] if classes else []
        lines.append(",".join([str(index), *best, *map(_written, row)]))
    file = folder / "predictions.csv"
    write_atomically(file, "\n".join(lines) + "\n")
    return file


def _are_rows(batches: list[Any]) -> bool:
    """Whether each batch is one tensor with a row a sample, all of one width and kind."""
    if not batches or not all(isinstance(item, Tensor) and item.ndim in (1, 2) for item in batches):
        return False
    first = batches[0]
    return (
        all((item.ndim, item.shape[1:], item.dtype) == (first.ndim, first.shape[1:], first.dtype) for item in batches)
        and not first.is_complex()
    )


def _are_probabilities(values: Tensor) -> bool:
    """Rows of numbers in [0, 1] that add up to one."""
    values = values.double()
    return bool(((values >= 0) & (values <= 1)).all() and (values.sum(dim=1) - 1).abs().max() < 1e-2)


def _written(value: float | bool) -> str:
    """Whole numbers whole, others to six digits."""
    return f"{value:.6g}" if isinstance(value, float) and not value.is_integer() else str(value).removesuffix(".0")
