"""What is tried before a search's first trial, and what may begin although some of it cannot be built."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.space.tries import Tries


class Composed:
    """Composes overrides to a mapping."""

    def numbered(self, overrides):
        return {key: value for key, _, value in (override.partition("=") for override in overrides)}


def space(**columns):
    made = Space()
    for name, given in columns.items():
        made.lines.append((name, None))
        is_choice = isinstance(given, list)
        made.distributions[name] = CategoricalDistribution(given) if is_choice else given
        if is_choice:
            made.texts[name] = {value: str(value) for value in given}
    return made


def tried(of, refuse):
    asked = []

    def ask(config):
        asked.append(config)
        return refuse({key: float(value) for key, value in config.items()})

    Tries(of, Composed(), ask).require_buildable()
    return asked


def test_each_value_is_tried_once_with_the_first_of_the_others():
    asked = tried(space(a=[1, 2, 3], b=[4, 5]), lambda _: None)
    assert asked == [{"a": "1", "b": "4"}, {"a": "2", "b": "4"}, {"a": "3", "b": "4"}, {"a": "1", "b": "5"}]


def test_a_value_that_suits_nothing_is_named():
    with pytest.raises(ConfigError, match=r"^a=2: no two$"):
        tried(space(a=[1, 2, 3], b=[4, 5]), lambda config: "no two" if config.get("a") == 2 else None)


def test_what_all_have_in_common_is_said_without_a_value():
    with pytest.raises(ConfigError, match=r"^no GPU$"):
        tried(space(a=[1, 2], b=FloatDistribution(0, 1)), lambda _: "no GPU")


@pytest.mark.parametrize(
    "suits",
    [
        lambda a, b: b % a == 0,  # heads divide a width
        lambda a, b: a == b,
        lambda a, b: a >= b,
    ],
)
def test_values_that_suit_some_of_the_others_may_be_searched(suits):
    tried(space(a=[1, 2, 3, 4], b=[1, 2, 3, 4]), lambda config: None if suits(config["a"], config["b"]) else "no")


def test_of_a_range_its_ends_are_tried():
    asked = tried(space(n=IntDistribution(1, 9), x=FloatDistribution(0.0, 1.0)), lambda _: None)
    assert {config["n"] for config in asked} == {"1", "9"}
    assert all(0 < float(config["x"]) < 1 for config in asked), "an end of a continuous range is hardly ever drawn"
    with pytest.raises(ConfigError, match=r"^n=9: too many$"):
        tried(space(n=IntDistribution(1, 9)), lambda config: "too many" if config.get("n", 0) > 8 else None)


def test_long_lists_are_tried_here_and_there():
    assert len(tried(space(a=list(range(1000))), lambda _: None)) <= 16
