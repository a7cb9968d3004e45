"""How sure it is that the best trial is the best."""

import random
import re
import statistics

import optuna
import pytest
from optuna.trial import create_trial

from lightning_sweeps.searches.record.certainty import certainty, in_words


def made(*trials, direction="maximize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    for trial in trials:
        study.add_trial(trial)
    return study


def repeated(*values):
    parts = {str(part): [value] for part, value in enumerate(values)}
    return create_trial(value=sum(values) / len(values), user_attrs={"parts": parts})


def curve(end: float, noise: float, draw: random.Random, epochs: int = 20):
    values = {step: end * (1 - 0.5**step) + draw.gauss(0, noise) for step in range(1, epochs + 1)}
    return create_trial(value=values[epochs], intermediate_values=values)


def test_repeats_tell_of_the_noise_of_their_mean():
    found = certainty(made(repeated(0.9, 1.0, 1.1), repeated(0.5, 0.6, 0.7)))
    assert found is not None
    assert (found.source, found.near) == ("repeats", [])
    assert found.noise == pytest.approx(0.1 / 3**0.5)
    assert found.probability == 1.0
    assert found.is_sure


@pytest.mark.parametrize("noise", [0.002, 0.02])
def test_the_ends_of_curves_tell_of_the_noise_too(noise):
    chances = []
    for seed in range(8):  # ten trials that are all the same, eight times
        draw = random.Random(seed)
        found = certainty(made(*(curve(0.9, noise, draw) for _ in range(10))))
        assert found is not None
        assert found.source == "curves"
        assert 0.6 * noise < found.noise < 1.5 * noise
        chances.append(found.probability)
    assert statistics.mean(chances) < 0.7


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_two_equal_trials_are_as_likely_the_best(direction):
    sign = 1 if direction == "maximize" else -1
    trials = [repeated(*(sign * one for one in values)) for values in ((0.9, 1.0), (0.9, 1.0), (0.1, 0.2))]
    found = certainty(made(*trials, direction=direction))
    assert found is not None
    assert found.near == [1]
    assert found.probability == pytest.approx(0.5, abs=0.05)
    assert certainty(made(*trials, direction=direction)) == found


def test_where_nothing_tells_nothing_is_said():
    assert certainty(made()) is None
    assert certainty(made(create_trial(value=1.0), create_trial(value=2.0))) is None
    assert certainty(made(repeated(1.0, 2.0))) is None
    several = optuna.create_study(directions=["minimize", "minimize"])
    assert certainty(several) is None
    flat = create_trial(value=1.0, intermediate_values=dict.fromkeys(range(20), 1.0))
    assert certainty(made(flat, flat)) is None


def test_what_to_do_next_is_a_command():
    unsure = certainty(made(repeated(0.9, 1.1), repeated(0.91, 1.09), repeated(0.0, 0.1)))
    sure = certainty(made(repeated(0.9, 1.0), repeated(0.1, 0.2)))
    assert unsure is not None
    assert sure is not None
    again = "python -m lightning_sweeps.rerun 'a folder' --top 2 --seeds 3"
    assert in_words(unsure, 0, "a folder", 3, exhausted=False)[1].endswith(again)
    how_sure, more = in_words(sure, 0, "s", 2, exhausted=False)
    assert more.endswith("python -m lightning_sweeps.resume s hydra.sweeper.n_trials=4")
    assert (
        "no other trial is within it, and trial 0 is the best of those tried with probability more than 0.99"
        in how_sure
    )
    assert len(in_words(sure, 0, "s", 2, exhausted=True)) == 1


def test_what_curves_say_is_the_least_that_noise_can_be():
    """A run whose curve is smooth would else be the best with certainty, whatever another seed gives."""
    bent = {step: 0.001 * (step % 2) for step in range(20)}
    trials = [create_trial(value=value, intermediate_values=bent) for value in (0.9, 0.8, 0.1)]
    found = certainty(made(*trials))
    assert found is not None
    how_sure, seeds, more = in_words(found, 0, "s", 3, exhausted=False)
    assert how_sure.startswith("noise of a value at least 0.0")
    assert "seeds mostly differ more" in how_sure
    assert "probability" not in how_sure
    assert seeds == "how much seeds differ: python -m lightning_sweeps.rerun s --top 2 --seeds 3"
    assert more == "new trials: python -m lightning_sweeps.resume s hydra.sweeper.n_trials=6"
    assert in_words(found, 0, "s", 3, exhausted=True) == [how_sure, seeds]
    near = [create_trial(value=value, intermediate_values=bent) for value in (0.9, 0.9001)]
    unsure = certainty(made(*near))
    assert unsure is not None
    how_sure, seeds = in_words(unsure, 0, "s", 2, exhausted=False)
    assert re.search(r"with probability 0\.\d\d at most$", how_sure)
    assert seeds.startswith("new seeds tell more than new trials now: ")


def test_seeds_are_not_judged_as_configurations():
    distributions = {"seed": optuna.distributions.IntDistribution(0, 1)}
    parts = repeated(1.0, 1.1).user_attrs
    trials = [create_trial(value=1.0, params={"seed": 0}, distributions=distributions, user_attrs=parts)] * 2
    assert certainty(made(*trials)) is None
