"""Named objectives with directions of their own, and a pruner that judges by the first."""

import json
from pathlib import Path

import pytest
import yaml
from optuna.trial import TrialState
from search_commands import rows, study

from lightning_sweeps.callbacks.costs import Costs
from lightning_sweeps.callbacks.objective import Objective
from lightning_sweeps.errors import ConfigError

ALSO = "objective.also={parameters:min,val/loss:min,seconds_per_step:min,peak_memory:min,seconds:min}"


@pytest.mark.parametrize(
    ("also", "said"),
    [
        ({"parameters": "low"}, "objective.also.parameters=low: it is min or max"),
        ({"parameterz": "min"}, "no cost has this name. Did you mean 'parameters'"),
        ({"val/accuracy": "max"}, "it is objective.metric already"),
        ("parameters", "objective.also=parameters: write {parameters: min"),
    ],
)
def test_wrong_ones_are_said(also, said):
    with pytest.raises(ConfigError) as raised:
        Objective("val/accuracy", also=also)
    assert said in str(raised.value)


def test_a_cost_that_is_not_known_is_not_invented():
    assert Costs(["seconds_per_step", "seconds"]).measured(_Module()) == {}


class _Module:
    device = type("Device", (), {"type": "cpu"})

    def parameters(self):
        return []


@pytest.mark.slow
def test_a_search_with_costs_has_a_front_a_column_each_and_names(command):
    search = ["model=mlp", "model.net.width=4,16", "trainer.max_epochs=2", ALSO, "hydra.sweep.dir=s"]
    done = command("-m", *search, "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert "search in s: maximize val/accuracy, minimize parameters, minimize val/loss" in done.stdout
    assert "Pareto front, " in done.stdout
    found = study()
    costs = ["parameters", "val/loss", "seconds_per_step", "peak_memory", "seconds"]
    assert found.metric_names == ["val/accuracy", *costs]
    assert [one.name for one in found.directions] == ["MAXIMIZE", *["MINIMIZE"] * 5]
    for trial, row in zip(found.trials, rows(), strict=True):
        result = json.loads(Path("s", str(trial.number), "result.json").read_text())
        assert trial.values == [result["objective"], *result["also"].values()]
        assert result["also"]["parameters"] == result["parameters"] == float(row["parameters"])
        assert 0 < result["also"]["seconds_per_step"] < result["also"]["seconds"] < result["seconds"]
        assert 50 < result["also"]["peak_memory"] < 5000  # MB
        epochs = Path("s", str(trial.number), "metrics.csv").read_text().splitlines()
        place = epochs[0].split(",").index("val/loss")
        losses = [float(line.split(",")[place]) for line in epochs[1:]]
        assert result["also"]["val/loss"] == pytest.approx(losses[result["objective_epoch"]])
    front = yaml.safe_load(Path("s", "best.yaml").read_text())["front"]
    assert [one["number"] for one in front] == [trial.number for trial in found.best_trials]
    assert front[0]["values"]["parameters"] == found.trials[front[0]["number"]].values[1]
    assert "History of parameters" in Path("s", "report.html").read_text()


@pytest.mark.slow
def test_a_rerun_of_the_front_is_the_same_where_nothing_is_measured(command):
    search = ["model=mlp", "model.net.width=4,16", "trainer.max_epochs=1", "objective.also={parameters:min}"]
    assert command("-m", *search, "hydra.sweep.dir=s").returncode == 0
    again = command("s", "--front", module="lightning_sweeps.rerun")
    assert again.stdout.count("the same to the last bit as in the search") == len(study().best_trials)
    wrong = command("s", module="lightning_sweeps.rerun")
    assert "choose of its Pareto front: --front, or --trial" in wrong.stderr


@pytest.mark.slow
def test_a_metric_that_is_never_logged_fails_after_the_first_validation(command):
    search = ["model=mlp", "seed=0,1", "trainer.max_epochs=9", "objective.also={val/recall:max}", "hydra.sweep.dir=s"]
    done = command("-m", *search)
    assert done.returncode == 1
    assert "objective.also=val/recall: this metric is never logged" in done.stderr
    assert not Path("s", "0", "metrics.csv").exists()  # no epoch has ended


@pytest.mark.slow
def test_directions_follow_the_config(command):
    done = command("-m", "model=mlp", "seed=0,1", "hydra.sweeper.direction=[maximize,minimize]")
    assert done.returncode == 1
    assert "a run here returns 1 value." in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "asha", "hyperband", "wilcoxon"])
def test_a_pruner_judges_by_the_first_objective(sweep, app, pruner):
    text = app.read_text()
    app.write_text(text.replace("return cfg.x ** 2 + cfg.y", "return cfg.x ** 2, cfg.y"))
    both = "hydra.sweeper.direction=[minimize,maximize]"
    first = {"median": "n_startup_trials=1", "wilcoxon": "n_startup_steps=2"}
    options = [f"hydra.sweeper.pruner.{first[pruner]}"] if pruner in first else []
    done = sweep("x=0.0,0.5,1.0,1.5,5.0,6.0,7.0", "steps=9", both, f"hydra/sweeper/pruner={pruner}", *options)
    assert done.returncode == 0, done.stderr
    trials = study().trials
    assert trials[0].state is TrialState.COMPLETE
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert pruned
    assert all(trial.intermediate_values for trial in pruned)
