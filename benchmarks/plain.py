"""The loop by hand: the limit that one run is measured against.

``python plain.py DATA EPOCHS NET`` runs it alone and prints its peak memory in MiB.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch.nn.functional import cross_entropy

from lightning_sweeps.models import CNN, MLP

BATCH_SIZE = 128


def make_net(name: str) -> torch.nn.Module:
    """The two nets of the benchmark, for 28x28 images and 10 classes."""
    shape: dict[str, Any] = {"image_shape": (1, 28, 28), "num_classes": 10}
    return MLP(**shape, width=[64, 128, 64]) if name == "dense" else CNN(**shape, width=8, depth=2)


class PlainLoop:
    """Train and validate by hand over a datamodule's tensors, with the run's net and optimizer and nothing else."""

    def __init__(self, datamodule: Any, net_name: str, device: torch.device) -> None:
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # set by importing lightning, slows every Adam step
        self.device = device
        self.net = make_net(net_name).to(device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3, fused=True)
        self.train, self.val = (
            (split.images.to(device), split.labels.to(device))
            for split in (datamodule.splits["train"], datamodule.splits["val"])
        )
        self.scale, self.bias = datamodule._scale.to(device), datamodule._bias.to(device)

    def epoch(self, bf16: bool = False) -> float:
        """One epoch and its validation; seconds."""
        started = time.perf_counter()
        images, labels = self.train
        self.net.train()
        for chosen in torch.randperm(len(labels), device=self.device).split(BATCH_SIZE):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                loss = cross_entropy(self.net(torch.addcmul(self.bias, images[chosen], self.scale)), labels[chosen])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.net.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            for x, y in zip(*(tensor.split(1024) for tensor in self.val), strict=True):
                int((self.net(torch.addcmul(self.bias, x, self.scale)).argmax(1) == y).sum())
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started


class PlainEpochs(Callback):
    """Before each epoch of a run, one epoch of the loop by hand in the same process; notes the seconds of both.

    The two take turns, so a slow minute of the machine hits both.
    """

    def __init__(self, net: str, file: str) -> None:
        self.net, self.file = net, file
        self.plain: list[float] = []
        self.ours: list[float] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.loop = PlainLoop(trainer.datamodule, self.net, pl_module.device)
        self.bf16 = "bf16" in str(trainer.precision)
        self.started = 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._note(trainer)
        self.plain.append(self.loop.epoch(self.bf16))
        self.started = time.perf_counter()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._note(trainer)
        Path(self.file).write_text(json.dumps({"plain": self.plain, "ours": self.ours}))

    def _note(self, trainer: Any) -> None:
        if self.started:
            if self.loop.device.type == "cuda":
                torch.cuda.synchronize()
            self.ours.append(time.perf_counter() - self.started)


def peak_memory() -> float:
    """This process's own peak, in MiB; ``ru_maxrss`` begins with the parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


class PeakMemory(Callback):
    """Notes the peak memory of a run."""

    def __init__(self, file: str) -> None:
        self.file = file

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        Path(self.file).write_text(str(peak_memory()))


def main(data: str, epochs: int, net: str) -> None:
    """Run the loop alone."""
    from lightning_sweeps.datamodules import MNIST

    datamodule = MNIST(data, batch_size=BATCH_SIZE)
    datamodule.setup("fit")
    loop = PlainLoop(datamodule, net, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    for _ in range(epochs):
        loop.epoch()
    sys.stdout.write(f"{peak_memory()}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
