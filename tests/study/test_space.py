"""Overrides become a space and come back as they were typed."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import FloatDistribution, IntDistribution

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.study.space import Space, parse_space


def value_of(override: str):
    return OverridesParser.create().parse_override(override).value()


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("a=1,2,3", [1, 2, 3]),
        ("a=null,0.5,1", [None, 0.5, 1]),
        ("a=true,false", [True, False]),
        ("a=[64,32],[128],64", [[64, 32], [128], 64]),
        ("a='b c','d,e','f=g'", ["b c", "d,e", "f=g"]),
        ("a='1',1,true", ["1", 1, True]),
        ('a="it\'s","a \\"quote\\""', ["it's", 'a "quote"']),
        ("a='null',null", ["null", None]),
        ("model=choice(mlp,cnn)", ["mlp", "cnn"]),
    ],
)
def test_choices_come_back_as_they_were_typed(typed, values):
    space = parse_space(None, [typed], None)
    points = space.combinations()
    assert points is not None
    found = [value_of(override) for point in points for override in space.overrides(point)]
    assert [str(value) for value in found] == [str(value) for value in values]
    assert [type(value) in (str, int, float, bool, list, type(None)) or str(value) for value in found]


@pytest.mark.parametrize(
    "text", ["a b", "it's", "a\\b", "a\\'b", "end\\", "'", "\\\\'x", "a=b, c", "", "x'\\", "null", "1e-3"]
)
def test_a_text_of_a_space_in_python_comes_back(text):
    (override,) = Space().overrides({"a": text})
    assert value_of(override) == text


def test_combinations_come_in_hydras_order():
    space = parse_space(None, ["a=1,2", "c=3", "b=x,y"], None)
    assert [space.overrides(point) for point in space.combinations() or []] == [
        ["a=1", "c=3", "b=x"],
        ["a=1", "c=3", "b=y"],
        ["a=2", "c=3", "b=x"],
        ["a=2", "c=3", "b=y"],
    ]


def test_the_command_line_wins_over_the_config():
    space = parse_space({"a": "choice(1,2)", "b": "range(0,4)"}, ["a=5", "b=interval(0.0,1.0)"], None)
    assert space.overrides({"b": 0.5}) == ["a=5", "b=0.5"]
    assert space.distributions == {"b": FloatDistribution(0.0, 1.0)}


def test_ranges_leave_out_their_end_as_in_hydra():
    space = parse_space(None, ["a=range(1,4)", "b=tag(log,int(interval(1,8)))"], None)
    assert space.distributions == {"a": IntDistribution(1, 3), "b": IntDistribution(1, 8, log=True)}
    assert space.combinations() is None  # a logarithmic integer is searched


def test_an_empty_range_is_refused():
    with pytest.raises(ConfigError, match=r"a=range\(3,3\)"):
        parse_space(None, ["a=range(3,3)"], None)
