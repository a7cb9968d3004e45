"""What the numbers suggest: sentences, and commands that run."""

import json
import shlex
from pathlib import Path

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import TrialState, create_trial
from search_commands import rows

from lightning_sweeps.report.advice import advice
from lightning_sweeps.searches.record.saved import Saved, open_saved

START = {
    "started": "2026-11-27T00:00:00+00:00",
    "command": "python train.py -m 'x=interval(0,1)' k=range(1,5) hydra.sweep.dir=old",
    "program": ["python", "train.py"],
}


def study(space: dict[str, BaseDistribution], direction: str = "maximize") -> optuna.Study:
    made = optuna.create_study(direction=direction)
    made.set_user_attr("space", {name: distribution_to_json(one) for name, one in space.items()})
    made.set_user_attr("start:1", START)
    return made


def told(made: optuna.Study, folder=None) -> dict[str, str]:
    return {one.said: one.command for one in advice(Saved(made, folder))}


@pytest.mark.parametrize(
    ("one", "values", "wider"),
    [
        (FloatDistribution(0, 10), [9.9, 5.0], "x=interval(0.0,15.0)"),
        (FloatDistribution(-4, 4), [-4.0, 1.0], "x=interval(-8.0,4.0)"),
        (FloatDistribution(1e-4, 1e-2, log=True), [0.0099, 0.001], "'x=tag(log,interval(0.0001,0.1))'"),
        (FloatDistribution(1e-4, 1e-2, log=True), [0.0001, 0.001], "'x=tag(log,interval(1e-05,0.01))'"),
        (IntDistribution(2, 10), [10, 5], "'x=range(2,15)'"),
        (IntDistribution(2, 10, step=4), [10, 6], "'x=range(2,15,4)'"),
        (IntDistribution(16, 256, log=True), [256, 64], "'x=tag(int,log,interval(16,1000))'"),
        (FloatDistribution(0, 10), [5.0, 9.9], None),
        (FloatDistribution(0, 1), [1.0, 0.5], None),
        (FloatDistribution(0, 1), [0.0, 0.5], None),
        (CategoricalDistribution([1, 2]), [2, 1], None),
    ],
    ids=str,
)
def test_a_best_value_at_the_border_of_its_range(one, values, wider):
    made = study({"x": one})
    for place in range(8):
        value = values[min(place, 1)]
        made.add_trial(create_trial(params={"x": value}, distributions={"x": one}, value=1.0 - place))
    if wider is None:
        assert told(made) == {}
        return
    ((said, command),) = told(made).items()
    assert "is at the border of its range" in said
    assert shlex.split(command) == shlex.split(f"python train.py -m k=range(1,5) {shlex.quote(wider.strip(chr(39)))}")


def test_few_trials_and_another_tools_study_have_no_command():
    one = FloatDistribution(0, 10)
    made = optuna.create_study(direction="maximize")
    for place in range(7):
        made.add_trial(create_trial(params={"x": 10.0 - place}, distributions={"x": one}, value=float(-place)))
    assert told(made) == {}
    made.add_trial(create_trial(params={"x": 1.0}, distributions={"x": one}, value=-9.0))
    ((said, command),) = told(made).items()
    assert command == ""
    assert said.endswith("Search a wider one.")


def test_a_cheaper_trial_that_is_nearly_as_good(tmp_path):
    made = study({})
    for value, seconds in ((0.98, 100.0), (0.979, 20.0), (0.978, 25.0), (0.9, 1.0)):
        made.add_trial(create_trial(value=value, user_attrs={"seconds": seconds}))
    ((said, command),) = told(made, tmp_path).items()
    assert said == "Trial 1 is within 0.5 % of the best, and took 20 % of its time."
    assert command == f"python -m lightning_sweeps.rerun {tmp_path} --trial 1"


def test_what_failed_trials_share():
    one = CategoricalDistribution([64, 128, 512])
    made = study({"batch_size": one})
    for value in (64, 128):
        made.add_trial(create_trial(params={"batch_size": value}, distributions={"batch_size": one}, value=1.0))
    for _ in range(2):
        made.add_trial(
            create_trial(params={"batch_size": 512}, distributions={"batch_size": one}, state=TrialState.FAIL)
        )
    ((said, command),) = told(made).items()
    assert said.startswith("All 2 failed trials share batch_size=512, and no other trial has it.")
    assert shlex.split(command)[-1] == "batch_size=choice(64,128)"
    made.add_trial(create_trial(params={"batch_size": 512}, distributions={"batch_size": one}, value=1.0))
    assert told(made) == {}


@pytest.mark.slow
def test_the_command_runs(sweep, python):
    """A border is found by a real search, and the command that follows searches beyond it."""
    assert sweep("x=interval(3,8)", "hydra.sweeper.n_trials=12", "hydra.sweeper.sampler.seed=0").returncode == 0
    found = [one for one in advice(open_saved("s")) if "border" in one.said]
    ((said, command),) = [(one.said, one.command) for one in found]
    assert said.startswith("The best x=3")
    program, script, *rest = shlex.split(command)
    assert program == "python"
    done = python(script, *rest, "hydra.sweep.dir=wider", "hydra.sweeper.n_trials=4")
    assert done.returncode == 0, done.stderr
    assert len(rows(Path("wider"))) == 4
    space = json.loads(open_saved("wider").study.user_attrs["space"]["x"])
    assert space["attributes"]["low"] == 0.5
