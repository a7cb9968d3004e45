"""Modules as other people write them, in our ``main``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from search_commands import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks")]
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


@pytest.fixture
def trusting(command):
    """``python -m lightning_sweeps`` that trusts the test's modules."""
    trusted = {"LIGHTNING_SWEEPS_TRUST": "mine,old,template", "PYTHONPATH": str(Path.cwd())}
    return lambda *arguments, **more: command(*arguments, **{**trusted, **more})


@pytest.fixture
def run(trusting):
    """A run with ``mine.py``."""
    Path("mine.py").write_text(MINE)
    return lambda *overrides: trusting(*RUN, *overrides)


def test_objects_of_the_datamodule_fill_the_model_and_the_sanity_check_need_not_log(run):
    done = run("objective.metric=val_loss", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("run/result.json").read_text())["objective"] > 0


def test_a_metric_that_no_real_validation_logs_is_said_after_the_first_one(run):
    done = run("objective.metric=val_los", "trainer.max_epochs=50", "trainer.val_check_interval=2")
    assert done.returncode == 1
    assert "objective.metric=val_los: this metric is never logged. Did you mean 'val_loss'?" in done.stderr


def test_modules_of_pytorch_lightning_are_modules_as_any(run):
    Path("old.py").write_text(MINE.replace("import lightning.pytorch as pl", OLD))
    old = ["+model._target_=old.Module", "+datamodule._target_=old.Data", "objective.metric=val_loss"]
    done = run(*(one.removeprefix("+") for one in old), "callbacks=[best_checkpoint]", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("run/result.json").read_text())["objective"] > 0


OLD = """
import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.utilities.rank_zero import rank_zero_only
import lightning.pytorch
assert pl is lightning.pytorch and EarlyStopping is lightning.pytorch.callbacks.EarlyStopping
assert pl.callbacks.__spec__.name == "lightning.pytorch.callbacks"
"""


def test_a_pytorch_lightning_that_came_first_is_told_from_a_module_of_ours(own_folder):
    pytest.importorskip("pytorch_lightning")
    Path("mine.py").write_text(MINE.replace("lightning.pytorch", "pytorch_lightning"))
    program = [sys.executable, "-c", "import mine; from lightning_sweeps import main; main(trust=['mine'])"]
    done = subprocess.run([*program, *RUN], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Module is of pytorch_lightning, which was imported before lightning_sweeps" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_is_no_module_is_said(run):
    linear = ["model._target_=torch.nn.Linear", "+model.in_features=1", "+model.out_features=1"]
    done = run(*linear, "~model.dataset", "~model.encoder")
    assert done.returncode == 1
    assert done.stderr.startswith("error: model: torch.nn.modules.linear.Linear is no LightningModule")


SEARCH_FILE = """
# @package _global_
defaults:
  - override /model: null
  - override /datamodule: null
model: {_target_: mine.Module, dataset: "???", encoder: "???"}
datamodule: {_target_: mine.Data, rows: 64}
hydra:
  sweeper:
    params:
      datamodule.rows: choice(32,64)
"""


def test_a_search_file_with_a_model_of_its_own_leaves_the_default_one_out(trusting):
    """Or is told which keys of the default one it has."""
    folder = Path("own/search")
    folder.mkdir(parents=True)
    (folder / "whole.yaml").write_text(SEARCH_FILE.lstrip())
    (folder / "mixed.yaml").write_text(SEARCH_FILE.lstrip().replace("  - override /model: null\n", ""))
    Path("mine.py").write_text(MINE)
    more = ["~optimizer", "~scheduler", "objective.metric=val_loss", *RUN[6:]]
    command = ["-m", "--config-dir=own", *more, "hydra.sweep.dir=s"]
    mixed, whole = (trusting(*command, f"search={name}") for name in ("mixed", "whole"))
    assert mixed.returncode == 1
    assert "model.net.image_shape is ???" in mixed.stderr
    assert "Of model=cnn it has net, label_smoothing: if a config file" in mixed.stderr
    assert "override /model: null" in mixed.stderr
    assert whole.returncode == 0, whole.stderr


TEMPLATE = """
import functools

class Template(pl.LightningModule):
    def __init__(self, net, optimizer, scheduler, compile):
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.net = net
    def training_step(self, batch, index): return self.net(batch[0]).pow(2).mean()
    def validation_step(self, batch, index): self.log("val_loss", self.net(batch[0]).pow(2).mean())
    def configure_optimizers(self):
        assert type(self.hparams.optimizer) is type(self.hparams.scheduler) is functools.partial
        optimizer = self.hparams.optimizer(params=self.trainer.model.parameters())
        return {"optimizer": optimizer, "lr_scheduler": self.hparams.scheduler(optimizer=optimizer)}
"""


def test_a_module_as_templates_publish_it_trains_and_goes_on(trusting):
    """Its optimizer comes as a partial, and is kept in its hyperparameters and so in its checkpoints."""
    Path("template.py").write_text(MINE + TEMPLATE)
    model = (
        "+model={_target_: template.Template, compile: false, net: {_target_: torch.nn.Linear, in_features: 32, "
        "out_features: 1}, optimizer: {_target_: torch.optim.Adam, _partial_: true, lr: 0.01}, scheduler: {_target_: "
        "torch.optim.lr_scheduler.StepLR, _partial_: true, step_size: 5}}"
    )
    typed = ["~model", model, *RUN[2:], "datamodule._target_=template.Data", "objective.metric=val_loss"]
    typed[typed.index("callbacks=none")] = "callbacks=[last_checkpoint]"
    for number, more in enumerate(([], ["ckpt_path=0/checkpoints/last.ckpt", "trainer.max_epochs=2"])):
        done = trusting(*typed, *more, f"hydra.run.dir={number}")
        assert done.returncode == 0, done.stderr
    assert json.loads(Path("1/result.json").read_text())["epochs"] == 2


DRAWING = """
import random
import numpy

class Drawing(Module):
    def training_step(self, batch, index):
        noise = random.random() + numpy.random.rand()
        return self.layer(torch.nn.functional.dropout(batch[0])).pow(2).mean() * noise
    def on_train_epoch_end(self):
        Path("ended", f"{self.current_epoch}").touch()
        if Path(f"stop-{self.current_epoch}").is_file(): time.sleep(600)
    def on_train_epoch_start(self):
        if Path(f"stop-before-{self.current_epoch}").is_file():
            Path(f"stop-before-{self.current_epoch}").rename("stopped"); time.sleep(600)
"""


def test_kills_at_epochs_ends_leave_no_trace_in_a_foreign_module(trusting):
    """A shuffling DataLoader, dropout, Python's and NumPy's numbers: the same weights to the last bit."""
    Path("mine.py").write_text("import time\nfrom pathlib import Path\n" + MINE + DRAWING)
    Path("ended").mkdir()
    environment = os.environ | {"LIGHTNING_SWEEPS_TRUST": "mine", "PYTHONPATH": str(Path.cwd())}
    search = [
        *(sys.executable, "-m", "lightning_sweeps", "-m", *RUN, "model._target_=mine.Drawing"),
        *("objective.metric=val_loss", "callbacks=[last_checkpoint]", "trainer.max_epochs=5", "seed=1,"),
        *("hydra.sweeper.report=false", "hydra/sweeper=study"),
    ]
    search[search.index("seed=1,")] = "seed=choice(1)"
    assert trusting(*search[3:], "hydra.sweep.dir=whole").returncode == 0
    for epoch in (1, 2, 4):
        stop = Path(f"stop-before-{epoch}")
        stop.touch()
        searching = subprocess.Popen([*search, "hydra.sweep.dir=killed"], env=environment)
        wait_until(Path("stopped").is_file)
        searching.kill()
        searching.wait()
        Path("stopped").unlink()
    assert trusting(*search[3:], "hydra.sweep.dir=killed").returncode == 0
    found = [torch.load(f"{name}/0/checkpoints/last.ckpt", weights_only=True) for name in ("whole", "killed")]
    assert found[0]["epoch"] == found[1]["epoch"] == 4
    for name, weights in found[0]["state_dict"].items():
        assert torch.equal(weights, found[1]["state_dict"][name])


HOLDING = """
class Thing:
    def __init__(self, number): self.number = number

class Holding(Module):
    def on_save_checkpoint(self, checkpoint): checkpoint["thing"] = Thing(self.current_epoch)
    def on_load_checkpoint(self, checkpoint): Path("loaded").write_text(str(checkpoint["thing"].number))
    def on_train_epoch_start(self):
        if Path("stop").is_file() and self.current_epoch == 1: Path("stop").rename("stopped"); time.sleep(600)
"""


def test_a_checkpoint_with_objects_goes_on_if_a_run_of_this_user_wrote_it(trusting):
    Path("mine.py").write_text("import time\nfrom pathlib import Path\n" + MINE + HOLDING)
    environment = os.environ | {"LIGHTNING_SWEEPS_TRUST": "mine", "PYTHONPATH": str(Path.cwd()), "XDG_STATE_HOME": "me"}
    ours = [sys.executable, "-m", "lightning_sweeps"]
    run = [*RUN, "model._target_=mine.Holding", "objective.metric=val_loss", "callbacks=[last_checkpoint]"]
    search = [*ours, "-m", *run, "trainer.max_epochs=2", "hydra/sweeper=study", "hydra.sweep.dir=s", "seed=choice(1)"]
    Path("stop").touch()
    searching = subprocess.Popen(search, env=environment)
    wait_until(Path("stopped").is_file)
    searching.kill()
    searching.wait()
    assert trusting(*search[3:], XDG_STATE_HOME="me").returncode == 0
    assert Path("loaded").read_text() == "0"

    Path("loaded").unlink()
    again = [*run, "trainer.max_epochs=3", "ckpt_path=s/0/checkpoints/last.ckpt"]
    for user in ("another", "me"):
        if user == "me":  # the same file, changed by a byte
            with Path("s/0/checkpoints/last.ckpt").open("ab") as file:
                file.write(b"\0")
        done = trusting(*again, XDG_STATE_HOME=user)
        assert done.returncode == 1
        assert "holds more than tensors (mine.Thing), so loading it could run code" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 2
        assert not Path("loaded").exists()
    assert trusting(*again, XDG_STATE_HOME="another", LIGHTNING_SWEEPS_TRUST="mine,ckpt_path").returncode == 0
    assert Path("loaded").read_text() == "1"


FAILING = """
class Failing(Module):
    def training_step(self, batch, index):
        if self.global_rank == 1 and index == 1: raise ValueError("no data on this rank")
        return super().training_step(batch, index)
"""


def test_the_reason_of_another_rank_is_the_runs(trusting):
    Path("mine.py").write_text(MINE + FAILING)
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "hydra.run.dir=run", "objective.metric=null"]
    done = trusting(*RUN, "model._target_=mine.Failing", *ddp)
    assert done.returncode == 1
    assert "error: rank 1: ValueError: no data on this rank" in done.stderr
    assert "rank 1: ValueError: no data on this rank" in json.loads(Path("run/result.json").read_text())["reason"]


THAWING = """
class Thaw(pl.callbacks.BaseFinetuning):
    def freeze_before_training(self, pl_module): pass
    def finetune_function(self, pl_module, epoch, optimizer): pass
"""


def test_a_run_that_goes_on_with_a_finetuning_callback_is_told_what_lightning_does(trusting):
    Path("mine.py").write_text(MINE + THAWING)
    callback = ["callbacks=[last_checkpoint]", "+callbacks.thaw={_target_: mine.Thaw}", "objective.metric=val_loss"]
    for more in (["hydra.run.dir=run"], ["ckpt_path=run/checkpoints/last.ckpt", "trainer.max_epochs=2"]):
        done = trusting(*RUN, *callback, *more)
        assert done.returncode == 0, done.stderr
        said = "going on: Lightning freezes again what Thaw had unfrozen" in done.stdout + done.stderr
        assert said == (len(more) > 1)
