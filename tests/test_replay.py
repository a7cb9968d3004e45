"""A stored search, gone through again with other pruners."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from search_commands import study

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.replay.curves import read
from lightning_sweeps.replay.pruners import pruners
from lightning_sweeps.replay.simulation import replay
from lightning_sweeps.searches.record.saved import Saved

ASHA = ["hydra/sweeper/pruner=asha", "hydra.sweeper.pruner.reduction_factor=2"]
SPACE = ["x=3.0,1.0,0.5,2.0,0.0,4.0,0.25,5.0", "steps=9"]


def saved(*curves, direction="minimize", pruned=()) -> Saved:
    """A study with these curves; the trials named in ``pruned`` have no value."""
    made = optuna.create_study(direction=direction)
    for number, curve in enumerate(curves):
        state = TrialState.PRUNED if number in pruned else TrialState.COMPLETE
        reports = {step: float(value) for step, value in enumerate(curve, start=1)}
        value = None if state is TrialState.PRUNED else float(curve[-1])
        made.add_trial(create_trial(state=state, value=value, intermediate_values=reports))
    return Saved(made)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pruner",
    [
        ASHA,
        ["hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=2"],
        ["hydra/sweeper/pruner=hyperband"],
    ],
    ids=lambda typed: typed[0].partition("=")[2],
)
def test_its_numbers_are_those_of_a_real_search_with_that_pruner(sweep, python_without_torch, pruner):
    assert sweep(*SPACE).returncode == 0
    assert sweep(*SPACE, *pruner, "hydra.sweep.dir=real").returncode == 0
    real = study(Path("real")).trials
    told = python_without_torch("-m", "lightning_sweeps.replay", "s", *pruner, "--json")
    assert told.returncode == 0, told.stderr
    (found,) = json.loads(told.stdout)["pruners"].values()
    assert found["pruned"] == [trial.number for trial in real if trial.state is TrialState.PRUNED] != []
    assert found["steps"] == sum(len(trial.intermediate_values) for trial in real)
    assert found["value"] == min(trial.value for trial in real if trial.value is not None)
    assert found["unknown"] == []


def test_what_was_pruned_and_would_have_gone_on_is_unknown():
    stored = read(saved([5, 4, 3, 2], [5, 4.5], [1, 1, 1, 1], pruned={1}))
    (none,) = pruners(["hydra/sweeper/pruner=none"])
    found = replay(stored, none.pruner)
    assert (found.steps, found.pruned, found.unknown, found.best, found.value) == (10, [], [1], 2, 1.0)


@pytest.mark.parametrize(("direction", "best"), [("minimize", 2), ("maximize", 0)])
def test_the_best_that_survives_is_named(direction, best):
    stored = read(saved([5, 5, 5], [4, 4, 4], [1, 1, 1], direction=direction))
    assert stored.best == best
    (threshold,) = pruners(
        ["hydra/sweeper/pruner=threshold", f"hydra.sweeper.pruner.{'lower=2' if best == 2 else 'upper=4.5'}"]
    )
    found = replay(stored, threshold.pruner)
    assert (found.best, found.pruned, found.steps) == ({2: 1, 0: 1}[best], [best], 7)


def test_every_combination_of_pruners_and_arguments_is_tried():
    typed = [
        one.typed for one in pruners(["hydra/sweeper/pruner=median,asha", "hydra.sweeper.pruner.reduction_factor=2,3"])
    ]
    assert typed == [
        "hydra/sweeper/pruner=median",
        "hydra/sweeper/pruner=asha hydra.sweeper.pruner.reduction_factor=2",
        "hydra/sweeper/pruner=asha hydra.sweeper.pruner.reduction_factor=3",
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ([], "name the pruner to try"),
        (["hydra/sweeper/pruner=ash"], "Did you mean 'asha'"),
        (
            ["hydra/sweeper/pruner=asha", "hydra.sweeper.pruner.reduction=2"],
            "no argument of asha.* Did you mean 'reduction_factor'",
        ),
        (["hydra/sweeper/pruner=asha", "hydra.sweeper.pruner.reduction_factor=1"], "must be"),
        (["hydra/sweeper/pruner=asha", "seed=1"], "only the pruner can be another one"),
        (["hydra/sweeper/pruner=(("], r"\(\("),
    ],
)
def test_a_wrong_pruner_is_said(typed, said):
    with pytest.raises(ConfigError, match=said):
        pruners(typed)


def test_a_search_without_curves_is_said():
    silent = optuna.create_study()
    silent.add_trial(create_trial(value=1.0))
    with pytest.raises(ConfigError, match="have reported nothing"):
        read(Saved(silent))
    with pytest.raises(ConfigError, match="no trial of this search is complete"):
        read(saved([1, 2], pruned={0}))
    with pytest.raises(ConfigError, match="has several"):
        read(Saved(optuna.create_study(directions=["minimize", "minimize"])))


@pytest.mark.slow
def test_people_read_a_table(sweep, python_without_torch):
    assert sweep(*SPACE).returncode == 0
    told = python_without_torch("-m", "lightning_sweeps.replay", "s", *ASHA)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("8 trials, 1 at a time, took 72 steps; best ")
    assert "asha reduction_factor=2" in told.stdout
    wrong = python_without_torch("-m", "lightning_sweeps.replay", "nowhere", *ASHA)
    assert wrong.returncode == 1
    assert "no such folder" in wrong.stderr


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "wilcoxon"])
def test_parts_are_replayed_as_a_real_search_prunes_between_them(sweep, python_without_torch, app, pruner):
    config = Path("conf", "config.yaml")
    config.write_text(config.read_text().replace("x: 1.0", "x: 1.0\nseed: 1"))
    app.write_text(app.read_text().replace("return cfg.x ** 2 + cfg.y", "return cfg.x ** 2 + cfg.seed"))
    search = ["x=0.0,1.0,5.0,0.5,6.0", "hydra.sweeper.repeats=6"]
    first = {"median": "n_startup_trials=1", "wilcoxon": "n_startup_steps=2"}[pruner]
    options = [f"hydra/sweeper/pruner={pruner}", f"hydra.sweeper.pruner.{first}"]
    assert sweep(*search).returncode == 0
    assert sweep(*search, *options, "hydra.sweep.dir=real").returncode == 0
    real = study(Path("real")).trials
    told = json.loads(python_without_torch("-m", "lightning_sweeps.replay", "s", *options, "--json").stdout)
    (found,) = told["pruners"].values()
    assert told["search"]["steps"] == 30
    assert found["pruned"] == [trial.number for trial in real if trial.state is TrialState.PRUNED] != []
    assert found["steps"] == sum(len(trial.user_attrs["parts"]) for trial in real)
