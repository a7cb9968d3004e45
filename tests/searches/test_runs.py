"""Searches over real Lightning runs."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState
from search_commands import rows, study, wait_until
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

pytestmark = [pytest.mark.slow, pytest.mark.ways, pytest.mark.usefixtures("forks")]
SMALL = ["model=mlp", "model.net.width=8", "test=false", "hydra.sweep.dir=s"]


def epochs_of_the_first_trial() -> int:
    """How many it has finished."""
    file = Path("s/0/metrics.csv")
    return file.read_text().count("\n") - 1 if file.is_file() else 0


def hyperparameters(folder: Path) -> dict[str, object]:
    """The names and values of the run's entry in TensorBoard's HParams tab."""
    events = EventAccumulator(str(folder))
    events.Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    found = HParamsPluginData.FromString(content).session_start_info.hparams
    assert events.Scalars("objective")
    return {name: value.number_value or value.string_value for name, value in found.items()}


def test_pruned_runs_close_cleanly(command, own_folder):
    done = command(
        "-m",
        *SMALL,
        "optimizer=sgd",
        "optimizer.lr=1e-1,1e-7,2e-7,3e-7",
        "trainer.max_epochs=6",
        "trainer.min_epochs=6",
        "trainer.check_val_every_n_epoch=2",
        "trainer.accumulate_grad_batches=2",
        "callbacks=[default,early_stopping]",
        "hydra/sweeper/pruner=median",
        "hydra.sweeper.pruner.n_startup_trials=1",
    )
    assert done.returncode == 0, done.stderr
    states = [trial.state for trial in study().trials]
    assert states == [TrialState.COMPLETE] + [TrialState.PRUNED] * 3
    for trial in study().trials[1:]:
        folder = Path(trial.user_attrs["folder"])
        result = json.loads((folder / "result.json").read_text())
        assert result["status"] == "pruned"
        assert list(trial.intermediate_values) == [2]
        assert trial.value == pytest.approx(result["objective"])
        assert (folder / "checkpoints" / "last.ckpt").is_file()
        assert set(hyperparameters(folder)) == {"#trial", "optimizer.lr"}
    assert set(hyperparameters(Path("s/0"))) == {"#trial", "optimizer.lr"}
    assert "fit took" not in done.stdout, "the trials' own lines go to their folders"


def test_a_killed_search_goes_on_from_the_last_checkpoint(own_folder, command):
    epochs = 30
    overrides = [*SMALL, "seed=1,2", f"trainer.max_epochs={epochs}"]
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "lightning_sweeps", "-m", *overrides],
        cwd=own_folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    wait_until(lambda: epochs_of_the_first_trial() >= 4, seconds=120)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    before = study().trials
    worked = Path("s/0/metrics.csv").stat().st_mtime - before[0].user_attrs["process"]["begun"]
    assert before[0].state is TrialState.RUNNING
    done = command("s", module="lightning_sweeps.resume")
    assert done.returncode == 0, done.stderr
    assert [trial.state for trial in study().trials] == [TrialState.COMPLETE] * 2
    for number in (0, 1):
        with Path(f"s/{number}/metrics.csv").open() as file:
            assert [float(row["epoch"]) for row in csv.DictReader(file)] == list(range(epochs))
        assert list(study().trials[number].intermediate_values) == list(range(1, epochs + 1))
    assert "Restored all states" in Path("s/0/run.log").read_text()
    assert float(rows()[0]["seconds"]) > worked, "what the killed process worked is in it"
    events = EventAccumulator("s/0", size_guidance={"scalars": 0})  # two event files, one curve
    events.Reload()
    for tag in ("val/accuracy", "train/loss", "lr-AdamW"):
        steps = [scalar.step for scalar in events.Scalars(tag)]
        assert steps == sorted(set(steps))
    assert len(events.Scalars("val/accuracy")) == epochs
    assert len(events.Scalars("objective")) == 1


def test_several_validations_in_an_epoch_are_steps(command, own_folder):
    done = command("-m", *SMALL, "seed=1,2", "trainer.max_epochs=2", "trainer.val_check_interval=0.5")
    assert done.returncode == 0, done.stderr
    for trial in study().trials:
        assert list(trial.intermediate_values) == [1, 2, 3, 4]
    assert [row["epochs"] for row in rows()] == ["2", "2"]


def test_a_search_without_an_objective_is_refused(command):
    done = command("-m", *SMALL, "seed=1,2", "objective.metric=null")
    assert done.returncode == 1
    assert done.stderr.startswith("error: objective.metric=null")
    assert not Path("s").exists()


def test_resume_says_what_is_wrong(command, own_folder):
    for arguments, said in (((), "usage"), (("--trust",), "usage"), (("nowhere",), "no search here")):
        done = command(*arguments, module="lightning_sweeps.resume")
        assert done.returncode == 1
        assert said in done.stderr


@pytest.mark.parametrize("sweeper", ["optuna", "basic"])
def test_the_stock_sweepers_work_with_the_same_app(command, sweeper):
    search = ["search=quick", "hydra.sweeper.n_trials=2"] if sweeper == "optuna" else ["model.net.width=8,16"]
    done = command("-m", *search, f"hydra/sweeper={sweeper}", "trainer.max_epochs=1", *SMALL[2:])
    assert done.returncode == 0, done.stderr
    assert Path("s/1/result.json").is_file()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["optimizer.lrr=1,2"], "optimizer.lrr: no such key. Did you mean 'optimizer.lr'?"),
        (["model=mlp,cnnn"], "model=cnnn: no such option. Did you mean 'cnn'?"),
        (["optimizer=sgd,adam", "optimizer.momentum=0.5,0.9"], "optimizer.momentum: no such key"),
        (["optimizer.lr=interval(1,0)"], "optimizer.lr=interval(1,0): "),
        (["seed=1,2", "hydra/sweeper/sampler=tp"], "hydra/sweeper/sampler=tp: no such option. Did you mean 'tpe'?"),
        (["seed=1,2", "hydra.sweeper.timeout=abc"], "hydra.sweeper.timeout=abc: it is a length of time"),
        (["seed=1,2", "hydra.sweeper.n_jobs=0"], "hydra.sweeper.n_jobs=0: it is a number of trials at once"),
    ],
)
def test_what_cannot_be_composed_is_said_before_the_search(command, typed, said):
    done = command("-m", *typed)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") <= 2
    assert not Path("outputs").exists()


def test_a_trial_that_has_more_epochs_than_now_are_asked_for_begins_anew(command, own_folder):
    (own_folder / "s").mkdir()
    search = ["-m", *SMALL, "seed=1,2"]
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "lightning_sweeps", *search, "trainer.max_epochs=100000"],
        cwd=own_folder,
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: epochs_of_the_first_trial() >= 5, seconds=120)
    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait()
    refused = command(*search, "trainer.max_epochs=2")
    assert "+ trainer.max_epochs=2, - trainer.max_epochs=100000" in refused.stderr
    done = command(*search, "trainer.max_epochs=2", "hydra.sweeper.allow_changes=true")
    assert done.returncode == 0, done.stderr
    assert [trial.state for trial in study().trials] == [TrialState.COMPLETE] * 2
    assert "the trial starts over" in Path("s/0/run.log").read_text()


def test_a_password_typed_for_one_run_is_in_none_of_its_files(command):
    secret = "open-sesame"
    url = f"postgresql://me:{secret}@127.0.0.1:1/db"
    done = command("model=mlp", "trainer.max_epochs=1", "test=false", f"hydra.sweeper.storage='{url}'")
    assert done.returncode == 0, done.stderr
    files = [file for file in Path("outputs").rglob("*") if file.is_file()]
    assert files
    assert not any(secret in file.read_bytes().decode(errors="replace") for file in files)


def test_a_contradicting_direction_is_refused(command):
    done = command("-m", "search=quick", "hydra.sweeper.direction=minimize", "hydra.sweep.dir=s")
    assert done.returncode == 1
    assert "they contradict each other" in done.stderr
