"""The competitors of ``python -m lightning_sweeps``, each a process of its own: ``python loops.py NAME DATA EPOCHS NET``.

Prints one line of JSON: seconds of each epoch (training and validation) and the process's peak memory.
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

BATCH_SIZE = 128


def make_net(name: str) -> torch.nn.Module:
    from lightning_sweeps.models import CNN, MLP

    shape = {"image_shape": (1, 28, 28), "num_classes": 10}
    return MLP(**shape, width=[64, 128, 64]) if name == "dense" else CNN(**shape, width=16, depth=2)


def plain(data: Path, epochs: int, net_name: str) -> list[float]:
    """A loop by hand over the same tensors, with the same net and optimizer and nothing else."""
    from lightning_sweeps.datamodules import MNIST

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    datamodule = MNIST(str(data), batch_size=BATCH_SIZE)
    datamodule.setup("fit")
    net = make_net(net_name).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    tensors = {stage: (split.images.to(device), split.labels.to(device)) for stage, split in datamodule.splits.items()}
    scale, bias = datamodule._scale.to(device), datamodule._bias.to(device)
    images, labels = tensors["train"]
    seconds = []
    for _ in range(epochs):
        started = time.perf_counter()
        net.train()
        for chosen in torch.randperm(len(labels), device=device).split(BATCH_SIZE):
            loss = cross_entropy(net(torch.addcmul(bias, images[chosen], scale)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            correct = sum(
                int((net(torch.addcmul(bias, x, scale)).argmax(1) == y).sum())
                for x, y in zip(*(tensor.split(1024) for tensor in tensors["val"]), strict=True)
            )
        assert correct
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds


def tutorial(data: Path, epochs: int, net_name: str) -> list[float]:
    """Lightning as its tutorials do it: torchvision's MNIST, a DataLoader, ToTensor per image, metrics per step."""
    import lightning.pytorch as pl
    from torch.utils.data import DataLoader, random_split
    from torchmetrics.classification import MulticlassAccuracy
    from torchvision import transforms
    from torchvision.datasets import MNIST

    class Tutorial(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = make_net(net_name)
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
        def __init__(self) -> None:
            self.starts: list[float] = []

        def on_train_epoch_start(self, trainer, module):
            self.starts.append(time.perf_counter())

        on_train_end = on_train_epoch_start

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train, val = random_split(MNIST(str(data), train=True, transform=transform), [55_000, 5_000])
    clock = Clock()
    trainer = pl.Trainer(max_epochs=epochs, callbacks=[clock], default_root_dir=data / "tutorial")
    trainer.fit(Tutorial(), DataLoader(train, BATCH_SIZE, shuffle=True), DataLoader(val, BATCH_SIZE))
    return [later - earlier for earlier, later in zip(clock.starts, clock.starts[1:], strict=False)]


if __name__ == "__main__":
    loop = {"plain": plain, "tutorial": tutorial}[sys.argv[1]]
    seconds = loop(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps({"seconds": seconds, "peak_mib": peak}))
