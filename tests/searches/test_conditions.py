"""Parameters that are there only with certain values of others, combinations left out, values that go together."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from search_commands import rows, study

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.conditions import conditional, without
from lightning_sweeps.searches.space.parse import parse_space
from lightning_sweeps.searches.space.space import Space

PARAMS = {
    "momentum": "0.5,0.9",  # typed before what it depends on
    "optimizer": "adam,sgd",
    "depth": "range(1,4)",
    "width_2": "choice(8,16)",
    "width_3": "choice(8,16)",
}
WITH_A_RATE = {**PARAMS, "rate": "interval(0.0,1.0)"}
CONDITIONS = {"momentum": "optimizer=sgd", "width_2": "depth>=2", "width_3": ["depth>=3"]}


def made(params=PARAMS, conditions=CONDITIONS, exclude=(), typed=()) -> Space:
    return without(conditional(parse_space(params, list(typed), None), conditions), exclude)


def test_what_is_not_there_is_in_no_override_and_each_combination_comes_once():
    space = made()
    points = space.combinations()
    assert points is not None
    overrides = [tuple(space.overrides(point)) for point in points]
    assert len(set(overrides)) == len(overrides) == 3 * (1 + 2 + 4)
    for point, lines in zip(points, overrides, strict=True):
        assert ("momentum" in point) == (point["optimizer"] == "sgd")
        assert ("width_2" in point) == (point["depth"] >= 2)
        assert ("width_3" in point) == (point["depth"] >= 3)
        assert {line.partition("=")[0] for line in lines} == point.keys()


@pytest.mark.parametrize(
    "sampler", [optuna.samplers.TPESampler, optuna.samplers.RandomSampler], ids=lambda s: s.__name__
)
def test_a_sampler_draws_only_what_is_there(sampler):
    space = made()
    drawn = optuna.create_study(sampler=sampler(seed=0))

    def objective(trial):
        space.draw(trial)
        return len(trial.params)

    drawn.optimize(objective, n_trials=40)
    for trial in drawn.trials:
        assert trial.params == space.present(trial.params)
        assert ("momentum" in trial.params) == (trial.params["optimizer"] == "sgd")
        assert ("width_3" in trial.params) == (trial.params["depth"] >= 3)


def test_a_condition_of_a_condition():
    space = made({"a": "1,2", "b": "1,2", "c": "1,2"}, {"c": "b=2", "b": "a!=1"})
    assert [space.overrides(point) for point in space.combinations() or []] == [
        ["a=1"],
        ["a=2", "b=1"],
        ["a=2", "b=2", "c=1"],
        ["a=2", "b=2", "c=2"],
    ]
    assert space.with_value({"a": 1}, "c", 1) == {"a": 2, "b": 2, "c": 1}


@pytest.mark.parametrize(
    ("condition", "first"),
    [("x>0.5", 1.0), ("x<0.5", 0.0), ("x!=0", 1.0), ("x>=1", 1.0), (["x>0.5", "x<=0.75"], 0.75)],
)
def test_a_point_with_a_conditional_parameter_is_found_in_a_range(condition, first):
    space = made({"x": "interval(0.0,1.0)", "y": "1,2"}, {"y": condition})
    assert space.with_value({}, "y", 1)["x"] == first


def test_what_is_pinned_decides_its_conditions():
    assert list(made(typed=["optimizer=adam"]).distributions) == ["depth", "width_2", "width_3"]
    pinned = made(typed=["optimizer=sgd", "depth=2"])
    assert list(pinned.distributions) == ["momentum", "width_2"]
    assert pinned.conditions == {}
    # A value that is pinned itself is there under the same condition: the config has a place for it only then.
    space = made(
        {"optimizer": "adam,sgd", "+momentum": "0.5,0.9"}, {"momentum": "optimizer=sgd"}, typed=["+momentum=0.7"]
    )
    assert [space.overrides(point) for point in space.combinations() or []] == [
        ["optimizer=adam"],
        ["optimizer=sgd", "+momentum=0.7"],
    ]


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"momentum": "optimizr=sgd"}, r"momentum: optimizr is neither searched nor set\. Did you mean 'optimizer'"),
        ({"momentun": "optimizer=sgd"}, r"momentun is neither searched nor set\. Did you mean 'momentum'"),
        ({"momentum": "optimizer=sdg"}, r"optimizer is never sdg\. Did you mean 'sgd'.* one of adam, sgd"),
        ({"momentum": "optimizer"}, r"'optimizer' is no condition"),
        ({"momentum": "optimizer>1"}, r"compares numbers"),
        ({"width_2": "depth>=many"}, r"compares numbers"),
        ({"width_2": "depth>3"}, r"depth>3 never holds"),
        ({"width_2": ["depth>2", "depth<2"]}, r"depth>2 and depth<2 never holds"),
        ({"width_2": 3}, r"a condition is a text"),
        ({"width_2": "rate=0.5"}, r"of a range of numbers no draw is exactly this one"),
        ({"width_2": "width_3=8", "width_3": "width_2=8"}, r"a circle: width_. -> width_. -> width_."),
        ({"width_2": "width_2=8"}, r"a circle: width_2 -> width_2"),
    ],
)
def test_a_wrong_reference_is_said(conditions, said):
    with pytest.raises(ConfigError, match=said):
        made(WITH_A_RATE, conditions)


@pytest.mark.parametrize(
    ("values", "condition", "there"),
    [
        ("null,5", "pair=null", [None]),
        ("null,5,7", "pair!=5", [None, 7]),
        ("null,x,z", "pair=null,x", [None, "x"]),
        ("null,1,2", "pair>=1", [1, 2]),
    ],
)
def test_null_is_a_value_as_any(values, condition, there):
    points = made({"pair": values, "b": "1,2"}, {"b": condition}).combinations() or []
    assert [point["pair"] for point in points if point.get("b") == 1] == there


def test_what_is_left_out_on_the_command_line_is_not_there():
    assert list(made(typed=["~momentum"]).distributions) == ["optimizer", "depth", "width_2", "width_3"]
    size = {"size": "zip(w=choice(32,64), d=choice(1,2))", "x": "1,2"}
    space = made(size, {}, typed=["~size", "w=7"])
    assert (list(space.distributions), space.fixed) == (["x"], ["w=7"])


def test_combinations_are_left_out():
    space = made(conditions={}, exclude=["depth=1", ["optimizer=sgd", "momentum>0.6", "width_2=16,8"]])
    points = space.combinations() or []
    assert len(points) == 2 * 2 * 2 * 2 * 2 - 2 * 2 * 2
    assert not any(point["depth"] == 1 or (point["optimizer"], point["momentum"]) == ("sgd", 0.9) for point in points)


@pytest.mark.parametrize(
    ("exclude", "said"),
    [
        ("depth=1", r"exclude=depth=1: it is a list"),
        (["dept=1"], r"dept is neither searched nor set"),
        (["depth>=1"], r"leaves out all 48 combinations"),
    ],
)
def test_a_wrong_filter_is_said(exclude, said):
    with pytest.raises(ConfigError, match=said):
        made(conditions={}, exclude=exclude)
    with pytest.raises(ConfigError, match="has no combinations"):
        made({"x": "interval(0.0,1.0)"}, {}, ["x>0.5"])


def test_zipped_values_go_together():
    space = made({"size": "zip(w=choice(32,64,64), d=choice('a, b',c,[1,2]))", "x": "1,2"}, {})
    found = [parse_space(None, space.overrides(point), None).fixed for point in space.combinations() or []]
    assert len(found) == 6
    assert found[0][:1] + found[2][:2] + found[4][:2] == ["w=32", "w=64", "d=c", "w=64", "d=[1,2]"]
    assert list(space.distributions) == ["size", "x"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zip(w=choice(1,2), d=choice(1,2,3))", r"w has 2, d has 3"),
        ("zip(w=choice(1,2))", r"two parameters at least"),
        ("zip(w=choice(1,2), w=choice(3,4))", r"w is in it twice"),
        ("zip(w=1, d=choice(1,2))", r"w=1: each of its parts has values"),
        ("zip(w=interval(0,1), d=choice(1,2))", r"an interval has no finite number"),
        ("zip(w=choice(1,2), pinned=choice(1,2))", r"pinned is set twice"),
        ("zip(w=choice(1,2), d)", r"'d' cannot be read|d: each"),
    ],
)
def test_a_wrong_zip_is_said(text, said):
    with pytest.raises(ConfigError, match=rf"hydra\.sweeper\.params\.size: .*{said}|{said}"):
        made({"size": text}, {}, typed=["pinned=5"])


def test_values_are_read_from_a_file(own_folder: Path):
    Path("widths.txt").write_text("# widths\n32\n\n64\n'a b'\n")
    space = made({"width": "file(widths.txt)"}, {})
    assert [space.overrides(point) for point in space.combinations() or []] == [
        ["width=32"],
        ["width=64"],
        ["width='a b'"],
    ]
    Path("one.txt").write_text("7")
    assert made({"width": "file('one.txt')"}, {}).combinations() == [{"width": 7}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"\n# nothing\n", "has no values"),
        (b"1\n2,3\n", "line 2: 2,3 is more than one value"),
        (b"a(b\n", r"line 1: a\(b is no value"),
        (b"\xff\xfe", "no text in UTF-8"),
    ],
)
def test_a_wrong_file_is_said(own_folder: Path, content: bytes | None, said: str):
    if content is not None:
        Path("values.txt").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"hydra\.sweeper\.params\.width: values\.txt.*{said}"):
        made({"width": "file(values.txt)"}, {})


SPACE = """
    params:
      x: interval(-5.0,5.0)
      steps: choice(0,2)
      sleep: choice(0.0,0.001)
    conditions:
      sleep: steps=2
"""


@pytest.mark.slow
def test_a_search_with_a_condition_is_resumed_and_keeps_its_conditions(app, sweep):
    config = app.parent / "conf" / "config.yaml"
    config.write_text(config.read_text().rstrip() + SPACE)
    assert sweep("hydra.sweeper.n_trials=6").returncode == 0
    assert sweep("hydra.sweeper.n_trials=12").returncode == 0
    trials = study().trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 12
    assert {("sleep" in trial.params, trial.params["steps"]) for trial in trials} == {(True, 2), (False, 0)}
    assert {(row["sleep"] != "", row["steps"]) for row in rows()} == {(True, "2"), (False, "0")}
    config.write_text(config.read_text().replace("sleep: steps=2", "sleep: steps=0"))
    refused = sweep("hydra.sweeper.n_trials=13")
    assert refused.returncode == 1
    assert "has the conditions {'sleep': ['steps=2']}, not {'sleep': ['steps=0']}" in refused.stderr


@pytest.mark.slow
def test_a_key_that_is_only_sometimes_there_is_composed_before_the_first_trial(sweep):
    config = Path("conf", "config.yaml")
    config.write_text(config.read_text().rstrip() + SPACE.replace("sleep", "slep"))
    done = sweep("hydra.sweeper.n_trials=6", "hydra.sweeper.warm_start=null")
    assert done.returncode == 1
    assert "slep" in done.stderr
    assert not Path("s").exists()
