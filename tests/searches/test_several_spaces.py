"""A list of spaces as one."""

from pathlib import Path

import optuna
import pytest
from search_commands import rows, study

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.point import point_of
from lightning_sweeps.searches.space.auto import Search
from lightning_sweeps.searches.space.conditions import conditional
from lightning_sweeps.searches.space.parse import parse_space
from lightning_sweeps.searches.space.samplers import Auto, choose

SGD = {"optimizer": "sgd", "optimizer.lr": "tag(log,interval(1e-3,1.0))", "optimizer.momentum": "interval(0.0,0.99)"}
ADAM = {"optimizer": "adam", "optimizer.lr": "tag(log,interval(1e-5,1e-2))", "width": "8,16"}
RMSPROP = {"optimizer": "rmsprop", "optimizer.lr": "tag(log,interval(1e-5,1e-2))", "width": "8,16"}


def test_the_same_parameter_is_one_and_another_has_a_name_of_its_own():
    space = parse_space([SGD, ADAM, RMSPROP], ["seed=1", "depth=1,2"], None)
    assert list(space.distributions) == [
        *("space", "optimizer.lr", "optimizer.momentum", "optimizer.lr#2", "width", "depth"),
    ]
    both = ("optimizer=adam", "optimizer=rmsprop")
    assert {name: one[0].values for name, one in space.conditions.items()} == {
        "optimizer.lr": ("optimizer=sgd",),
        "optimizer.momentum": ("optimizer=sgd",),
        "optimizer.lr#2": both,
        "width": both,
    }
    point = {"space": "optimizer=adam", "optimizer.lr#2": 0.001, "width": 8, "depth": 2, "optimizer.momentum": 0.9}
    assert space.overrides(point) == ["optimizer=adam", "optimizer.lr=0.001", "width=8", "seed=1", "depth=2"]
    assert space.key("optimizer.lr#2") == "optimizer.lr"
    assert space.fixed == ["seed=1"]


def test_finite_ones_run_one_after_another():
    parts = [
        {"optimizer": "sgd", "lr": "1,2", "momentum": "0.0,0.9"},
        {"optimizer": "adam", "lr": "1,2"},
        {"lr": "7,8"},
    ]
    space = parse_space(parts, ["seed=0,1"], None)
    points = space.combinations()
    assert points is not None
    assert [" ".join(space.overrides(one)) for one in points] == [
        *(f"optimizer=sgd lr={lr} momentum={m} seed={s}" for lr in (1, 2) for m in ("0.0", "0.9") for s in (0, 1)),
        *(f"optimizer=adam lr={lr} seed={s}" for lr in (1, 2) for s in (0, 1)),
        *(f"lr={lr} seed={s}" for lr in (7, 8) for s in (0, 1)),
    ]
    assert choose(Auto(), None, space, None, Search())[2] == "all 16 combinations"
    assert list(space.rows["space"]) == ["optimizer=sgd", "optimizer=adam", "part 3"]


def test_large_parts_are_counted_as_they_are_and_not_as_their_product():
    parts = [{f"a{number}": "range(0,300)", f"b{number}": "range(0,30)"} for number in range(4)]
    assert len(parse_space(parts, [], None).combinations() or ()) == 4 * 9000


def test_a_sampler_draws_from_one_part_at_a_time():
    space = parse_space([SGD, ADAM], [], None)
    sampler, _, why = choose(Auto(seed=3), 3, space, 40, Search())
    assert why == "TPESampler (chosen by auto: several spaces)"
    drawn = optuna.create_study(sampler=sampler)
    for _ in range(30):
        trial = drawn.ask()
        space.draw(trial)
        there = (
            {"optimizer.lr", "optimizer.momentum"} if "sgd" in trial.params["space"] else {"optimizer.lr#2", "width"}
        )
        assert set(trial.params) == {"space", *there}
        drawn.tell(trial, trial.params.get("optimizer.lr", 0.5))


def test_what_is_typed_is_for_all_parts_and_conditions_may_be_added():
    space = parse_space([SGD, ADAM], ["optimizer.lr=0.1"], None)
    assert list(space.distributions) == ["space", "optimizer.momentum", "width"]
    assert "optimizer.lr=0.1" in space.overrides({"space": "optimizer=sgd", "optimizer.momentum": 0.5})
    space = conditional(parse_space([SGD, ADAM], ["depth=1,2"], None), {"width": "depth=2"})
    assert space.present({"space": "optimizer=adam", "depth": 1, "width": 8}) == {"space": "optimizer=adam", "depth": 1}
    assert "width" not in space.present({"space": "optimizer=sgd", "depth": 2, "width": 8})


def test_a_typed_value_of_what_is_fixed_in_the_parts_chooses_among_them():
    space = parse_space([SGD, ADAM, RMSPROP], ["optimizer=adam"], None)
    assert list(space.distributions) == ["space", "optimizer.lr", "width"]
    assert space.overrides({"space": "part 1", "optimizer.lr": 0.1, "width": 8})[-1] == "optimizer=adam"
    assert list(parse_space([SGD, ADAM], ["optimizer=sgd,adam"], None).rows["space"]) == ["part 1", "part 2"]
    with pytest.raises(ConfigError, match="none of the 2 spaces has what was typed"):
        parse_space([SGD, ADAM], ["optimizer=lion"], None)


def test_a_condition_on_what_tells_the_parts_apart_is_said_to_be_one():
    with pytest.raises(ConfigError, match="optimizer says which space of the list a trial has"):
        conditional(parse_space([SGD, ADAM], [], None), {"width": "optimizer=adam"})


@pytest.mark.parametrize(
    ("typed", "point"),
    [
        ({"width": "8"}, {"space": "optimizer=adam", "width": 8}),
        ({"optimizer": "adam"}, {"space": "optimizer=adam"}),
        ({"optimizer": "adam", "optimizer.lr": "0.005"}, {"space": "optimizer=adam", "optimizer.lr#2": 0.005}),
        ({"optimizer.lr": "0.5"}, {"space": "optimizer=sgd", "optimizer.lr": 0.5}),
        ({"optimizer.lr": "1e-4"}, {"space": "optimizer=adam", "optimizer.lr#2": 1e-4}),
        ({"space": "optimizer=adam", "optimizer.lr#2": "0.001"}, {"space": "optimizer=adam", "optimizer.lr#2": 0.001}),
    ],
)
def test_a_point_may_be_typed_as_the_overrides_of_a_trial_and_says_which_part_it_is_in(typed, point):
    assert point_of(typed, "warm_start", parse_space([SGD, ADAM], [], None)) == point


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"optimizer": "lion"}, "no value of space has optimizer=lion"),
        ({"optimizer": "sgd", "width": "8"}, "width is there only if space=optimizer=adam"),
        ({"optimizer.lr": "7"}, "optimizer.lr=7 is outside of"),
        ({"depth": "1"}, "depth is not searched"),
    ],
)
def test_a_point_that_is_in_no_part_is_refused(typed, said):
    with pytest.raises(ConfigError) as refused:
        point_of(typed, "warm_start", parse_space([SGD, ADAM], [], None))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ([], "or the list is empty"),
        ([SGD, {}], "hydra.sweeper.params: part 2 of the list is empty"),
        ([SGD, "lr=1"], "part 2 of the list, lr=1, is no space"),
        ([{"space": "1,2"}], "'space' says which part of the list a trial has, and is a parameter too"),
        ([{"lr": [1, 2]}], "hydra.sweeper.params.lr is a list"),
    ],
)
def test_wrong_ones_are_said(params, said):
    with pytest.raises(ConfigError) as refused:
        parse_space(params, [], None)
    assert said in str(refused.value)


@pytest.mark.slow
def test_a_search_over_two_spaces_is_resumed_and_run_again(app, sweep, command):
    both = "hydra.sweeper.params=[{y:'0',x:'interval(0.0,1.0)'},{y:'1',x:'interval(-9.0,-8.0)',steps:'1,2'}]"
    done = sweep(both, "hydra.sweeper.n_trials=6", "hydra.sweeper.sampler.seed=1")
    assert done.returncode == 0, done.stderr
    done = command("s", "hydra.sweeper.n_trials=8", module="lightning_sweeps.resume")
    assert done.returncode == 0, done.stderr
    for trial, row in zip(study().trials, rows(), strict=True):
        x, y = trial.params.get("x", trial.params.get("x#2")), int(trial.params["space"] == "y=1")
        assert trial.value == x**2 + y
        assert ("x#2" in trial.params) is bool(y)
        assert (row["x#2"] != "") is bool(y)
    again = command("s", module="lightning_sweeps.rerun")
    assert again.returncode == 0, again.stderr
    assert Path("s/best.yaml").is_file()
    warm = "hydra.sweeper.warm_start={space:'y=1','x#2':-8.5,steps:2}"
    done = sweep(both, "hydra.sweeper.n_trials=2", warm.replace("'x#2':-8.5,", ""), "hydra.sweep.dir=t")
    assert done.returncode == 0, done.stderr
    assert study(Path("t")).trials[0].params["space"] == "y=1"
