"""The rows of the search benchmark that are not commands of this package: six trials of two epochs each.

``python six_trials.py plain|optuna|tutorial|ray DATA``: dense nets, three widths by two learning rates, on 55,000
images of MNIST's format.
"""

import itertools
import sys
from pathlib import Path

EPOCHS, BATCH_SIZE = 2, 128
WIDTHS = ([32, 128, 64], [64, 128, 64], [128, 128, 64])
RATES = (1e-3, 1e-2)
SPLIT = (55_000, 5_000)


def dense(width: list[int]):
    """Linear, batch norm, ReLU; the net of every row."""
    from torch import nn

    sizes = [784, *width]
    blocks = [(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()) for a, b in itertools.pairwise(sizes)]
    return nn.Sequential(nn.Flatten(), *itertools.chain(*blocks), nn.Linear(sizes[-1], 10))


def in_memory(data: Path):
    """Training and validation tensors, normalized once."""
    from torchvision.datasets import MNIST

    mnist = MNIST(str(data), train=True)
    images = ((mnist.data.float() / 255 - 0.1307) / 0.3081).unsqueeze(1)
    return images[: SPLIT[0]], mnist.targets[: SPLIT[0]], images[SPLIT[0] :], mnist.targets[SPLIT[0] :]


def plain(data: Path) -> float:
    """Loops by hand, one trial after another in one process: the limit."""
    import torch
    from torch.nn.functional import cross_entropy

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels, val_images, val_labels = (tensor.to(device) for tensor in in_memory(data))
    best = 0.0
    for width, rate in itertools.product(WIDTHS, RATES):
        net = dense(width).to(device)
        optimizer = torch.optim.Adam(net.parameters(), lr=rate, fused=True)
        for _ in range(EPOCHS):
            net.train()
            for chosen in torch.randperm(len(labels), device=device).split(BATCH_SIZE):
                loss = cross_entropy(net(images[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            net.eval()
            with torch.inference_mode():
                right = sum(
                    int((net(x).argmax(1) == y).sum())
                    for x, y in zip(val_images.split(1024), val_labels.split(1024), strict=True)
                )
            best = max(best, right / len(val_labels))
    return best


def make_module(width: list[int], rate: float):
    """The same net as a LightningModule of the kind that people write."""
    import lightning.pytorch as pl
    import torch
    from torch.nn.functional import cross_entropy

    class Dense(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = dense(width)

        def training_step(self, batch, batch_idx):
            x, y = batch
            loss = cross_entropy(self.net(x), y)
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.log("val_accuracy", (self.net(x).argmax(1) == y).float().mean(), prog_bar=True)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=rate)

    return Dense()


def fit(width: list[int], rate: float, loaders, folder: Path) -> float:
    """One trial with Lightning's defaults: logger, checkpoint, progress bar."""
    import lightning.pytorch as pl

    trainer = pl.Trainer(max_epochs=EPOCHS, default_root_dir=folder)
    trainer.fit(make_module(width, rate), *loaders)
    return float(trainer.callback_metrics["val_accuracy"])


def loaders_in_memory(data: Path):
    """Tensors, sliced a batch at a time: the fastest that a DataLoader does."""
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

    images, labels, val_images, val_labels = in_memory(data)
    train, val = TensorDataset(images, labels), TensorDataset(val_images, val_labels)
    return (
        DataLoader(train, None, sampler=BatchSampler(RandomSampler(train), BATCH_SIZE, drop_last=False)),
        DataLoader(val, None, sampler=BatchSampler(SequentialSampler(val), 1024, drop_last=False)),
    )


def loaders_of_the_tutorials(data: Path):
    """Torchvision's MNIST with ToTensor for each image."""
    from torch.utils.data import DataLoader, random_split
    from torchvision import transforms
    from torchvision.datasets import MNIST

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train, val = random_split(MNIST(str(data), train=True, transform=transform), SPLIT)
    return DataLoader(train, BATCH_SIZE, shuffle=True), DataLoader(val, BATCH_SIZE)


def optimize(data: Path, loaders) -> float:
    """``study.optimize`` over Lightning runs in one process, in a journal file."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    grid = {"width": range(len(WIDTHS)), "rate": RATES}
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.GridSampler(grid),
        storage=JournalStorage(JournalFileBackend("study.journal")),
    )
    study.optimize(
        lambda trial: fit(
            WIDTHS[trial.suggest_int("width", 0, len(WIDTHS) - 1)],
            trial.suggest_float("rate", *RATES),
            loaders(data),
            Path(),
        ),
        n_trials=len(WIDTHS) * len(RATES),
    )
    return study.best_value


def ray(data: Path) -> float:
    """Ray Tune, a core a trial."""
    from ray import tune

    where = data.absolute()  # a trial is in a folder of its own

    def trainable(config):
        here = Path.cwd()
        return {"val_accuracy": fit(WIDTHS[config["width"]], config["rate"], loaders_in_memory(where), here)}

    space = {"width": tune.grid_search(list(range(len(WIDTHS)))), "rate": tune.grid_search(list(RATES))}
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="val_accuracy", mode="max"),
        run_config=tune.RunConfig(storage_path=str(Path("ray").absolute())),
    )
    return tuner.fit().get_best_result().metrics["val_accuracy"]


ROWS = {
    "plain": plain,
    "optuna": lambda data: optimize(data, loaders_in_memory),
    "tutorial": lambda data: optimize(data, loaders_of_the_tutorials),
    "ray": ray,
}

if __name__ == "__main__":
    sys.stdout.write(f"best {ROWS[sys.argv[1]](Path(sys.argv[2])):.4f}\n")
