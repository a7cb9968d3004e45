"""``TrialCallback`` in a program that has a Trainer of its own."""

import signal
from pathlib import Path

import pytest
import torch
from optuna.trial import TrialState
from own_trainers import CONFIG, TRAIN
from search_commands import start, study, wait_until
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks")]
PRUNED_AT_ONCE = ["hydra.sweeper.n_trials=1", "hydra/sweeper/pruner=threshold", "hydra.sweeper.pruner.upper=0.0"]


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def library(request):
    if request.param == "pytorch_lightning":
        pytest.importorskip("pytorch_lightning")
    return request.param


@pytest.fixture
def program(own_folder):
    """``train.py`` and its config, in the test's folder."""
    return write()


def write(library="lightning.pytorch"):
    Path("conf").mkdir()
    Path("conf/config.yaml").write_text(CONFIG)
    Path("train.py").write_text(TRAIN.replace("LIBRARY", library))
    return Path("train.py")


@pytest.fixture
def run(python):
    return lambda *overrides: python("train.py", *overrides)


@pytest.fixture
def search(run):
    return lambda *overrides: run("-m", "hydra.sweep.dir=s", *overrides)


def epochs():
    return [line.split()[1] for line in Path("epochs").read_text().splitlines() if line.startswith("0 ")]


def test_a_search_of_it_reports_each_epoch_and_takes_the_best_report(search, own_folder, library):
    write(library)
    done = search("lr=0.05,0.1")
    assert done.returncode == 0, done.stderr
    for trial in study().trials:
        assert sorted(trial.intermediate_values) == [1, 2, 3, 4]
        assert trial.value == min(trial.intermediate_values.values())


def test_a_run_of_it_is_untouched(run, program):
    done = run("hydra.run.dir=r")
    assert done.returncode == 0, done.stderr
    assert not Path("r/checkpoints").exists()
    assert not list(Path("r").glob("**/.signatures.json"))


def test_killed_in_the_middle_it_goes_on_from_its_last_epoch_with_one_curve(run, own_folder, library):
    """The same weights as without the kill, to the last bit: a shuffling loader draws what it would have drawn."""
    program = write(library)
    assert run("-m", "hydra.sweep.dir=whole", "lr=choice(0.05)", "hydra.sweeper.n_trials=1").returncode == 0
    Path("stop-2").touch()
    Path("epochs").unlink()
    searching = start(program, "lr=choice(0.05)", "hydra.sweeper.n_trials=1", "hydra.sweep.dir=killed")
    wait_until(Path("stopped").is_file, 60)
    searching.kill()
    searching.communicate(timeout=60)
    resumed = run("-m", "hydra.sweep.dir=killed", "lr=choice(0.05)", "hydra.sweeper.n_trials=1")
    assert resumed.returncode == 0, resumed.stderr
    assert epochs() == ["0", "1", "2", "2", "3"]
    (trial,) = study(Path("killed")).trials
    assert trial.value == study(Path("whole")).trials[0].value
    assert sorted(trial.intermediate_values) == [1, 2, 3, 4]
    whole, killed = (torch.load(f"{name}/0/weights.pt") for name in ("whole", "killed"))
    for name, weights in whole.items():
        assert torch.equal(weights, killed[name])
    events = EventAccumulator("killed/0").Reload().Scalars("train_loss")
    assert [one.step for one in events] == list(range(16))


def test_killed_after_its_last_epoch_it_has_the_metrics_of_that_epoch(search, program):
    Path("stop-after").touch()
    typed = ["lr=choice(0.05)", "hydra.sweeper.n_trials=1", "returns=number"]
    searching = start(program, *typed)
    wait_until(Path("stopped").is_file, 60)
    searching.kill()
    searching.communicate(timeout=60)
    resumed = search(*typed)
    assert resumed.returncode == 0, resumed.stderr
    assert epochs() == ["0", "1", "2", "3"]
    (trial,) = study().trials
    assert trial.value == pytest.approx(trial.intermediate_values[4])


def test_a_pruned_trial_ends_in_order(search, program):
    done = search(
        "lr=choice(0.05)",
        "hydra.sweeper.n_trials=1",
        "hydra/sweeper/pruner=threshold",
        "hydra.sweeper.pruner.upper=0.0",
    )
    assert done.returncode == 1  # no trial is complete
    (trial,) = study().trials
    assert trial.state is TrialState.PRUNED
    assert sorted(trial.intermediate_values) == [1]
    assert epochs() == ["0"]


def test_ctrl_c_keeps_the_step_and_the_trial_goes_on(search, program):
    Path("stop-2").touch()
    searching = start(program, "lr=choice(0.05)", "hydra.sweeper.n_trials=1")
    wait_until(Path("stopped").is_file, 60)
    searching.send_signal(signal.SIGINT)
    searching.send_signal(signal.SIGINT)
    output, _ = searching.communicate(timeout=60)
    assert [trial.state for trial in study().trials] == [TrialState.WAITING], output
    resumed = search("lr=choice(0.05)", "hydra.sweeper.n_trials=1")
    assert resumed.returncode == 0, resumed.stderr
    assert epochs() == ["0", "1", "2", "2", "3"]


def test_an_interrupted_trainer_without_the_callback_is_no_failure(program):
    """Lightning's Trainer leaves with ``SystemExit`` after Ctrl-C."""
    text = Path("train.py").read_text()
    Path("train.py").write_text(text.replace("callbacks=[callback, ", "callbacks=["))
    Path("stop-1").touch()
    searching = start(program, "lr=choice(0.05)", "hydra.sweeper.n_trials=1", "returns=number")
    wait_until(Path("stopped").is_file, 60)
    searching.send_signal(signal.SIGINT)
    output, _ = searching.communicate(timeout=60)
    assert [trial.state for trial in study().trials] == [TrialState.WAITING], output


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["callback.monitor=val_los"], "val_los: this metric is never logged. Did you mean 'val_loss'?"),
        (["+callback.mode=max"], "mode='max'), but the search would minimize"),
        (["callback.monitor=val_acc"], "would minimize val_acc, whose name says the contrary"),
        (["callback.monitor=null"], "has no metric to report"),
        (["+callback.mode=maximise"], "TrialCallback(mode='maximise'): it is min or max"),
        (["returns=second fit"], "second fit with a TrialCallback"),
        (["+callback.save=false", "epochs=0"], "returned None, and reported nothing"),
    ],
    ids=["misspelt", "other mode", "an accuracy", "none", "misspelt mode", "two fits", "no epoch"],
)
def test_contradictions_are_failures_that_name_the_way_out(search, own_folder, overrides, said):
    write()
    done = search("lr=choice(0.05)", "hydra.sweeper.n_trials=1", *overrides)
    assert done.returncode == 1
    assert said in study().trials[0].user_attrs["reason"], done.stderr


def test_processes_of_a_distributed_trial_are_pruned_together(search, own_folder):
    write()
    done = search("lr=choice(0.05)", *PRUNED_AT_ONCE, "devices=2", "strategy=ddp")
    (trial,) = study().trials
    assert trial.state is TrialState.PRUNED, done.stderr
    assert sorted(Path("epochs").read_text().splitlines()) == ["0 0", "1 0"]


@pytest.mark.parametrize("returns", ["number", "dict"])
def test_what_it_returns_counts_more_than_its_reports(search, own_folder, returns):
    write()
    done = search("lr=choice(0.9)", "hydra.sweeper.n_trials=1", f"returns={returns}")
    assert done.returncode == 0, done.stderr
    (trial,) = study().trials
    assert trial.value == trial.intermediate_values[4] > min(trial.intermediate_values.values())


def test_the_last_report_counts_if_the_callback_says_so(search, own_folder):
    write()
    done = search("lr=choice(0.9)", "hydra.sweeper.n_trials=1", "+callback.take=last")
    assert done.returncode == 0, done.stderr
    (trial,) = study().trials
    assert trial.value == trial.intermediate_values[4] > min(trial.intermediate_values.values())
