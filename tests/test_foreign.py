"""Modules as other people write them, in our ``main``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
MINE = """
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

class Data(pl.LightningDataModule):
    def __init__(self, rows: int = 64):
        super().__init__()
        self.dataset, self.encoder = TensorDataset(torch.randn(rows, 32)), object()
    def train_dataloader(self): return DataLoader(self.dataset, 8, shuffle=True)
    def val_dataloader(self): return DataLoader(self.dataset, 8)

class Module(pl.LightningModule):
    def __init__(self, dataset, encoder):
        super().__init__()
        assert isinstance(dataset, TensorDataset) and type(encoder) is object
        self.layer = torch.nn.Linear(32, 1)
    def training_step(self, batch, index): return self.layer(batch[0]).pow(2).mean()
    def validation_step(self, batch, index):
        loss = self.layer(batch[0]).pow(2).mean()
        if not self.trainer.sanity_checking: self.log("val_loss", loss)
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.1)
"""
RUN = [
    *("~model", "+model={_target_: mine.Module, dataset: '???', encoder: '???'}", "~datamodule"),
    *("+datamodule={_target_: mine.Data}", "~optimizer", "~scheduler", "objective.mode=min", "callbacks=none"),
    *("test=false", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
]


def run(*overrides: str) -> subprocess.CompletedProcess[str]:
    Path("mine.py").write_text(MINE)
    environment = os.environ | {"LIGHTNING_SWEEPS_TRUST": "mine", "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "lightning_sweeps", *RUN, *overrides]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_objects_of_the_datamodule_fill_the_model_and_the_sanity_check_need_not_log(own_folder):
    done = run("objective.metric=val_loss", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("run/result.json").read_text())["objective"] > 0


def test_a_metric_that_no_real_validation_logs_is_said_after_the_first_one(own_folder):
    done = run("objective.metric=val_los", "trainer.max_epochs=50", "trainer.val_check_interval=2")
    assert done.returncode == 1
    assert "objective.metric=val_los: this metric is never logged. Did you mean 'val_loss'?" in done.stderr
