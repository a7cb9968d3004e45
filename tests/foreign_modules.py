"""Modules as people write them: none of them knows of this package."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset


class Data(pl.LightningDataModule):
    """Four numbers, and their weighted sum."""

    targets = 1

    def _loader(self, rows: int, seed: int, shuffle: bool = False) -> DataLoader[Any]:
        inputs = torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed))
        return DataLoader(
            self._set(inputs, inputs @ torch.tensor([1.0, -2.0, 0.5, 0.0])), batch_size=16, shuffle=shuffle
        )

    def _set(self, inputs: Tensor, targets: Tensor) -> Any:
        return TensorDataset(inputs, targets)

    def train_dataloader(self) -> Any:
        return self._loader(160, 0, shuffle=True)

    def val_dataloader(self) -> Any:
        return self._loader(64, 1)

    def test_dataloader(self) -> Any:
        return self._loader(48, 2)

    def predict_dataloader(self) -> Any:
        return self._loader(40, 3)


class Plain(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.net(inputs).squeeze(1)

    def loss(self, batch: Any) -> Tensor:
        return functional.mse_loss(self(batch[0]), batch[1])

    def training_step(self, batch: Any, index: int) -> Any:
        return self.loss(batch)

    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> Any:
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch: Any, index: int) -> None:
        self.log("test_loss", self.loss(batch))

    def predict_step(self, batch: Any, index: int) -> Any:
        return self(batch[0])

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


class MadeInSetup(Plain):
    def __init__(self) -> None:
        pl.LightningModule.__init__(self)
        self.body = nn.Linear(4, 8)

    def setup(self, stage: str) -> None:
        if not hasattr(self, "head"):
            self.head = nn.Linear(8, self.trainer.datamodule.targets)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs).relu()).squeeze(1)


class Lazy(Plain):
    def __init__(self) -> None:
        pl.LightningModule.__init__(self)
        self.net = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(1))

    def setup(self, stage: str) -> None:
        self.net(torch.zeros(1, 4))


class FrozenEncoder(Plain):
    """Its checkpoints have the head only."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(4, 4).requires_grad_(False)
        self.strict_loading = False

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(self.encoder(inputs))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name in [name for name in checkpoint["state_dict"] if name.startswith("encoder")]:
            del checkpoint["state_dict"][name]


class Manual(Plain):
    """Two optimizers, and a step that returns what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> Any:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(self.loss(batch))
            optimizer.step()
        return {"loss": torch.ones(16), "rest": None}

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.net[0].parameters(), 0.01), torch.optim.Adam(self.net[2].parameters(), 0.01)]


class Dicts(Data):
    def _set(self, inputs: Tensor, targets: Tensor) -> Any:
        return [{"x": x, "y": y} for x, y in zip(inputs, targets, strict=True)]


class OfDicts(Plain):
    def loss(self, batch: Any) -> Tensor:
        return functional.mse_loss(self(batch["x"]), batch["y"])

    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> Any:
        self.log("val_loss", self.loss(batch))
        return {"logits": torch.zeros(len(batch["x"]), 2)}

    def predict_step(self, batch: Any, index: int) -> Any:
        return {"y": self(batch["x"])}


class BinaryLogits(Plain):
    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> Any:
        self.log("val_loss", self.loss(batch))
        return {"logits": self(batch[0])}


class Segmentation(Plain):
    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> Any:
        self.log("val_loss", self.loss(batch))
        return {"logits": torch.zeros(len(batch[0]), 3, 2, 2)}


class LogsOurNames(Plain):
    def on_train_epoch_end(self) -> None:
        self.log("epoch", float(self.current_epoch + 100))
        self.log("step", 7.0)


class Dropping(Plain):
    """Draws in each step, as dropout does."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(functional.dropout(inputs, 0.2, self.training))


class Sequences(Data):
    """Sequences of different length, padded by batch."""

    def _loader(self, rows: int, seed: int, shuffle: bool = False) -> DataLoader[Any]:
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.randint(1, 6, (rows,), generator=generator).tolist()
        rows_of = [torch.randn(length, generator=generator) for length in lengths]
        return DataLoader(rows_of, batch_size=16, shuffle=shuffle, collate_fn=_padded)


def _padded(rows: list[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


class OfSequences(Plain):
    def __init__(self) -> None:
        pl.LightningModule.__init__(self)
        self.net = nn.Linear(1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.net(inputs.unsqueeze(-1)).squeeze(-1)

    def loss(self, batch: Any) -> Tensor:
        return (self(batch) - 2 * batch).pow(2).mean()

    def predict_step(self, batch: Any, index: int) -> Any:
        return self(batch)


class SeveralLoaders(Data):
    def val_dataloader(self) -> Any:
        return [self._loader(64, 1), self._loader(32, 4)]


class OfSeveral(Plain):
    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> Any:
        self.log("val_loss", self.loss(batch), add_dataloader_idx=False) if not dataloader_idx else None


class OwnHParams(Plain):
    """Lightning's documented way to fill TensorBoard's page of hyperparameters."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()

    def on_train_start(self) -> None:
        for logger in self.loggers:
            logger.log_hyperparams(dict(self.hparams), {"hp/mine": 0.0})

    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> Any:
        loss = self.loss(batch)
        self.log_dict({"val_loss": loss, "hp/mine": loss})


class OwnCheckpointHooks(Plain):
    """Keeps what it has seen beside its weights, and trains by it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = torch.zeros(())

    def training_step(self, batch: Any, index: int) -> Any:
        self.seen = self.seen + len(batch[0])
        return self.loss(batch) / self.seen

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seen"] = self.seen

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.seen = checkpoint["seen"]


class Averaged(Plain):
    """Brings a callback of its own that averages its weights."""

    def configure_callbacks(self) -> Any:
        return [pl.callbacks.EMAWeightAveraging(decay=0.8)]


class NoValidation(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)

    def training_step(self, batch: Any, index: int) -> Any:
        loss = functional.mse_loss(self.net(batch[0]).squeeze(1), batch[1])
        self.log("loss_of_epoch", loss, on_step=False, on_epoch=True)
        return loss

    def test_step(self, batch: Any, index: int) -> None:
        self.log("test_loss", functional.mse_loss(self.net(batch[0]).squeeze(1), batch[1]))

    def predict_step(self, batch: Any, index: int) -> Any:
        return self.net(batch[0])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class OnlyTraining(Data):
    """Has no loader for a validation."""

    val_dataloader = pl.LightningDataModule.val_dataloader


def data_of(module: str) -> Data:
    """The datamodule that a module of this file is trained on."""
    others = {"OfDicts": Dicts, "OfSequences": Sequences, "OfSeveral": SeveralLoaders, "NoValidation": OnlyTraining}
    return others.get(module, Data)()


class StopsOnce(pl.Callback):
    """Sleeps before the second epoch, for a test that kills it there; not again afterwards."""

    def __init__(self, name: str) -> None:
        self.file = Path(f"stopped-{name}")

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1 and not self.file.exists():
            self.file.touch()
            time.sleep(600)
