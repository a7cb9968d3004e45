"""``predictions.csv`` (or ``.pt``): what ``stage=predict`` leaves."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_sweeps.folders import write_atomically


def write_predictions(batches: list[Any], folder: Path) -> Path:
    """Write the outputs of ``predict_step``, in the order of the data; return the file.

    Tensors (N,) or (N, K) become a CSV with a row per sample: its index, the most probable class where K > 1, and the
    values. Anything else is saved as it is with ``torch.save``.
    """
    flat = [item for batch in batches for item in (batch if isinstance(batch, list) else [batch])]
    if not flat or not all(isinstance(item, Tensor) and item.ndim in (1, 2) for item in flat):
        file = folder / "predictions.pt"
        torch.save(batches, file)
        return file
    values = torch.cat([item.float().cpu() for item in flat])
    rows = values.reshape(len(values), -1).tolist()
    several = len(rows[0]) > 1
    header = ["index", *(["class"] if several else []), *(f"p{k}" if several else "value" for k in range(len(rows[0])))]
    lines = [",".join(header)]
    for index, row in enumerate(rows):
        best = [str(max(range(len(row)), key=row.__getitem__))] if several else []
        lines.append(",".join([str(index), *best, *(f"{value:.6g}" for value in row)]))
    file = folder / "predictions.csv"
    write_atomically(file, "\n".join(lines) + "\n")
    return file
