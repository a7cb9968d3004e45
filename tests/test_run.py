"""A run: what it does, leaves and returns."""

import json
import math
import os
import signal

import pytest
import torch

from lightning_sweeps.errors import (
    CheckpointError,
    ConfigError,
    DeviceError,
    MetricError,
    NonFiniteLossError,
    RunInterruptedError,
)

BORING = [
    "~model",
    "~datamodule",
    "+model={_target_: lightning.pytorch.demos.boring_classes.BoringModel}",
    "+datamodule={_target_: lightning.pytorch.demos.boring_classes.BoringDataModule}",
    "optimizer=none",
]
QUICK = ["model=mlp", "trainer.accelerator=cpu"]


def result(folder):
    return json.loads((folder / "result.json").read_text())


def rows(folder):
    lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_leaves_what_a_person_needs(run_here, own_folder):
    value = run_here(*QUICK, "trainer.max_epochs=3")
    assert {path.name for path in (own_folder / "checkpoints").iterdir()} >= {"last.ckpt"}
    assert len(list((own_folder / "checkpoints").glob("best-epoch*.ckpt"))) == 1
    found = result(own_folder)
    assert found["status"] == "completed"
    assert found["objective"] == value == max(float(row["val/accuracy"]) for row in rows(own_folder)[:-1])
    assert found["epochs"] == 3
    assert found["steps"] == 60
    assert found["seed"] == 0
    assert {"python", "torch", "lightning"} <= set(found["versions"])
    for stage in ("train", "val", "test"):
        assert {f"{stage}/loss", f"{stage}/accuracy", f"{stage}/f1"} <= set(found["metrics"])
    assert [row["epoch"] for row in rows(own_folder)] == ["0", "1", "2", "3"]


def test_tensorboard_has_scalars_pictures_and_one_hparams_entry(run_here, own_folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    value = run_here(*QUICK, "trainer.max_epochs=2")
    events = EventAccumulator(str(own_folder)).Reload()
    assert {"train/loss", "train/accuracy", "train/f1", "val/loss", "val/accuracy", "val/f1", "test/loss"} <= set(
        events.Tags()["scalars"]
    )
    assert "lr-AdamW" in events.Tags()["scalars"]
    assert {"train/images", "val/confusion", "test/confusion"} <= set(events.Tags()["images"])
    assert [event.value for event in events.Scalars("objective")] == [pytest.approx(value)]
    starts = []
    for file in own_folder.glob("events.out.*"):
        loader = EventAccumulator(str(file)).Reload()
        content = loader.summary_metadata.get("_hparams_/session_start_info")
        if content:
            data = plugin_data_pb2.HParamsPluginData.FromString(content.plugin_data.content)
            starts.append(data.session_start_info.hparams)
    (hparams,) = starts
    assert hparams["model"].string_value == "mlp"
    assert hparams["model/net/width"].number_value == 128
    assert hparams["optimizer/lr"].number_value == pytest.approx(0.003)
    assert "hp_metric" not in events.Tags()["scalars"]


def test_a_run_that_failed_has_the_objectives_column_too(run_here, own_folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    with pytest.raises(NonFiniteLossError):
        run_here(*QUICK, "optimizer=sgd", "optimizer.lr=1e20")
    events = EventAccumulator(str(own_folder)).Reload()
    content = events.summary_metadata["_hparams_/experiment"].plugin_data.content
    columns = plugin_data_pb2.HParamsPluginData.FromString(content).experiment.metric_infos
    assert [column.name.tag for column in columns] == ["objective"]
    assert "objective" not in events.Tags()["scalars"], "and no placeholder for its value"


def test_same_seed_same_metrics_to_the_last_bit(run_here, own_folder):
    for folder in ("a", "b"):
        run_here("model=cnn", "model.net.width=4", "trainer.max_epochs=2", "trainer.accelerator=cpu", folder=folder)
    a, b = rows(own_folder / "a"), rows(own_folder / "b")
    for one, other in zip(a, b, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    run_here("model=cnn", "model.net.width=4", "trainer.max_epochs=2", "seed=1", folder="c")
    assert rows(own_folder / "c")[0]["train/loss"] != a[0]["train/loss"]


def test_going_on_is_the_run_that_was_not_interrupted(run_here, own_folder):
    run_here(*QUICK, "trainer.max_epochs=4", "test=false", folder="whole")
    run_here(*QUICK, "trainer.max_epochs=2", "test=false", folder="half")
    overrides = ["ckpt_path=half/checkpoints/last.ckpt", "trainer.max_epochs=4", "test=false"]
    run_here(*QUICK, *overrides, folder="rest")
    whole, rest = rows(own_folder / "whole"), rows(own_folder / "rest")
    assert [row["epoch"] for row in rest] == ["2", "3"]
    for one, other in zip(whole[2:], rest, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize(
    ("more", "at", "stops_at", "number"),
    [
        ((), 7, (1, 28), signal.SIGINT),
        ((), 7, (1, 28), signal.SIGTERM),
        (("scheduler=onecycle",), 7, (1, 28), signal.SIGINT),
        ((), 19, (2, 40), signal.SIGINT),  # the last of the epoch, which then ends first
        (("trainer.val_check_interval=0.5",), 9, (1, 31), signal.SIGINT),  # a validation comes before the next step
    ],
)
def test_a_signal_loses_no_step_and_no_validation(run_here, own_folder, monkeypatch, more, at, stops_at, number):
    from lightning_sweeps.models import Classifier

    honest = Classifier.training_step
    overrides = [*QUICK, "trainer.max_epochs=3", "test=false", *more]
    run_here(*overrides, folder="whole")

    def interrupting(self, batch, batch_idx):
        if self.current_epoch == 1 and batch_idx == at:
            os.kill(os.getpid(), number)
        return honest(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", interrupting)
    before = signal.getsignal(number)
    epoch, steps = stops_at
    with pytest.raises(RunInterruptedError, match=rf"interrupted in epoch {epoch}; saved half/checkpoints/last.ckpt"):
        run_here(*overrides, folder="half")
    assert signal.getsignal(number) is before
    monkeypatch.setattr(Classifier, "training_step", honest)
    run_here(*overrides, "ckpt_path=half/checkpoints/last.ckpt", folder="rest")

    assert result(own_folder / "half")["steps"] == steps
    assert result(own_folder / "rest")["steps"] == result(own_folder / "whole")["steps"] == 60
    weights = [
        torch.load(own_folder / folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in ("whole", "rest")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    seen = [row for folder in ("half", "rest") for row in rows(own_folder / folder)]
    assert [row["epoch"] for row in seen] == ["0", "1", "2"]
    assert [row["val/loss"] for row in seen] == [row["val/loss"] for row in rows(own_folder / "whole")]


def test_nothing_left_to_train_is_said(run_here):
    run_here(*QUICK, "trainer.max_epochs=2", "test=false", folder="run")
    with pytest.raises(CheckpointError, match=r"has 2 epochs, and trainer.max_epochs=2: nothing is left to train"):
        run_here(*QUICK, "trainer.max_epochs=2", "ckpt_path=run/checkpoints/last.ckpt", folder="again")


@pytest.mark.parametrize(
    ("mode", "take", "pick"),
    [("max", "best", max), ("min", "best", min), ("max", "last", lambda values: values[-1])],
)
def test_objective_is_the_epoch_that_was_asked_for(run_here, own_folder, mode, take, pick):
    value = run_here(*QUICK, f"objective.mode={mode}", f"objective.take={take}", "trainer.max_epochs=4", "test=false")
    values = [float(row["val/accuracy"]) for row in rows(own_folder)]
    assert value == pytest.approx(pick(values))


def test_objective_may_be_logged_in_training(run_here, own_folder):
    value = run_here(*QUICK, "objective.metric=train/loss", "objective.mode=min", "trainer.max_epochs=2", "test=false")
    assert value == min(float(row["train/loss"]) for row in rows(own_folder))


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_other_stages_use_the_checkpoint(run_here, own_folder, stage):
    run_here(*QUICK, "trainer.max_epochs=2", "objective.take=last", folder="fit")
    checkpoint = own_folder / "fit" / result(own_folder / "fit")["best_checkpoint"]
    run_here(*QUICK, f"stage={stage}", f"ckpt_path={checkpoint}", folder=stage)
    name = {"validate": "val/accuracy", "test": "test/accuracy"}[stage]
    expected = (
        max(float(row["val/accuracy"]) for row in rows(own_folder / "fit")[:-1])
        if stage == "validate"
        else result(own_folder / "fit")["metrics"][name]
    )
    assert result(own_folder / stage)["metrics"][name] == pytest.approx(expected)


def test_predict_writes_a_row_per_image(run_here, own_folder):
    run_here(*QUICK, "trainer.max_epochs=3", folder="fit")
    run_here(*QUICK, "stage=predict", "ckpt_path=fit/checkpoints/last.ckpt", folder="predict")
    header, *lines = (own_folder / "predict" / "predictions.csv").read_text().splitlines()
    assert header == "index,class," + ",".join(f"p{k}" for k in range(10))
    assert len(lines) == 269
    from lightning_sweeps.datamodules import Digits

    datamodule = Digits()
    datamodule.setup("predict")
    predicted = torch.tensor([int(line.split(",")[1]) for line in lines])
    assert (predicted == datamodule.splits["test"].labels).float().mean() > 0.8


def test_a_foreign_module_trains_untouched(run_here, own_folder):
    assert run_here(*BORING, "objective.metric=null", "trainer.max_epochs=2") is None
    assert result(own_folder)["epochs"] == 2
    assert (own_folder / "checkpoints" / "last.ckpt").is_file()


def test_a_foreign_module_can_be_given_an_optimizer(run_here, own_folder):
    overrides = [override.replace("optimizer=none", "optimizer=adam") for override in BORING]
    run_here(*overrides, "objective.metric=null", "trainer.max_epochs=1")
    saved = torch.load(own_folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert "exp_avg" in saved["optimizer_states"][0]["state"][0]


def test_a_foreign_module_predicts_into_a_file(run_here, own_folder):
    run_here(*BORING, "objective.metric=null", "stage=predict")
    assert (own_folder / "predictions.csv").is_file()


@pytest.mark.parametrize("logger", ["tensorboard", "csv", "both", "none"])
def test_loggers_write_what_they_say(run_here, own_folder, logger):
    run_here(*QUICK, f"logger={logger}", "trainer.max_epochs=1", "test=false")
    assert bool(list(own_folder.glob("events.out.*"))) == (logger in ("tensorboard", "both"))
    assert (own_folder / "csv" / "metrics.csv").is_file() == (logger in ("csv", "both"))
    assert (own_folder / "metrics.csv").is_file()


def test_early_stopping_stops(run_here, own_folder):
    overrides = ["callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=1", "trainer.max_epochs=30"]
    run_here(*QUICK, *overrides, "optimizer.lr=0", "optimizer.weight_decay=0", "test=false")
    assert result(own_folder)["epochs"] == 2


@pytest.mark.parametrize("read_at_each_step", [("cpu",), ()], ids=["at each step", "many at once, as on a GPU"])
def test_nan_keeps_the_last_good_checkpoint(run_here, own_folder, monkeypatch, read_at_each_step):
    from lightning_sweeps.callbacks import finite_loss
    from lightning_sweeps.models import Classifier

    honest = Classifier.training_step
    monkeypatch.setattr(finite_loss, "READ_AT_EACH_STEP", read_at_each_step)

    def broken(self, batch, batch_idx):
        loss = honest(self, batch, batch_idx)
        loss = loss.reshape(1) if batch_idx % 2 else loss  # torch takes both
        return loss * math.nan if self.current_epoch == 1 and batch_idx == 7 else loss

    monkeypatch.setattr(Classifier, "training_step", broken)
    with pytest.raises(NonFiniteLossError, match=r"nan at batch 7 of epoch 1; the last good checkpoint is .*last.ckpt"):
        run_here(*QUICK, "trainer.max_epochs=5")
    saved = torch.load(own_folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["epoch"] == 0
    assert all(tensor.isfinite().all() for tensor in saved["state_dict"].values())
    assert result(own_folder)["status"] == "failed"
    assert "nan" in result(own_folder)["reason"]


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["trainer=gpu"], DeviceError, "Use trainer=cpu, or trainer=auto"),
        (["stage=fitt"], ConfigError, "Did you mean 'fit'"),
        (["objective.mode=maximum"], ConfigError, "it is min or max"),
        (["objective.take=first"], ConfigError, "it is best or last"),
        (["objective.metric=val/acc"], MetricError, "Did you mean 'val/accuracy'"),
        (["objective.metric=train/acc", "callbacks=none"], MetricError, "Did you mean 'train/accuracy'"),
        (["objective.metric=train/acc"], MetricError, "Logged so far: .*train/accuracy"),
        (
            ["callbacks=[early_stopping]", "callbacks.early_stopping.monitor=val/los"],
            MetricError,
            "monitor=val/los: this metric is never logged. Did you mean 'val/loss'",
        ),
        (["ckpt_path=none.ckpt"], CheckpointError, "no such file"),
        (["optimizer=none"], ConfigError, "has no configure_optimizers of its own"),
        ([*BORING, "scheduler=cosine"], ConfigError, "add scheduler=none"),
        (["scheduler=cosine", "trainer.max_epochs=-1"], ConfigError, "set trainer.max_epochs or trainer.max_steps"),
        (["scheduler=warmup_cosine", "scheduler.scheduler.warmup=1"], ConfigError, "share of the steps"),
        (["~datamodule"], ConfigError, "model.net.image_shape is [?]{3}"),
        (["optimizer.lr=abc"], ConfigError, "optimizer: cannot build"),
        (["+callbacks.best_checkpoint.every_n_train_steps=2"], ConfigError, "ModelCheckpoint"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_mistakes_are_said_before_or_at_the_first_epoch(run_here, own_folder, overrides, error, message):
    if "trainer=gpu" in overrides and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(error, match=message):
        run_here("model=mlp", "trainer.max_epochs=3", *overrides)
    if (own_folder / "metrics.csv").is_file():
        assert len(rows(own_folder)) <= 2


def test_a_checkpoint_of_another_model_is_refused_with_the_difference(run_here, own_folder):
    run_here("model=mlp", "trainer.max_epochs=1", "test=false", folder="run")
    with pytest.raises(CheckpointError, match=r"of another shape: net.1.weight \(128, 64\) instead of \(32, 64\)"):
        run_here("model=mlp", "model.net.width=32", "ckpt_path=run/checkpoints/last.ckpt", folder="other")
    with pytest.raises(CheckpointError, match=r"In run/checkpoints there are: best-epoch00.ckpt, last.ckpt"):
        run_here("model=mlp", "ckpt_path=run/checkpoints/lst.ckpt", folder="other")
    (own_folder / "text.ckpt").write_text("hello")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        run_here("model=mlp", "ckpt_path=text.ckpt", folder="other")


def test_a_checkpoint_with_code_in_it_is_not_executed(run_here, own_folder):
    class Evil:
        def __reduce__(self):
            return (open, (str(own_folder / "executed"), "w"))

    torch.save({"state_dict": {}, "evil": Evil()}, "evil.ckpt")
    with pytest.raises(CheckpointError, match=r"holds more than tensors \(_?io.open\), so loading it could run code"):
        run_here("model=mlp", "ckpt_path=evil.ckpt")
    assert not (own_folder / "executed").exists()


@pytest.mark.gpu
def test_gpu_trains_with_the_data_on_it(run_here, own_folder):
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    value = run_here("trainer=gpu", "trainer.precision=bf16-mixed", "trainer.max_epochs=10")
    assert value > 0.95


@pytest.mark.gpu
def test_gpu_trains_with_16_bit_and_clipping(run_here, own_folder):
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    assert run_here("trainer=gpu", "trainer.precision=16-mixed", "trainer.gradient_clip_val=1") > 0.95
