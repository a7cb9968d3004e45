"""The LightningModule for classification: one network, cross-entropy, accuracy and macro F1."""

from inspect import signature
from typing import Any, cast

from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.models.epoch_metrics import EpochMetrics
from lightning_sweeps.safety.trust import build

SHOWN = {("train", "loss"), ("val", "loss"), ("val", "accuracy")}


class Classifier(LightningModule):
    """Train any network that maps images (N, C, H, W) to logits (N, num_classes).

    Logs ``train/``, ``val/`` and ``test/`` ``loss``, ``accuracy`` and ``f1`` (macro) once an epoch. Predicts
    probabilities (N, num_classes). The optimizer is not its own: ``optimization.attach`` adds one, or a subclass
    overrides ``configure_optimizers``.

    A checkpoint keeps ``net`` as plain values, so ``Classifier.load_from_checkpoint(path)`` rebuilds the network.

    Args:
        net: a mapping with a trusted ``_target_`` and its arguments, ``num_classes`` among them.
        label_smoothing: of the training loss, in [0, 1).
    """

    def __init__(self, net: dict[str, Any], label_smoothing: float = 0.0) -> None:
        super().__init__()
        # logger=False: what TensorBoard shows as hyperparameters is the whole run's, written by train.py.
        self.save_hyperparameters(logger=False)
        if isinstance(net, nn.Module):
            raise ConfigError(
                "model.net: it was built before the Classifier, which builds it itself.\n"
                "Add to the model's config: _recursive_: false, and _convert_: all"
            )
        self.net: nn.Module = build(net, "model.net")
        self.label_smoothing = label_smoothing
        self._metrics = nn.ModuleDict(
            {f"{stage}_metrics": EpochMetrics(net["num_classes"]) for stage in ("train", "val", "test")}
        )

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the current hook here some 40 times a step; nn.Module's checks cost more than the note.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> STEP_OUTPUT:
        images, labels = batch
        logits = self.net(images)
        loss = cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        self._add("train", loss, logits, labels)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> STEP_OUTPUT:
        return self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> STEP_OUTPUT:
        return self._evaluate("test", batch)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.forward(batch[0]).softmax(dim=-1)

    def on_train_epoch_end(self) -> None:
        self._log("train")

    def on_validation_epoch_end(self) -> None:
        self._log("val")

    def on_test_epoch_end(self) -> None:
        self._log("test")

    def _evaluate(self, stage: str, batch: tuple[Tensor, Tensor]) -> STEP_OUTPUT:
        images, labels = batch
        logits = self.net(images)
        loss = cross_entropy(logits, labels)
        self._add(stage, loss, logits, labels)
        return {"loss": loss, "logits": logits}

    def _add(self, stage: str, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        cast(EpochMetrics, self._metrics[f"{stage}_metrics"]).add(loss.detach(), logits.detach(), labels)

    def _log(self, stage: str) -> None:
        metrics = cast(EpochMetrics, self._metrics[f"{stage}_metrics"])
        # prog_bar: what an epoch's line on the screen shows; f1 moves with accuracy.
        for name, value in metrics.finish().items():
            self.log(f"{stage}/{name}", value, prog_bar=(stage, name) in SHOWN)


# Lightning inspects the signature at every step; given once, it is read instead of worked out.
Classifier.training_step.__signature__ = signature(Classifier.training_step)  # type: ignore[attr-defined]
