"""What a run says of itself is true: which checkpoint, which schedule, which batches, which metrics."""

import csv
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback

from lightning_sweeps.callbacks.objective import _nearest as nearest_metric
from lightning_sweeps.errors import CheckpointError, ConfigError, MetricError
from lightning_sweeps.runs.predictions import write_predictions
from lightning_sweeps.safety import trust

QUICK = ["model=mlp", "trainer.accelerator=cpu"]


def result(folder: str) -> dict[str, object]:
    return json.loads(Path(folder, "result.json").read_text())


def rows(folder: str) -> list[dict[str, str]]:
    with Path(folder, "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def watching(monkeypatch):
    """Overrides of a callback that keeps each batch's step and sum."""
    monkeypatch.setattr(trust, "_trusted_by_python", [__name__])
    Watch.seen = []
    return f"+callbacks.watch._target_={__name__}.Watch"


class Watch(Callback):
    seen: list[tuple[int, int, float]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        Watch.seen.append((trainer.current_epoch, batch_idx, float(batch[0].double().sum())))


@pytest.mark.parametrize("order", ["best_checkpoint,last_checkpoint", "last_checkpoint,best_checkpoint"])
def test_the_best_checkpoint_is_the_one_that_follows_the_objective(run_here, own_folder, order):
    run_here(*QUICK, "trainer.max_epochs=2", f"callbacks=[{order}]", folder="run")
    best = Path("run", result("run")["best_checkpoint"])
    assert best.name.startswith("best-epoch")
    run_here(*QUICK, "stage=test", f"ckpt_path={best}", folder="test")
    assert result("test")["metrics"]["test/loss"] == result("run")["metrics"]["test/loss"]


def test_no_other_checkpoint_stands_in_for_the_objectives(run_here, own_folder, caplog):
    more = ["callbacks=[last_checkpoint,best_checkpoint]", "callbacks.best_checkpoint.monitor=train/loss"]
    with caplog.at_level(logging.WARNING):
        run_here(*QUICK, "trainer.max_epochs=1", *more, folder="run")
    assert result("run")["best_checkpoint"] is None
    assert "no checkpoint follows objective.metric=val/accuracy; the last weights are tested" in caplog.text


def test_overfit_batches_are_the_same_in_each_epoch(run_here, own_folder, watching):
    run_here(*QUICK, "trainer.max_epochs=3", "trainer.overfit_batches=2", "callbacks=none", watching)
    first = [(index, total) for epoch, index, total in Watch.seen if epoch == 0]
    assert [(index, total) for _, index, total in Watch.seen] == first * 3


def test_loggers_and_callbacks_are_not_given_in_two_ways(run_here):
    with pytest.raises(ConfigError, match=r"trainer\.logger: .*logger=none"):
        run_here(*QUICK, "+trainer.logger=false")


@pytest.mark.parametrize("scheduler", ["cosine", "onecycle", "warmup_cosine", "step"])
def test_a_run_that_goes_on_has_the_schedule_of_its_new_whole(run_here, own_folder, scheduler):
    """The learning rates are those of a run that was planned for as long from the beginning."""
    logged = ["callbacks=[last_checkpoint,learning_rate_monitor]", "logger=csv", "trainer.log_every_n_steps=1"]
    run = [*QUICK, f"scheduler={scheduler}", *logged]
    run_here(*run, "trainer.max_epochs=4", folder="whole")
    run_here(*run, "trainer.max_epochs=2", folder="half")
    run_here(*run, "trainer.max_epochs=4", "ckpt_path=half/checkpoints/last.ckpt", folder="more")
    whole, more = ([row["lr-AdamW"] for row in rows(folder) if row["lr-AdamW"]] for folder in ("whole", "more"))
    assert [float(value) for value in more] == pytest.approx([float(value) for value in whole[-len(more) :]], rel=1e-5)


def test_a_run_that_max_steps_ended_goes_on_with_the_batches_that_were_left(run_here, own_folder, watching):
    run = [*QUICK, "trainer.max_epochs=-1", "callbacks=[last_checkpoint]", "logger=none", watching]
    run_here(*run, "trainer.max_steps=60", folder="whole")
    whole, Watch.seen = Watch.seen, []
    run_here(*run, "trainer.max_steps=30", folder="first")
    run_here(*run, "trainer.max_steps=50", "ckpt_path=first/checkpoints/last.ckpt", folder="second")
    run_here(*run, "trainer.max_steps=60", "ckpt_path=second/checkpoints/last.ckpt", folder="third")
    assert Watch.seen == whole
    with pytest.raises(CheckpointError, match=r"has 30 steps, and trainer\.max_steps=30: nothing is left to train"):
        run_here(*run, "trainer.max_steps=30", "ckpt_path=first/checkpoints/last.ckpt", folder="none")


def test_an_epoch_without_a_validation_has_none_of_its_values(run_here, own_folder, caplog):
    with caplog.at_level(logging.INFO):
        run_here(*QUICK, "trainer.max_epochs=5", "trainer.check_val_every_n_epoch=2", folder="run")
    assert [bool(row["val/accuracy"]) for row in rows("run")[:5]] == [False, True, False, True, False]
    lines = [one.getMessage() for one in caplog.records if one.getMessage().startswith("epoch ")]
    assert ["val/accuracy" in line for line in lines] == [False, True, False, True, False]
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["epoch"] == 4


def test_a_run_that_ends_before_its_first_validation_says_so(run_here, own_folder, caplog, command):
    sparse = ["trainer.max_epochs=2", "trainer.check_val_every_n_epoch=5"]
    with caplog.at_level(logging.WARNING):
        run_here(*QUICK, *sparse)
    assert "this run has no objective: the first validation comes after epoch 5" in caplog.text
    refused = command("-m", *QUICK, *sparse, "optimizer.lr=0.1,0.2", "hydra.sweep.dir=s")
    assert refused.returncode == 1
    assert "trainer.max_epochs=2 ends before" in refused.stderr
    assert not Path("s/0").exists()


@pytest.mark.parametrize("more", [[], ["+scheduler.frequency=4"]])
def test_plateau_waits_for_its_metric(run_here, own_folder, more):
    run_here(*QUICK, "scheduler=plateau", "trainer.max_epochs=4", "trainer.check_val_every_n_epoch=2", *more)
    assert result(".")["status"] == "completed"


def test_every_key_of_a_scheduler_is_obeyed_or_refused(run_here, own_folder):
    logged = ["callbacks=[learning_rate_monitor]", "logger=csv", "trainer.log_every_n_steps=1"]
    step = ["scheduler=step", "scheduler.scheduler.step_size=1", "scheduler.scheduler.gamma=0.1"]
    run_here(*QUICK, *step, "+scheduler.frequency=2", "trainer.max_epochs=4", *logged)
    rates = [float(row["lr-AdamW"]) for row in rows(".") if row["lr-AdamW"]]
    assert rates == pytest.approx([0.003, 0.003, 0.0003, 0.0003])
    with pytest.raises(ConfigError, match=r"scheduler\.frequenzy: no such key\. Did you mean 'frequency'"):
        run_here(*QUICK, *step, "+scheduler.frequenzy=2", folder="wrong")


@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
def test_true_precisions_train_the_shipped_models_on_the_shipped_data(run_here, own_folder, precision):
    run_here(*QUICK, f"trainer.precision={precision}", "trainer.max_epochs=1")
    assert result(".")["metrics"]["test/accuracy"] > 0.5


def test_an_eps_that_is_zero_in_the_precision_is_refused_before_training(run_here, own_folder):
    half = [*QUICK, "trainer.precision=16-true", "trainer.max_epochs=1"]
    with pytest.raises(ConfigError, match=r"optimizer\.eps=1e-08 is 0 in float16 .*\nAdd optimizer\.eps=1e-4"):
        run_here(*half, folder="refused")
    run_here(*half, "optimizer.eps=1e-4", folder="run")
    assert result("run")["metrics"]["test/accuracy"] > 0.5
    run_here(*half, "optimizer=sgd", folder="sgd")


@pytest.mark.filterwarnings(
    "ignore:You're using the WeightAveraging callback:UserWarning"
)  # Lightning's, of stage=test
def test_the_test_after_a_fit_is_the_test_of_its_checkpoint_with_averaged_weights_too(run_here, own_folder):
    averaged = "+callbacks.ema._target_=lightning.pytorch.callbacks.EMAWeightAveraging"
    run_here(*QUICK, "trainer.max_epochs=2", averaged, folder="run")
    best = Path("run", result("run")["best_checkpoint"])
    run_here(*QUICK, averaged, "stage=test", f"ckpt_path={best}", folder="test")
    assert result("run")["metrics"]["test/loss"] == result("test")["metrics"]["test/loss"]


@pytest.mark.parametrize(
    ("batches", "lines"),
    [
        ([torch.tensor([1234567, 1234568]), torch.tensor([3])], ["index,value", "0,1234567", "1,1234568", "2,3"]),
        (
            [torch.tensor([[0.25, 0.75]]), torch.tensor([[0.5, 0.5]])],
            ["index,class,p0,p1", "0,1,0.25,0.75", "1,0,0.5,0.5"],
        ),
        ([torch.tensor([[1.5, 2.0, 3.0, 40.0]])], ["index,p0,p1,p2,p3", "0,1.5,2,3,40"]),
        ([torch.tensor([True, False])], ["index,value", "0,True", "1,False"]),
        ([[torch.ones(2), torch.zeros(2)]], None),
        ([torch.ones(2, 3), torch.ones(2, 4)], None),
        ([torch.ones(2, 3, 4)], None),
        ([{"y": torch.ones(2)}], None),
        ([torch.ones(2), torch.ones(2, 2)], None),
        ([], None),
    ],
)
def test_predictions_are_rows_or_saved_as_they_are(own_folder, batches, lines):
    file = write_predictions(batches, own_folder)
    if lines is None:
        assert str(torch.load(file)) == str(batches)
    else:
        assert file.read_text().splitlines() == lines


@pytest.mark.slow
def test_memory_stays_flat_over_trials_in_one_process(own_folder):
    """A model of 40 MB a trial."""
    search = ["-m", *QUICK, "model.net.width=[3000,3000]", "trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    quiet = ["callbacks=none", "logger=none", "trainer.limit_val_batches=1", "hydra.sweeper.report=false"]
    measured = "optimizer.lr=range(0.001,0.021,0.001)"
    program = Path("app.py")
    program.write_text(
        "import atexit, resource\n"
        "atexit.register(lambda: open('peak', 'w').write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)))\n"
        "from lightning_sweeps import main\nmain()\n"
    )
    peaks = []
    for count in (2, 9):
        more = [
            measured,
            f"hydra.sweeper.n_trials={count}",
            "hydra.sweeper.isolation=none",
            f"hydra.sweep.dir=s{count}",
        ]
        subprocess.run([sys.executable, "app.py", *search, *quiet, *more], check=True, timeout=300)
        peaks.append(int(Path("peak").read_text()) / 1024)
    assert peaks[1] - peaks[0] < 150, peaks  # 280 where each trial's model stays


class OwnEntry(Callback):
    """As a module does it in Lightning's documented way."""

    def on_train_start(self, trainer, pl_module):
        pl_module.logger.log_hyperparams({"lr": 0.05, "net": {"width": 8}}, {"hp/val_loss": 0.0})


def test_an_entry_of_a_modules_own_takes_no_columns_away(run_here, own_folder, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    monkeypatch.setattr(trust, "_trusted_by_python", [__name__])
    own = f"+callbacks.own._target_={__name__}.OwnEntry"
    value = run_here(*QUICK, "trainer.max_epochs=1", own, "callbacks=[best_checkpoint]")
    events = EventAccumulator(str(own_folder)).Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    hparams = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert {"lr", "net/width", "model/net/width", "optimizer/lr"} <= set(hparams)
    assert events.Scalars("objective")[-1].value == pytest.approx(value)
    assert [one.value for one in events.Scalars("hp/val_loss")] == [0.0]


def test_a_mistyped_metric_has_a_hint_of_its_own_phase_before_the_first_epoch(run_here, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(MetricError, match=r"Did you mean 'val/accuracy'"):
        run_here(*QUICK, "trainer.max_epochs=1", "objective.metric=val/acuracy")
    assert "is not logged in the sanity check. Did you mean 'val/accuracy'?" in caplog.text


def test_a_run_without_validation_batches_says_that_it_has_no_objective(run_here, caplog):
    with caplog.at_level(logging.WARNING):
        run_here(*QUICK, "trainer.max_epochs=1", "trainer.limit_val_batches=0", "callbacks=none", "test=false")
    assert "no objective" in caplog.text


@pytest.mark.parametrize(
    ("metric", "logged", "hint"),
    [
        (
            "val/loss",
            ["train/loss", "val/loss/dataloader_idx_0", "val/loss/dataloader_idx_1"],
            "val/loss/dataloader_idx_0",
        ),
        ("val/los", ["train/los", "val/loss"], "val/loss"),
        ("vall/loss", ["val/loss"], "val/loss"),
        ("anything", ["val/loss"], None),
    ],
)
def test_the_nearest_metric_is_of_the_same_phase(metric, logged, hint):
    assert nearest_metric(metric, logged) == (f" Did you mean '{hint}'?" if hint else "")
