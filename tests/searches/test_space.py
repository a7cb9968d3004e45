"""Overrides become a space and come back as they were typed."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.overrides.text import quoted
from lightning_sweeps.searches.space.parse import parse_space
from lightning_sweeps.searches.space.space import Space


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


def test_what_is_shuffled_comes_back_as_it_was_drawn_and_in_one_order_everywhere():
    orders = []
    for _ in range(2):
        space = parse_space(None, ["x=shuffle(1,2,3,4,5,6)", "y=shuffle(range(0,5))"], None)
        points = space.combinations()
        assert points is not None
        assert all(value_of(space.overrides(point)[0]) == point["x"] for point in points)
        assert space.distributions == {"x": CategoricalDistribution((1, 2, 3, 4, 5, 6)), "y": IntDistribution(0, 4)}
        orders.append([tuple(point.values()) for point in points])
    assert orders[0] == orders[1] != sorted(orders[0])
    assert len(set(orders[0])) == 30


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("x=range(5,0,-1)", [5, 4, 3, 2, 1]),
        ("x=sort(range(1,5),reverse=true)", [4, 3, 2, 1]),
        ("x=range(0.1,0.5,step=0.1)", [0.1, 0.2, 0.3, 0.4]),
        ("x=9007199254740993,9007199254740995", [9007199254740993, 9007199254740995]),
        ("x=sort(3,1,2)", [1, 2, 3]),
    ],
)
def test_every_combination_runs_in_hydras_order(typed, values):
    assert [point["x"] for point in parse_space(None, [typed], None).combinations() or []] == values


@pytest.mark.parametrize("pin", ["x=50", "+x=50", "++x=50", "~x"])
def test_what_is_pinned_on_the_command_line_is_searched_no_more(pin):
    space = parse_space({"x": "1,2,3", "y": "1,2"}, [pin], None)
    assert list(space.distributions) == ["y"]
    assert space.overrides({"y": 1}) == ["y=1", pin]


@pytest.mark.filterwarnings("ignore:extend_list:UserWarning")
def test_overrides_of_one_key_that_add_to_each_other_are_all_kept():
    typed = ["a={u:1}", "a={v:2}", "t=extend_list(p)", "t=extend_list(q)", "b=[1],[2]", "b=extend_list(3)"]
    space = parse_space(None, typed, None)
    assert space.overrides({"b": "[2]"}) == [*typed[:4], "b=[2]", typed[5]]


def test_a_sweep_that_a_later_override_replaces_is_none():
    space = parse_space(None, ["x=1,2", "x=5", "y=1,2", "y=3,4"], None)
    assert space.overrides({"y": 3}) == ["x=5", "y=3"]
    with pytest.raises(ConfigError, match="searched twice"):
        parse_space(None, ["a={u:1},{u:2}", "a={v:1},{v:2}"], None)


def test_a_config_may_write_params_as_yaml_has_them():
    space = parse_space({"x": None, "y": True, "z": 3, "o": {"lr": "interval(0.1,0.2)", "n": "1,2"}}, [], None)
    assert space.fixed == ["x=null", "y=true", "z=3"]
    assert list(space.distributions) == ["o.lr", "o.n"]
    with pytest.raises(ConfigError, match=r"hydra\.sweeper\.params\.x is a list.*x: 1,2"):
        parse_space({"x": [1, 2]}, [], None)


@pytest.mark.parametrize("typed", ["x=int(interval(0,9007199254740993))", "x=range(0,9007199254740995)"])
def test_integers_that_optuna_would_round_are_refused(typed):
    with pytest.raises(ConfigError, match=r"2\*\*53"):
        parse_space(None, [typed], None)


# -- whatever Hydra's grammar offers ------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(-1e6, 1e6, allow_nan=False).map(repr),
    st.sampled_from(["1e-5", "0.1", "-0", "1.0", "inf", "nan", "1_000"]),
)
WORDS = st.sampled_from(["a", "b", "on", "nul", "a/b", "x.y", "1a", "c d", "a-b", "é", "true ", "a:b", "@p", "$"])
QUOTED = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=5).map(quoted)
SCALARS = st.one_of(NUMBERS, WORDS, QUOTED, st.sampled_from(["null", "true", "false", "'1'", '"true"', "'null'"]))
ELEMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.dictionaries(st.sampled_from("uvw"), inner, max_size=2).map(
            lambda items: "{" + ",".join(f"{key}:{value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=4,
)
SMALL = st.integers(-4, 4)
CHOICES = st.lists(ELEMENTS, min_size=2, max_size=4).map(",".join)
RANGES = st.one_of(
    st.tuples(SMALL, SMALL, SMALL.filter(bool)).map(lambda one: f"range({one[0]},{one[1]},{one[2]})"),
    st.tuples(SMALL, st.sampled_from([0.1, 0.25, 1e-3, -0.3]), st.integers(1, 4)).map(
        lambda one: f"range({one[0]},{one[0] + one[1] * one[2]!r},step={one[1]!r})"
    ),
)
SORTED = st.lists(st.integers(-9, 9).map(str), min_size=2, max_size=4).map(",".join)
SWEEPS = st.one_of(
    CHOICES,
    CHOICES.map("choice({})".format),
    CHOICES.map("shuffle({})".format),
    CHOICES.map("tag(t,choice({}))".format),
    RANGES,
    RANGES.map("shuffle({})".format),
    RANGES.map("tag(t,{})".format),
    st.tuples(st.sampled_from(["int", "float", "str", "bool", "json_str"]), RANGES).map("{0[0]}({0[1]})".format),
    st.tuples(st.sampled_from(["int", "float", "str", "bool", "json_str"]), SORTED).map("{0[0]}({0[1]})".format),
    st.tuples(st.one_of(SORTED, RANGES), st.sampled_from(["true", "false"])).map("sort({0[0]},reverse={0[1]})".format),
    st.sampled_from(["glob(*)", "glob([m*,r*])", "glob(*,exclude=m*)"]),
)
LINES = st.tuples(
    st.sampled_from(["", "", "+", "++"]), st.one_of(SWEEPS, SWEEPS, ELEMENTS), st.sampled_from(["", "", "@pkg"])
)


@pytest.fixture(scope="module")
def loader():
    return ConfigLoaderImpl(config_search_path=create_config_search_path(str(CONF)))


def meant(overrides, loader):
    """What a job's overrides say: by key, the value with its type."""
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
    return tuple((one.get_key_element(), repr(one.value())) for one in parsed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:extend_list:UserWarning")
@settings(max_examples=1000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(LINES, min_size=1, max_size=3), group=st.booleans())
def test_whatever_is_typed_runs_as_under_hydras_own_sweeper(loader, lines, group):
    """The same values in the same order, and the study is told what the trial's config holds."""
    keys = ["model", "a.b", "c"] if group else ["a.b", "c", "d_1"]
    typed = [f"{prefix}{key}{package}={text}" for key, (prefix, text, package) in zip(keys, lines, strict=False)]
    try:
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(typed)
        jobs = [meant(job, loader) for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]
    except (HydraException, ValueError, TypeError):
        reject()
    if not jobs:
        with pytest.raises(ConfigError):
            parse_space(None, typed, loader)
        return
    space = parse_space(None, typed, loader)
    points = space.combinations() if space.distributions else [{}]
    assert points is not None
    found = [meant(space.overrides(point), loader) for point in points]
    expected = list(dict.fromkeys(jobs))  # ours runs each once
    if "shuffle" in "".join(typed):
        found, expected = sorted(found), sorted(expected)
    assert found == expected
    for point in points:
        told = dict(zip([one for one, text in space.lines], space.overrides(point), strict=True))
        for name, value in point.items():
            override = OverridesParser.create(config_loader=loader).parse_override(told[name])
            as_text = told[name].partition("=")[2]
            assert repr(value) in (repr(override.value()), repr(as_text)), told[name]
        kept = {
            name: one.to_external_repr(one.to_internal_repr(point[name])) for name, one in space.distributions.items()
        }
        assert meant(space.overrides(kept), loader) == meant(space.overrides(point), loader)
