"""Which sampler ``auto`` takes, and that a search that it draws goes on as it would have."""

from pathlib import Path

import pytest
from optuna.samplers import GPSampler, TPESampler
from search_commands import study

from lightning_sweeps.searches.space.auto import Search, automatic
from lightning_sweeps.searches.space.conditions import conditional
from lightning_sweeps.searches.space.parse import parse_space

NUMBERS = ["lr=tag(log,interval(1e-5,1e-1))", "width=int(interval(8,128))"]
CHOICES = [*NUMBERS, "optimizer=adam,sgd"]


@pytest.mark.parametrize(
    ("typed", "n_trials", "search", "kind", "why"),
    [
        (CHOICES, 20, Search(), GPSampler, "choices among the parameters, up to 100 trials"),
        (CHOICES, 100, Search(), GPSampler, "choices among the parameters, up to 100 trials"),
        (CHOICES, 101, Search(), TPESampler, "more than 100 trials"),
        (CHOICES, 19, Search(), TPESampler, "fewer than 20 trials"),
        (NUMBERS, 20, Search(), TPESampler, "numbers only"),
        (CHOICES, 20, Search(prunes=True), TPESampler, "a pruner"),
        (CHOICES, 20, Search(objectives=2), TPESampler, "several objectives"),
        (CHOICES, 20, Search(constrained=True), TPESampler, "constraints"),
    ],
)
def test_it_depends_on_space_budget_pruner_and_objectives(typed, n_trials, search, kind, why):
    sampler, said = automatic(parse_space(None, typed, None), n_trials, 1, search)
    assert type(sampler) is kind
    assert said == why


def test_conditions_have_parameters_drawn_together_that_are_there_together():
    space = conditional(parse_space(None, CHOICES, None), {"width": "optimizer=sgd"})
    sampler, said = automatic(space, 20, 1, Search())
    assert (type(sampler), said) == (TPESampler, "conditions")


@pytest.mark.parametrize(("n_trials", "first"), [(10, 5), (20, 5), (21, 10), (200, 10)])
def test_a_small_search_begins_with_fewer_random_trials(n_trials, first):
    sampler, _ = automatic(parse_space(None, NUMBERS, None), n_trials, 1, Search())
    assert isinstance(sampler, TPESampler)
    assert sampler._n_startup_trials == first


@pytest.mark.slow
def test_a_search_of_choices_says_so_and_is_resumed_as_if_it_had_not_stopped(sweep, app):
    search = ["x=interval(-5.0,5.0)", "y=0,3,9", "hydra.sweeper.sampler.seed=4", "hydra.sweeper.warm_start=null"]
    done = sweep(*search, "hydra.sweeper.n_trials=20")
    assert done.returncode == 0, done.stderr
    assert "GPSampler (chosen by auto: choices among the parameters, up to 100 trials), 20 trials" in done.stdout
    whole = [trial.params for trial in study().trials]
    assert min(trial.value for trial in study().trials) < 0.1
    half = ["hydra/sweeper/sampler=gp", "hydra.sweeper.sampler.n_startup_trials=5", "hydra.sweep.dir=t", *search[2:]]
    for n_trials in (9, 20):
        done = sweep(*search[:2], *half, f"hydra.sweeper.n_trials={n_trials}")
        assert done.returncode == 0, done.stderr
    assert [trial.params for trial in study(Path("t")).trials] == whole
