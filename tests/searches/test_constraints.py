"""What a trial must fulfil to count as a result."""

import json
import math
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.trial import create_trial
from search_commands import rows, study

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.auto import Search
from lightning_sweeps.searches.space.chosen import build_sampler
from lightning_sweeps.searches.space.constraints import constraints, for_samplers, violated, violations
from lightning_sweeps.searches.space.parse import parse_space


@pytest.mark.parametrize(
    ("text", "value", "fulfilled"),
    [
        ("x<3", 2.9, True),
        ("x<3", 3.0, False),
        ("x<=3", 3.0, True),
        ("x > 0", 0.0, False),
        ("x>=0", 0.0, True),
        ("x<1e5", 99_999.0, True),
        ("x<3", math.nan, False),
    ],
)
def test_a_bound_holds_or_does_not(text, value, fulfilled):
    found = violations(constraints([text]), {"x": value})
    assert (found[text] <= 0) is fulfilled
    trial = create_trial(value=1.0, user_attrs={"constraints": found})
    assert violated(trial) == ([] if fulfilled else [text])
    assert for_samplers(trial) == list(found.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("parameters", "'parameters' is no constraint"),
        (["parameters=3"], "'parameters=3' is no constraint"),
        (["parameters<many"], "many is none"),
        (3, "it is a list of texts"),
    ],
)
def test_wrong_ones_are_said(given, said):
    with pytest.raises(ConfigError, match=said):
        constraints(given)
    with pytest.raises(ConfigError, match=r"the run notes no val/acc\. Did you mean 'val/accuracy'.* It notes val/acc"):
        violations(constraints("val/acc>0.5"), {"val/accuracy": 0.9})


@pytest.mark.parametrize("name", ["TPESampler", "GPSampler", "NSGAIISampler", "NSGAIIISampler"])
@pytest.mark.parametrize("seed", [None, 3])
def test_samplers_that_know_constraints_are_told(name, seed):
    space = parse_space(None, ["x=interval(0.0,1.0)"], None)
    node = {"_target_": f"optuna.samplers.{name}", "seed": seed}
    sampler, *_ = build_sampler(node, space, [], 9, Search(constrained=True), extended=False)
    told = optuna.create_study(sampler=sampler)
    trial = told.ask(space.distributions)
    trial.set_user_attr("constraints", {"y<1": 2.0})
    told.tell(trial, 1.0)
    assert list(told.trials[0].system_attrs["constraints"]) == [2.0]


@pytest.mark.slow
def test_a_trial_that_violates_one_is_no_result(command):
    search = ["model=mlp", "model.net.width=4,16,64", "trainer.max_epochs=2", "hydra.sweep.dir=s"]
    done = command("-m", *search, 'hydra.sweeper.constraints=["parameters<3000","seconds<1000"]')
    assert done.returncode == 0, done.stderr
    assert "violates parameters<3000  width=64" in done.stdout
    values = {trial.number: trial.value for trial in study().trials}
    assert max(values, key=lambda number: values[number]) == 2
    best = max((0, 1), key=lambda number: values[number])
    assert yaml.safe_load(Path("s", "best.yaml").read_text())["number"] == best
    assert [row["reason"] for row in rows()] == ["", "", "violates parameters<3000"]
    assert study().best_trial.number == best  # Optuna's own word for it
    assert json.loads(Path("s", "0", "result.json").read_text())["costs"]["seconds"] > 0
    again = command("s", module="lightning_sweeps.rerun")
    assert "the same to the last bit as in the search" in again.stdout


@pytest.mark.slow
def test_the_front_has_none_that_violates_one(command):
    search = ["model=mlp", "model.net.width=4,16,64", "trainer.max_epochs=1", "objective.also={parameters:min}"]
    done = command("-m", *search, "hydra.sweep.dir=s", 'hydra.sweeper.constraints=["parameters<3000"]')
    assert done.returncode == 0, done.stderr
    front = yaml.safe_load(Path("s", "best.yaml").read_text())["front"]
    assert {one["number"] for one in front} <= {0, 1}


@pytest.mark.slow
def test_a_program_that_notes_nothing_is_told_so(sweep):
    done = sweep("x=1.0,2.0,3.0", 'hydra.sweeper.constraints=["parameters<3"]')
    assert done.returncode == 1
    assert "'parameters<3': the run notes no parameters. It notes nothing" in done.stderr
