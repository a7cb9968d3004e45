"""Trials whose parameters another trial has had."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from search_commands import rows, study

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.conditions import conditional
from lightning_sweeps.searches.space.parse import parse_space
from lightning_sweeps.searches.study.duplicates import drawing, require_way

SEARCH = ["x=1.0,2.0,3.0", "y=0,1", "hydra/sweeper/sampler=random", "hydra.sweeper.sampler.seed=1"]


def processes(file="pids"):
    return len(Path(file).read_text().splitlines())


@pytest.mark.parametrize("sampler", ["TPESampler", "RandomSampler", "NSGAIISampler"])
def test_skip_draws_each_point_once_until_there_is_none(sampler):
    space = conditional(parse_space(None, ["a=1,2,3", "b=x,y", "c=range(0,3)"], None), {"c": "b=y"})
    points = space.combinations() or []
    drawn = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=0))
    draw = drawing(space, "skip")
    for _ in points:
        trial = drawn.ask()
        draw(trial)
        drawn.tell(trial, float(trial.params["a"]))
    assert sorted(map(str, (trial.params for trial in drawn.trials))) == sorted(map(str, points))


def test_wrong_ways_are_said():
    with pytest.raises(ConfigError, match=r"on_duplicate=reus: it is one of run, reuse, skip\. Did you mean 'reuse'"):
        require_way("reus")


@pytest.mark.slow
def test_reuse_has_the_values_without_a_process(sweep):
    done = sweep(
        *SEARCH, "hydra.sweeper.n_trials=5", "hydra.sweeper.on_duplicate=reuse", "hydra.sweeper.warm_start=null"
    )
    assert done.returncode == 0, done.stderr
    trials = study().trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 5
    different = {str(trial.params) for trial in trials}
    assert processes() == len(different) < 5
    for trial, row in zip(trials, rows(), strict=True):
        assert trial.value == trial.params["x"] ** 2 + trial.params["y"]
        if (other := trial.user_attrs.get("reused")) is not None:
            assert trials[other].params == trial.params
            assert (row["reason"], row["folder"]) == (f"the same as trial {other}", str(other))


@pytest.mark.slow
def test_skip_ends_when_the_space_is_used_up_and_is_resumed(sweep):
    skip = [*SEARCH, "hydra.sweeper.on_duplicate=skip"]
    assert sweep(*skip, "hydra.sweeper.n_trials=4").returncode == 0
    done = sweep(*skip, "hydra.sweeper.n_trials=50", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert "6 trials" in done.stdout
    assert len({str(trial.params) for trial in study().trials}) == len(study().trials) == processes() == 6


@pytest.mark.slow
def test_what_is_reused_keeps_its_checkpoints(command):
    search = ["model=mlp", "model.net.width=4,32", "seed=0,1", "trainer.max_epochs=1", "hydra.sweep.dir=s"]
    options = ["hydra.sweeper.n_trials=6", "hydra.sweeper.on_duplicate=reuse", "hydra.sweeper.keep_checkpoints=best"]
    assert (
        command("-m", *search, *options, "hydra/sweeper/sampler=random", "trainer.limit_val_batches=1").returncode == 0
    )
    assert any("reused" in trial.user_attrs for trial in study().trials)  # six draws of four points
    assert Path(study().best_trial.user_attrs["checkpoint"]).is_file()
