"""Lightning as its tutorials do it: torchvision's MNIST, a DataLoader, ToTensor per image, metrics at every step.

``python tutorial.py DATA EPOCHS`` prints the seconds of each epoch (training and validation) as a line of JSON.
"""

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

import lightning.pytorch as pl
import torch
from plain import BATCH_SIZE, make_net
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, random_split
from torchmetrics.classification import MulticlassAccuracy
from torchvision import transforms
from torchvision.datasets import MNIST


class Tutorial(pl.LightningModule):
    """The dense net with the metrics of a tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.net = make_net("dense")
        self.train_accuracy = MulticlassAccuracy(10)
        self.val_accuracy = MulticlassAccuracy(10)

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self.net(x)
        loss = cross_entropy(logits, y)
        self.train_accuracy(logits, y)
        self.log("train_loss", loss, prog_bar=True)
        self.log("train_accuracy", self.train_accuracy, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self.net(x)
        self.val_accuracy(logits, y)
        self.log("val_loss", cross_entropy(logits, y), prog_bar=True)
        self.log("val_accuracy", self.val_accuracy, prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Clock(pl.Callback):
    """When each epoch starts, and when the last ends."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def on_train_epoch_start(self, trainer, module):
        self.starts.append(time.perf_counter())

    on_train_end = on_train_epoch_start


def main(data: Path, epochs: int) -> None:
    """Train on 55,000 images and validate on 5,000."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train, val = random_split(MNIST(str(data), train=True, transform=transform), [55_000, 5_000])
    clock = Clock()
    trainer = pl.Trainer(max_epochs=epochs, callbacks=[clock], default_root_dir=data / "tutorial")
    trainer.fit(Tutorial(), DataLoader(train, BATCH_SIZE, shuffle=True), DataLoader(val, BATCH_SIZE))
    sys.stdout.write("\n" + json.dumps([later - earlier for earlier, later in pairwise(clock.starts)]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
