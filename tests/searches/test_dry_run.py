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
