"""What a search would do and cost, without doing it."""

from pathlib import Path

import pytest

from lightning_sweeps import search
from lightning_sweeps.errors import CommandError
from lightning_sweeps.runs.measuring import _length, _of_an_epoch

pytestmark = pytest.mark.slow
SEARCH = ["model=mlp", "model.net.width=8,16", "optimizer.lr=1e-3,1e-2", "trainer.max_epochs=7"]


def left():
    return sorted(path.name for path in Path().iterdir())


def test_every_trial_of_a_finite_space_is_composed_and_each_kind_is_measured(own_folder):
    found = search([*SEARCH, "hydra.sweeper.n_jobs=2"], dry_run=True)
    assert (found["n_trials"], found["n_jobs"], found["sampler"]) == (4, 2, "all 4 combinations")
    trials = found["trials"]
    assert [trial["params"] for trial in trials] == [
        {"model.net.width": width, "optimizer.lr": lr} for width in (8, 16) for lr in (1e-3, 1e-2)
    ]
    assert trials[0]["parameters"] == trials[1]["parameters"] < trials[2]["parameters"]
    assert {(trial["batches"], trial["epochs"]) for trial in trials} == {(20, 7)}
    assert all(trial["seconds"] > 0 for trial in trials)
    assert found["seconds"] == pytest.approx(sum(trial["seconds"] for trial in trials) / 2, abs=0.1)
    assert found["problems"] == []
    assert left() == []


def test_people_read_a_table(command):
    done = command("-m", *SEARCH, "dry_run=true", "hydra.sweeper.repeats=3")
    assert done.returncode == 0, done.stderr
    assert "all 4 combinations, 4 trials, each the mean of 3 seeds, 1 at a time" in done.stdout
    assert "model.net.width=16  optimizer.lr=0.01" in done.stdout
    assert "nothing was written" in done.stdout
    assert left() == []


def test_a_handful_of_a_sampled_space_is_drawn(sweep, app):
    done = sweep("x=interval(-5.0,5.0)", "hydra.sweeper.n_trials=50", "hydra.sweeper.dry_run=true")
    assert done.returncode == 0, done.stderr
    assert "TPESampler (chosen by auto: numbers only), 50 trials, 1 at a time" in done.stdout
    lines = [line for line in done.stdout.splitlines() if "x=" in line]
    assert len(lines) == 5
    assert lines[0].split() == ["0", "x=1"]  # the config's own
    assert "this program does not say what its trials cost" in done.stdout
    assert not Path("s").exists()
    assert not Path("pids").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            "objective.metric=val/acuracy",
            "trial 0 (model.net.width=8  optimizer.lr=0.001): objective.metric=val/acuracy",
        ),
        ("datamodule.batch_size=5000", "larger than the 1258 training images"),
    ],
)
def test_what_only_a_batch_can_tell_is_said(own_folder, wrong, said):
    with pytest.raises(CommandError) as raised:
        search([*SEARCH, wrong], dry_run=True)
    assert said in str(raised.value)
    assert left() == []


DIVIDING = "{_target_: lightning.pytorch.strategies.ModelParallelStrategy}"


@pytest.mark.parametrize(
    ("strategy", "measured", "said"),
    [
        ("ddp", ["26,122", "10", "7"], "in all, told from two batches"),  # half of the 20 batches for each process
        (DIVIDING, ["26,122", "-", "-"], "not measured: ModelParallelStrategy may divide the module between 2 proc"),
    ],
)
def test_trials_of_several_processes(command, strategy, measured, said):
    words = ["-m", "model=mlp", "optimizer.lr=1e-3,1e-2", f"trainer.strategy={strategy}", "trainer.devices=2"]
    done = command(*words, "trainer.accelerator=cpu", "trainer.max_epochs=7", "dry_run=true")
    assert done.returncode == 0, done.stderr
    lines = [line.split()[1:4] for line in done.stdout.splitlines() if "optimizer.lr" in line]
    assert lines == [measured] * 2
    assert said in done.stdout
    assert left() == []


STEPS = """
import os, time
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

class Data(pl.LightningDataModule):
    def train_dataloader(self): return DataLoader(TensorDataset(torch.rand(16, 8)), 8)
    def val_dataloader(self): return DataLoader(TensorDataset(torch.rand(8, 8)), 8)

class Odd(pl.LightningModule):
    def __init__(self, how="well"):
        super().__init__()
        self.how = how
        self.layer = torch.nn.Linear(8, 1)
    def training_step(self, batch, index):
        match self.how:
            case "raises": self.layer(batch[0][:, :3])
            case "greedy": torch.empty(2**60)
            case "ends": os._exit(3)
            case "hangs": time.sleep(1000)
        return self.layer(batch[0]).pow(2).mean()
    def validation_step(self, batch, index): self.log("val_loss", self.layer(batch[0]).pow(2).mean())
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.01)
"""


@pytest.fixture
def dry_run_of_steps(own_folder, command, monkeypatch):
    """The command's dry run of trials whose training steps do as they are told."""
    Path("mine.py").write_text(STEPS)
    monkeypatch.setenv("LIGHTNING_SWEEPS_TRUST", "mine")
    monkeypatch.setenv("PYTHONPATH", str(own_folder))
    return lambda how, *more: command(
        *("-m", "~model", "+model={_target_: mine.Odd, how: well}", "~datamodule", "+datamodule={_target_: mine.Data}"),
        *("~optimizer", "~scheduler", "objective={metric: val_loss, mode: min}", f"model.how={how}"),
        *("dry_run=true", *more),
    )


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "mat1 and mat2 shapes cannot be multiplied"),
        ("greedy", "can't allocate memory"),
    ],
)
def test_what_a_training_step_raises_is_said(dry_run_of_steps, how, said):
    done = dry_run_of_steps(f"well,{how}")
    assert done.returncode == 1
    assert f"error: trial 1 (model.how={how}): " in done.stderr
    assert said in done.stderr
    assert "  9 " in done.stdout.splitlines()[3], done.stdout  # the parameters of the first


@pytest.mark.parametrize(
    ("how", "said", "more"),
    [
        ("ends", "its process ended", []),
        ("hangs", "it took longer than hydra.sweeper.start_timeout=6 s", ["hydra.sweeper.start_timeout=6"]),
    ],
)
def test_a_trial_that_could_not_be_measured_is_named_and_the_next_one_is_measured(dry_run_of_steps, how, said, more):
    done = dry_run_of_steps(f"{how},well", *more)
    assert done.returncode == 0, done.stderr
    assert f"1 trial not measured: {said} (trial 0)" in done.stdout
    measured = {line.split()[-1]: line.split()[1] for line in done.stdout.splitlines() if "how=" in line}
    assert measured == {f"model.how={how}": "-", "model.how=well": "9"}


def test_each_kind_is_measured_if_every_process_imports_the_program(dry_run_of_steps):
    done = dry_run_of_steps("well,fine", "hydra.sweeper.start_method=spawn")
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if "how=" in line] == ["9", "9"]


def test_a_function_has_one_too(own_folder):
    found = search(lambda config, _: config.x, space={"x": [1, 2, 3]}, dry_run=True)
    assert [trial["params"] for trial in found["trials"]] == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert left() == []


def test_a_single_run_has_none(command):
    done = command("dry_run=true")
    assert done.returncode == 1
    assert "dry_run=true is for a search, with -m; for a single run: trainer.fast_dev_run=true" in done.stderr


@pytest.mark.parametrize(
    ("count", "limit", "batches"),
    [
        (20, None, 20),
        (20, 5, 5),
        (20, 0.5, 10),
        (20, 1.0, 20),
        (3, 5, 3),
        (None, None, None),
        (None, 7, 7),
        (None, 1.0, None),
    ],
)
def test_batches_of_an_epoch(count, limit, batches):
    assert _of_an_epoch(count, limit) == batches
    assert _length([[1, 2], [3]]) == 3
    assert _length(iter(())) is None
