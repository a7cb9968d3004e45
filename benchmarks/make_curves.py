"""Makes ``curves.npz``, which ``pruners.py`` reads: ``python benchmarks/make_curves.py [--configurations 1000]``.

Small networks are trained on scikit-learn's digits, breast_cancer, wine and diabetes: every configuration for 27
epochs with three seeds, each with its own split, order and weights. The loss on the validation part (cross-entropy, or
squared error as a part of the variance) is kept after every epoch, as half-precision numbers. 17 minutes of a core.
"""

import argparse
import math
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch.nn import functional

FILE = Path(__file__).parent / "curves.npz"
TABLES = ("digits", "breast_cancer", "wine", "diabetes")
EPOCHS, SEEDS = 27, 3
WORST = 1e4  # in the place of what has diverged
OPTIMIZERS = ("adam", "sgd")


def configurations(count: int) -> list[dict[str, Any]]:
    """Drawn at random, always the same ones."""
    draw = random.Random(0)

    def log(low: float, high: float) -> float:
        return math.exp(draw.uniform(math.log(low), math.log(high)))

    return [
        {
            "lr": log(1e-4, 1.0),
            "width": round(log(4, 128)),
            "depth": draw.randint(1, 3),
            "batch_size": round(log(16, 256)),
            "weight_decay": log(1e-6, 1e-1),
            "dropout": draw.uniform(0.0, 0.5),
            "optimizer": draw.choice(OPTIMIZERS),
        }
        for _ in range(count)
    ]


def load(name: str) -> tuple[list[torch.Tensor], list[torch.Tensor], int]:
    """Inputs and targets by seed, the first three quarters to train with; and how many classes there are, or 0."""
    found = getattr(datasets, f"load_{name}")()
    x, y = torch.tensor(found.data, dtype=torch.float32), torch.tensor(found.target)
    x = (x - x.mean(0)) / x.std(0).clamp(min=1e-6)
    classes = int(y.max()) + 1 if name != "diabetes" else 0
    y = y.long() if classes else ((y - y.mean()) / y.std()).float()
    orders = [torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)) for seed in range(SEEDS)]
    return [x[order] for order in orders], [y[order] for order in orders], classes


def curves(data: tuple[list[torch.Tensor], list[torch.Tensor], int], config: dict[str, Any]) -> np.ndarray:
    """The validation loss by seed and epoch. The networks of all seeds are trained at once, side by side."""
    x, y, classes = torch.stack(data[0]), torch.stack(data[1]), data[2]
    torch.manual_seed(1)
    border = x.shape[1] * 3 // 4
    sizes = [x.shape[2], *[config["width"]] * config["depth"], classes or 1]
    layers = []
    for inputs, outputs in pairwise(sizes):
        bound = 1 / math.sqrt(inputs)
        layers.append(torch.empty(SEEDS, inputs, outputs).uniform_(-bound, bound).requires_grad_())
        layers.append(torch.empty(SEEDS, 1, outputs).uniform_(-bound, bound).requires_grad_())
    kinds = {"adam": torch.optim.AdamW, "sgd": torch.optim.SGD}
    more = {"momentum": 0.9} if config["optimizer"] == "sgd" else {}
    optimizer = kinds[config["optimizer"]](
        layers, lr=config["lr"], weight_decay=config["weight_decay"], foreach=True, **more
    )

    def losses(inputs: torch.Tensor, targets: torch.Tensor, *, training: bool) -> torch.Tensor:
        for place in range(0, len(layers), 2):
            inputs = torch.baddbmm(layers[place + 1], inputs, layers[place])
            if place < len(layers) - 2:
                inputs = functional.dropout(inputs.relu(), config["dropout"], training)
        if not classes:
            return (inputs.squeeze(2) - targets).square().mean(1)
        return functional.cross_entropy(inputs.transpose(1, 2), targets, reduction="none").mean(1)

    found = np.full((SEEDS, EPOCHS), WORST)
    for epoch in range(EPOCHS):
        orders = torch.stack([torch.randperm(border) for _ in range(SEEDS)])
        for chosen in orders.split(config["batch_size"], dim=1):
            rows = torch.arange(SEEDS)[:, None]
            optimizer.zero_grad()
            losses(x[rows, chosen], y[rows, chosen], training=True).sum().backward()
            optimizer.step()
        with torch.no_grad():
            now = losses(x[:, border:], y[:, border:], training=False)
        found[:, epoch] = torch.nan_to_num(now, nan=WORST).clamp(max=WORST)
    return found


def main() -> None:
    """Train all of them, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configurations", type=int, default=1000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    drawn = configurations(given.configurations)
    found = {}
    for name in TABLES:
        data = load(name)
        found[name] = np.array([curves(data, config) for config in drawn]).astype(np.float16)
        print(name, found[name].shape)
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
