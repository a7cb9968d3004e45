"""Searches that are told where good values are expected."""

import random

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from search_commands import study

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.priors import expected, with_expected
from lightning_sweeps.searches.space.expecting import Expecting, near
from lightning_sweeps.searches.space.parse import parse_space
from lightning_sweeps.searches.warm_start import WarmStart

SPACE = ["optimizer.lr=tag(log,interval(1e-5,1e-1))", "width=int(interval(8,128))", "optimizer=adam,sgd"]
GIVEN = {"optimizer.lr": 1e-3, "optimizer": "sgd"}


@pytest.fixture
def space():
    return parse_space(None, SPACE, None)


def test_the_first_trials_are_near_and_later_ones_seldom(space):
    sampler = Expecting(optuna.samplers.RandomSampler(seed=1), expected(GIVEN, space, samples=True), seed=1)
    drawn = optuna.create_study(sampler=sampler)
    for _ in range(200):
        trial = drawn.ask()
        space.draw(trial)
        drawn.tell(trial, 0.0)

    def near_ones(trials):
        return sum(3e-5 < one.params["optimizer.lr"] < 3e-2 and one.params["optimizer"] == "sgd" for one in trials)

    assert near_ones(drawn.trials[:3]) >= 2
    assert near_ones(drawn.trials[100:]) < 50, "a random draw is near in a third of the trials"


def test_with_a_seed_a_trial_is_drawn_by_its_number(space):
    def drawn(count, skipped=0):
        sampler = Expecting(optuna.samplers.RandomSampler(seed=1), expected(GIVEN, space, samples=True), seed=5)
        found = optuna.create_study(sampler=sampler)
        for _ in range(skipped):
            found.tell(found.ask(), 0.0)
        trials = [found.ask(space.distributions) for _ in range(count)]
        return [one.params["optimizer.lr"] for one in trials]

    assert drawn(3)[2] == drawn(1, skipped=2)[0]


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (FloatDistribution(1e-5, 1e-1, log=True), 1e-5),
        (FloatDistribution(0.0, 1.0, step=0.25), 1.0),
        (IntDistribution(8, 128, log=True), 8),
        (IntDistribution(0, 30, step=10), 20),
        (IntDistribution(4, 4), 4),
        (CategoricalDistribution(["a", "b", None]), None),
        (CategoricalDistribution(["a"]), "a"),
    ],
)
def test_a_value_near_another_lies_in_the_range(distribution, value):
    drawing = random.Random(0)
    found = [near(value, distribution, drawing) for _ in range(300)]
    assert all(distribution._contains(distribution.to_internal_repr(one)) for one in found)
    assert distribution.single() or len(set(found)) > 1
    if isinstance(distribution, CategoricalDistribution) and not distribution.single():
        assert 0.6 < found.count(value) / 300 < 0.8


@pytest.mark.parametrize(
    ("given", "samples", "said"),
    [
        ({"optimizer.lrr": 1e-3}, True, "hydra.sweeper.priors: optimizer.lrr is not searched. Did you mean"),
        ({"optimizer.lr": 5}, True, "optimizer.lr=5 is outside of tag(log,interval(1e-05,0.1))"),
        ([1], True, "hydra.sweeper.priors=[1]: it is parameters with values"),
        (GIVEN, False, "every combination of this space is run"),
    ],
)
def test_wrong_ones_are_said(space, given, samples, said):
    with pytest.raises(ConfigError) as refused:
        expected(given, space, samples=samples)
    assert said in str(refused.value)


def test_they_make_a_trial_of_their_own_within_the_budget():
    first = WarmStart([{"x": 1.0}], "the first one has the config's own values")
    assert with_expected(first, {"x": 2.0}, 5).points == [{"x": 1.0}, {"x": 2.0}]
    assert with_expected(first, {"x": 1.0}, 5) is first
    assert with_expected(first, {"x": 2.0}, 1) is first
    assert with_expected(WarmStart(), {"x": 2.0}, 5).said == "the first one has the priors' values"


@pytest.mark.slow
def test_a_search_begins_there(sweep):
    done = sweep(
        "x=interval(-5.0,5.0)", "y=int(interval(0,9))", "hydra.sweeper.n_trials=3", "hydra.sweeper.priors={x:-3.5}"
    )
    assert done.returncode == 0, done.stderr
    assert "the first one has the config's own values, then one the priors'" in done.stdout
    params = [trial.params for trial in study().trials]
    assert params[0] == {"x": 1.0, "y": 0}
    assert params[1]["x"] == -3.5
