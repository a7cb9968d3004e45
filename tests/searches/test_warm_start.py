"""What the first trials of a search are, and failed trials that are run again."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from search_commands import study

pytestmark = pytest.mark.slow
SEARCH = ["x=interval(-5.0,5.0)", "y=int(interval(0,3))", "hydra.sweeper.n_trials=3", "hydra.sweeper.sampler.seed=1"]


def warm(typed: str) -> str:
    return f"hydra.sweeper.warm_start={typed}"


def params(folder="s"):
    return [trial.params for trial in study(Path(folder)).trials]


def test_a_search_begins_with_the_configs_own_values_unless_they_lie_outside(sweep):
    done = sweep(*SEARCH)
    assert done.returncode == 0, done.stderr
    assert (
        "TPESampler (chosen by auto: numbers only), 3 trials, 1 at a time\nthe first one has the config's own values"
        in done.stdout
    )
    assert params()[0] == {"x": 1.0, "y": 0}
    assert params()[1] != params()[0]
    sweep(*SEARCH, "hydra.sweeper.n_trials=4")
    assert params().count(params()[0]) == 1  # a search that goes on does not begin again
    infinite, finite = ["x=interval(2.0,5.0)"], ["x=1.0,2.0", "y=0,1", "hydra.sweeper.n_trials=4"]
    for number, other in enumerate(([*SEARCH, warm("null")], [*infinite, *SEARCH[2:]], finite)):
        done = sweep(*other, f"hydra.sweep.dir=other{number}")
        assert done.returncode == 0, done.stderr
        assert "the first one has" not in done.stdout
        assert (
            "the first trial does not have the config's own values: the config's own x=1.0 is outside" in done.stdout
        ) is (number == 1)
    assert params("other0")[0] != {"x": 1.0, "y": 0}


def test_a_grid_runs_each_of_its_points(sweep):
    done = sweep("x=1.0,2.0,3.0", "y=0,1", "hydra/sweeper/sampler=grid")
    assert done.returncode == 0, done.stderr
    assert "the first one has" not in done.stdout
    assert sorted((point["x"], point["y"]) for point in params()) == [(x, y) for x in (1.0, 2.0, 3.0) for y in (0, 1)]


def test_overrides_a_table_and_an_earlier_search_come_first(sweep, own_folder):
    Path("points.csv").write_text("x,y\n-1.5,2\n3.0,\n")
    done = sweep(
        *SEARCH,
        "hydra.sweeper.n_trials=5",
        warm("[{x:2.5},[x=0.25,y=1],points.csv,config]".replace("[x=0.25,y=1]", "'x=0.25'")),
    )
    assert done.returncode == 0, done.stderr
    assert "the first 5 are those of warm_start" in done.stdout
    assert [point["x"] for point in params()] == [2.5, 0.25, -1.5, 3.0, 1.0]
    assert params()[2] == {"x": -1.5, "y": 2}
    assert sweep(*SEARCH, warm("{from:s,best:2}"), "hydra.sweep.dir=after").returncode == 0
    best = sorted(study().trials, key=lambda trial: (trial.value, trial.number))[:2]
    assert params("after")[:2] == [trial.params for trial in best]


def test_points_wait_in_a_database_too(sweep):
    storage = "hydra.sweeper.storage=sqlite:///study.db"
    assert sweep(*SEARCH, storage, warm("[{x:2.5,y:3}]"), "hydra.sweeper.n_jobs=2").returncode == 0
    assert optuna.load_study(study_name=None, storage="sqlite:///study.db").trials[0].params == {"x": 2.5, "y": 3}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("{x:7}", "hydra.sweeper.warm_start: x=7 is outside of interval(-5.0,5.0)"),
        ("[{y:1.5}]", "y=1.5 is outside of int(interval(0,3))"),
        ("{z:1}", "z is not searched"),
        ("nowhere", "hydra.sweeper.warm_start=nowhere: no such folder"),
        ("none.csv", "none.csv: No such file or directory"),
        ("wide.csv", "wide.csv, line 3: x=50 is outside of interval(-5.0,5.0)"),
        ("{from:nowhere,bset:2}", "bset: an earlier search is {from: FOLDER, best: 3"),
        ("5", "name config, overrides as"),
        ("[{x:1},{x:2},{x:3},{x:4}]", "has 4 points, and the budget is 3 trials"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_trial(sweep, typed, said):
    Path("wide.csv").write_text("x\n1\n50\n")
    done = sweep(*SEARCH, warm(typed))
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert not Path("s").exists()


def test_an_own_value_outside_of_the_space_is_said_if_it_was_asked_for(sweep):
    done = sweep("x=interval(2.0,5.0)", "hydra.sweeper.n_trials=3", warm("config"))
    assert "warm_start=config: the config's own x=1.0 is outside of interval(2.0,5.0)" in done.stderr
    done = sweep("x=1.0,2.0", warm("config"))
    assert "every combination of this space is run" in done.stderr


def test_the_options_of_config_groups_are_values_too(command):
    done = command(
        "-m",
        "model=mlp,cnn",
        "optimizer.lr=interval(1e-4,1e-1)",
        "hydra.sweeper.n_trials=1",
        "trainer.fast_dev_run=true",
        "hydra.sweep.dir=s",
        "objective.metric=train/loss",
        "objective.mode=min",
    )
    assert study().trials[0].params == {"model": "cnn", "optimizer.lr": 0.003}, done.stderr


def test_what_has_failed_is_run_again(sweep, python_without_torch):
    def resume(*arguments):
        return python_without_torch("-m", "lightning_sweeps.resume", "s", *arguments)

    mended = ["+faults={}", "hydra.sweeper.allow_changes=true"]
    sweep("x=1.0,2.0,3.0,4.0", "+faults={1:raise,2:text}", "hydra.sweeper.max_failure_rate=1")
    wrong = resume("--failed=out of memory")
    assert wrong.returncode == 1
    assert 'no trial has failed for this. Reasons: ValueError: a bad day; returned "good"' in wrong.stderr
    assert "no regular expression" in resume("--failed=(").stderr
    assert resume("--failed=bad day", *mended).returncode == 0
    assert [(trial.params["x"], trial.state.name) for trial in study().trials[4:]] == [(2.0, "COMPLETE")]
    assert resume("--failed", *mended).returncode == 0
    assert [(trial.params["x"], trial.state.name) for trial in study().trials[5:]] == [(3.0, "COMPLETE")]
    again = resume("--failed", *mended)
    assert again.returncode == 0
    assert len(study().trials) == 6  # all of them have results by now
    sweep(
        *SEARCH[:1],
        "hydra.sweeper.n_trials=4",
        "+faults={0:raise}",
        "hydra.sweep.dir=t",
        "hydra.sweeper.max_failure_rate=1",
    )
    assert python_without_torch("-m", "lightning_sweeps.resume", "t", "--failed", *mended).returncode == 0
    first, *_, last = study(Path("t")).trials
    assert (first.state, last.state, last.number) == (TrialState.FAIL, TrialState.COMPLETE, 4)
    assert first.params == last.params == {"x": 1.0}


def test_an_earlier_search_may_be_what_the_sampler_knows(sweep):
    assert sweep(*SEARCH, "hydra.sweeper.n_trials=25").returncode == 0
    history = warm("{from:s,history:true}")
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=4", history, "hydra.sweep.dir=t")
    assert done.returncode == 0, done.stderr
    assert "its sampler knows 25 earlier trials" in done.stdout
    known = [abs(point["x"]) for point in params("t")]
    assert [trial.number for trial in study(Path("t")).trials] == [0, 1, 2, 3]
    sweep(*SEARCH, "hydra.sweeper.n_trials=4", warm("null"), "hydra.sweep.dir=u")
    assert sum(known) < sum(abs(point["x"]) for point in params("u")), "without it they are drawn at random"
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=6", history, "hydra.sweep.dir=t")
    assert done.returncode == 0, done.stderr
    assert len(params("t")) == 6
    for more, said in (
        (["x=interval(-5.0,4.0)"], "s has another space: x was interval(-5.0,5.0), now interval(-5.0,4.0)"),
        (["hydra/sweeper/sampler=random"], "RandomSampler learns nothing from an earlier search; tpe and gp do"),
        (["hydra.sweeper.direction=maximize"], "s has direction minimize, not maximize"),
        ([warm("{from:nowhere,history:true}")], "nowhere"),
        ([warm("{from:s,history:3}")], "a whole search is {from: FOLDER, history: true}"),
    ):
        refused = sweep(*SEARCH, history, *more, "hydra.sweep.dir=v")
        assert refused.returncode == 1
        assert said in refused.stderr
        assert not Path("v").exists()
