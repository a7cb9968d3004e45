"""Makes ``mnist_curves.npz``, which ``pruners.py`` reads: ``python benchmarks/make_mnist_curves.py FOLDER``.

What ``search=mnist_mlp`` may draw, trained on the real MNIST: every width and batch size with 48 learning rates, for
nine epochs, with three seeds of weights and order. The accuracy on the same 5,000 validation images is kept after every
epoch. All rates and seeds of a width and batch size are trained at once, side by side; a GPU takes minutes.

``FOLDER`` is the ``data_dir`` of ``datamodule=mnist``.
"""

import argparse
import itertools
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

FILE = Path(__file__).parent / "mnist_curves.npz"
WIDTHS, BATCH_SIZES = (32, 64, 128, 256), (64, 128, 256)
LOWEST, HIGHEST = 1e-4, 3e-2
RATES = tuple(float(rate) for rate in np.geomspace(LOWEST, HIGHEST, 48))
EPOCHS, SEEDS = 9, 3
VALIDATION = 5_000
BETAS, EPSILON = (0.9, 0.999), 1e-8  # Adam's


class Nets:
    """Dense networks with two hidden layers of ReLU, one for each seed and rate, and Adam for all of them.

    Parameters have the shape (seeds, rates, inputs, outputs); biases have one input.
    """

    def __init__(self, width: int, device: torch.device) -> None:
        self.parameters: list[Tensor] = []
        for inputs, outputs in itertools.pairwise((784, width, width, 10)):
            bound = 1 / math.sqrt(inputs)
            for rows in (inputs, 1):
                drawn = torch.empty(SEEDS, len(RATES), rows, outputs, device=device).uniform_(-bound, bound)
                self.parameters.append(drawn.requires_grad_())
        self._means = [torch.zeros_like(one) for one in self.parameters]
        self._squares = [torch.zeros_like(one) for one in self.parameters]
        self._rates = torch.tensor(RATES, device=device).view(1, -1, 1, 1)
        self._steps = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Images (seeds, N, 784) -> logits (seeds, rates, N, 10)."""
        first, *rest = self.parameters
        seeds, rates, inputs, width = first.shape
        # One product of each seed's images with the weights of all its networks.
        side_by_side = first.transpose(1, 2).reshape(seeds, inputs, rates * width)
        hidden = torch.bmm(images, side_by_side).view(seeds, -1, rates, width).transpose(1, 2) + rest[0]
        for weight, bias in zip(rest[1::2], rest[2::2], strict=True):
            hidden = hidden.relu() @ weight + bias
        return hidden

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One step on a batch of each seed: (seeds, N, 784) and (seeds, N)."""
        logits = self(images)
        targets = labels[:, None].expand(-1, len(RATES), -1)
        losses = cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="sum") / labels.shape[1]
        gradients = torch.autograd.grad(losses, self.parameters)
        self._steps += 1
        first, second = BETAS
        sizes = self._rates / (1 - first**self._steps)
        scale = 1 / math.sqrt(1 - second**self._steps)
        with torch.no_grad():
            torch._foreach_lerp_(self._means, gradients, 1 - first)
            torch._foreach_mul_(self._squares, second)
            torch._foreach_addcmul_(self._squares, gradients, gradients, 1 - second)
            roots = torch._foreach_sqrt(self._squares)
            torch._foreach_mul_(roots, scale)
            torch._foreach_add_(roots, EPSILON)
            moves = torch._foreach_div(self._means, roots)
            torch._foreach_mul_(moves, [sizes] * len(moves))
            torch._foreach_sub_(self.parameters, moves)

    @torch.no_grad()
    def accuracy(self, images: Tensor, labels: Tensor) -> Tensor:
        """Of the same images for all: (rates, seeds)."""
        right = sum(
            (self(x.expand(SEEDS, -1, -1)).argmax(3) == y).sum(2)
            for x, y in zip(images.split(500), labels.split(500), strict=True)
        )
        return (right / len(labels)).T


def curves(data: tuple[Tensor, Tensor], width: int, batch_size: int) -> np.ndarray:
    """Validation accuracies: (rates, seeds, epochs)."""
    images, labels = data
    torch.manual_seed(1)
    nets = Nets(width, images.device)
    found = np.zeros((len(RATES), SEEDS, EPOCHS), np.float32)
    training = len(images) - VALIDATION
    for epoch in range(EPOCHS):
        orders = torch.stack([torch.randperm(training, device=images.device) for _ in range(SEEDS)])
        for chosen in orders.split(batch_size, dim=1):
            nets.step(images[chosen], labels[chosen])
        found[:, :, epoch] = nets.accuracy(images[training:], labels[training:]).cpu()
    return found


def load(folder: Path, device: torch.device) -> tuple[Tensor, Tensor]:
    """All training images of MNIST as (N, 784), normalized, and their labels; in one random order."""
    from torchvision.datasets import MNIST

    mnist = MNIST(str(folder), train=True)
    order = torch.randperm(len(mnist.data), generator=torch.Generator().manual_seed(0))
    images = ((mnist.data.float() / 255 - 0.1307) / 0.3081).flatten(1)
    return images[order].to(device), mnist.targets[order].to(device)


def main() -> None:
    """Train all of them, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--file", type=Path, default=FILE)
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = load(given.folder, device)
    begun = time.perf_counter()
    found = []
    for width, batch_size in itertools.product(WIDTHS, BATCH_SIZES):
        found.append(curves(data, width, batch_size))
        print(f"{width} {batch_size}: {found[-1].max():.4f}, {time.perf_counter() - begun:.0f} s", flush=True)
    right = np.round(np.stack(found) * VALIDATION).astype(np.uint16)  # (kinds, rates, seeds, epochs)
    np.savez_compressed(given.file, right=right.reshape(-1, SEEDS, EPOCHS))


if __name__ == "__main__":
    main()
