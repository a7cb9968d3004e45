"""Trials that are run with several seeds, or on several folds."""

import os
import signal
import statistics
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from optuna.trial import TrialState
from search_commands import rows, start, study, wait_until

from lightning_sweeps.datamodules.folds import Split, divided, require_fold
from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.repeats import Parts, parts_of

SEARCH = ["x=interval(-5.0,5.0)", "hydra.sweeper.sampler.seed=7", "hydra.sweeper.repeats=3"]


@pytest.fixture
def seeded(app) -> Path:
    """The app with a seed, on which its value depends, and with a fault of one seed's."""
    config = app.parent / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("x: 1.0", "x: 1.0\nseed: 10\nfails: null\nslow: 0.0"))
    text = app.read_text().replace("return cfg.x ** 2 + cfg.y", "return cfg.x ** 2 + cfg.y + cfg.seed")
    text = text.replace(
        "    time.sleep(cfg.sleep)",
        "    time.sleep(cfg.sleep)\n    if cfg.seed == cfg.fails: raise ValueError('a bad seed')",
    )
    app.write_text(text)
    return app


def begun(folder: Path = Path()) -> int:
    """How many processes have called the app."""
    return len((folder / "pids").read_text().splitlines()) if (folder / "pids").exists() else 0


@pytest.mark.parametrize(
    ("aggregate", "up", "value"),
    [
        ("mean", True, 3.0),
        ("median", True, 2.0),
        ("worst", True, 1.0),
        ("worst", False, 6.0),
        ("bound", True, 3.0 - statistics.stdev([1, 2, 6]) / 3**0.5),
        ("bound", False, 3.0 + statistics.stdev([1, 2, 6]) / 3**0.5),
    ],
)
def test_one_number_is_made_of_the_parts(aggregate, up, value):
    assert Parts("repeats", 3, aggregate).value([6.0, 1.0, 2.0], maximized=up) == pytest.approx(value)
    assert Parts("repeats", 3, aggregate).value([6.0], maximized=up) == 6.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((0, None, "mean"), "repeats=0: it is a whole number, at least 1"),
        (("3x", None, "mean"), "repeats=3x"),
        ((None, 1, "mean"), "folds=1: it is a whole number, at least 2"),
        ((3, 5, "mean"), "leave out one"),
        ((3, None, "meen"), r"aggregate=meen: it is one of .* Did you mean 'mean'"),
    ],
)
def test_wrong_options_are_said(options, said):
    with pytest.raises(ConfigError, match=said):
        parts_of(*options, [])
    with pytest.raises(ConfigError, match="seed is searched"):
        parts_of(3, None, "mean", ["+seed"])
    assert parts_of(1, None, "mean", []) is None


@pytest.mark.parametrize("config", [{}, {"seed": None}, {"seed": "a"}, {"datamodule": {"folds": None}}])
def test_a_config_without_a_place_for_seeds_or_folds_is_said(config):
    for kind, said in (("repeats", "a key 'seed'"), ("folds", "no keys 'folds' and 'fold'")):
        with pytest.raises(ConfigError, match=said):
            Parts(kind, 3, "mean").overrides(OmegaConf.create(config), 1)


def test_folds_are_disjoint_stratified_and_complete():
    labels = torch.arange(103) % 10
    images = torch.arange(103)
    train, val = Split(images[:80], labels[:80]), Split(images[80:], labels[80:])
    held_out = []
    for fold in range(4):
        parts = divided(train, val, 4, fold)
        assert sorted([*parts["train"].images.tolist(), *parts["val"].images.tolist()]) == images.tolist()
        assert torch.equal(labels[parts["val"].images], parts["val"].labels)
        assert set(parts["val"].labels.bincount(minlength=10).tolist()) <= {2, 3}
        held_out += parts["val"].images.tolist()
    assert sorted(held_out) == images.tolist()
    for wrong in ((1, 0), (3, 3), (3, -1), ("3", 0)):
        with pytest.raises(ConfigError, match=r"datamodule\.fold"):
            require_fold(*wrong)


@pytest.mark.slow
def test_each_trial_has_its_seeds_in_free_slots_and_the_mean_of_their_values(seeded, sweep):
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert "4 trials, each the mean of 3 seeds, 2 at a time" in done.stdout
    assert "± 1 trial" in done.stdout
    assert begun() == 12
    for trial, row in zip(study().trials, rows(), strict=True):
        expected = [trial.params["x"] ** 2 + seed for seed in (10, 11, 12)]
        assert trial.value == pytest.approx(statistics.mean(expected))
        assert [trial.user_attrs["parts"][str(part)] for part in range(3)] == [[value] for value in expected]
        assert float(row["value_std"]) == pytest.approx(1.0)
        assert sorted(path.name for path in Path("s", str(trial.number)).iterdir()) == ["0", "1", "2"]
    best = yaml.safe_load(Path("s", "best.yaml").read_text())
    assert len(best["value_parts"]) == 3
    refused = sweep(*SEARCH[:2], "hydra.sweeper.n_trials=5")
    assert refused.returncode == 1
    assert "has trials with repeats=3, aggregate=mean, not none" in refused.stderr
    nothing = sweep(*SEARCH, "hydra.sweeper.n_trials=4")
    assert nothing.returncode == 0
    assert begun() == 12


@pytest.mark.slow
@pytest.mark.usefixtures("forks_without_torch")
def test_a_search_that_is_killed_between_parts_goes_on_with_the_missing_ones(seeded, sweep, own_folder):
    search = [*SEARCH, "hydra.sweeper.n_trials=4", "sleep=0.15"]
    undisturbed = sweep(*search, "hydra.sweep.dir=u")
    assert undisturbed.returncode == 0, undisturbed.stderr
    Path("pids").unlink()
    kills = (2, 6, 11)  # when so many processes have begun
    for count in kills:
        process = start(seeded, *search)
        wait_until(lambda count=count: begun() >= count)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert sweep(*search).returncode == 0
    names = [set(trial.user_attrs["parts"]) for trial in study().trials]
    assert names == [{"0", "1", "2"}] * 4
    assert [trial.values for trial in study().trials] == [trial.values for trial in study(Path("u")).trials]
    assert begun() <= 12 + len(kills)  # nothing that had ended was run again


@pytest.mark.slow
def test_a_part_that_dies_of_something_outside_is_run_again_alone(seeded, sweep):
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=2", "+faults={0:once}", "hydra.sweeper.max_retries=3")
    assert done.returncode == 0, done.stderr
    assert [trial.state for trial in study().trials] == [TrialState.COMPLETE] * 2
    assert begun() == 3 * 2 + 3


@pytest.mark.slow
def test_a_part_that_fails_is_its_trials_failure(seeded, sweep):
    sweep(*SEARCH, "hydra.sweeper.n_trials=2", "fails=11", "hydra.sweeper.n_jobs=3", "hydra.sweeper.max_failure_rate=1")
    for trial in study().trials:
        assert trial.state is TrialState.FAIL
        assert trial.user_attrs["reason"] == "part 1: ValueError: a bad seed"


@pytest.mark.slow
@pytest.mark.parametrize(
    "pruner", ["median hydra.sweeper.pruner.n_startup_trials=1", "wilcoxon hydra.sweeper.pruner.n_startup_steps=2"]
)
def test_a_trial_that_is_behind_does_not_get_its_remaining_parts(seeded, sweep, pruner):
    name, option = pruner.split()
    search = ["x=0.0,1.0,5.0", "hydra.sweeper.repeats=6", f"hydra/sweeper/pruner={name}", option]
    done = sweep(*search)
    assert done.returncode == 0, done.stderr
    first, *_, last = study().trials
    assert (first.state, last.state) == (TrialState.COMPLETE, TrialState.PRUNED)
    assert len(first.user_attrs["parts"]) == 6 > len(last.user_attrs["parts"])
    assert {*map(str, range(len(last.user_attrs["parts"])))} == {path.name for path in Path("s", "2").iterdir()}


@pytest.mark.slow
def test_reports_are_a_parts_value_if_the_program_returns_none_and_several_objectives_have_means(seeded, sweep):
    text = seeded.read_text()
    seeded.write_text(text.replace("return cfg.x ** 2 + cfg.y + cfg.seed", "return None"))
    assert sweep(*SEARCH, "hydra.sweeper.n_trials=2", "steps=3").returncode == 0
    assert [trial.value for trial in study().trials] == [
        pytest.approx(t.params["x"] ** 2 + 1 / 3) for t in study().trials
    ]
    seeded.write_text(text.replace("return cfg.x ** 2 + cfg.y + cfg.seed", "return cfg.x, cfg.seed"))
    directions = "hydra.sweeper.direction=[minimize,maximize]"
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=2", directions, "hydra.sweep.dir=m", "hydra.sweeper.aggregate=worst")
    assert done.returncode == 0, done.stderr
    assert [trial.values for trial in study(Path("m")).trials] == [
        [t.params["x"], 10.0] for t in study(Path("m")).trials
    ]


@pytest.mark.slow
def test_folds_of_the_digits_are_searched_and_the_first_is_run_again(command):
    search = ["model=mlp", "model.net.width=8,32", "trainer.max_epochs=2", "hydra.sweeper.folds=3", "hydra.sweep.dir=s"]
    done = command("-m", *search, "hydra.sweeper.keep_checkpoints=best", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    best, other = sorted(study().trials, key=lambda trial: -trial.value)
    assert Path(best.user_attrs["checkpoint"]).is_file()
    assert not [*Path(other.user_attrs["folder"]).rglob("*.ckpt")]
    again = command("s", module="lightning_sweeps.rerun")
    assert "of the first of its 3 parts" in again.stdout
    assert "the same to the last bit as in the search" in again.stdout
    wrong = command("-m", "model=mlp", "seed=1,2", "hydra.sweeper.repeats=2")
    assert wrong.returncode == 1
    assert "seed is searched, and repeats would replace it" in wrong.stderr


SPACE = """
    repeats: 3
    params:
      x: 0.5,1.0
      size: zip(y=choice(1,2), steps=choice(0,3))
      sleep: 0.0,0.001
    conditions:
      sleep: x=1.0
"""


@pytest.mark.slow
def test_what_a_config_says_of_the_search_is_not_said_of_a_rerun(seeded, sweep, python_without_torch):
    config = Path("conf", "config.yaml")
    config.write_text(config.read_text().rstrip() + SPACE)
    assert sweep("hydra.sweeper.n_jobs=2").returncode == 0
    assert len(study().trials) == 2 + 4
    best = yaml.safe_load(Path("s", "best.yaml").read_text())
    assert "command" not in best
    assert "seed=10" in best["command_of_first_part"]
    again = python_without_torch("-m", "lightning_sweeps.rerun", "s")
    assert again.returncode == 0, again.stderr
    first = best["value_parts"][0]
    assert f"value of the first of its 3 parts {first:.6g}, the same to the last bit" in again.stdout
    seeds = python_without_torch("-m", "lightning_sweeps.rerun", "s", "--seeds", "2")
    assert seeds.returncode == 0, seeds.stderr
    mean = 0.5**2 + 1 + 13.5  # of the seeds 13 and 14: the trial was chosen with 10, 11 and 12
    assert f"value {mean:.6g} ± 0.71 (mean ± standard deviation of 2 seeds from 13 on)" in seeds.stdout
    assert f"in the search, which chose it for that, {best['value']:.6g}" in seeds.stdout
    assert "is the best of those tried" not in seeds.stdout


@pytest.mark.slow
def test_other_seeds_of_a_trial_with_folds_are_run_on_its_folds(command):
    search = ["model=mlp", "model.net.width=8,32", "trainer.max_epochs=1", "hydra.sweeper.folds=2", "hydra.sweep.dir=s"]
    assert command("-m", *search).returncode == 0
    again = command("s", "--seeds", "2", module="lightning_sweeps.rerun")
    assert again.returncode == 0, again.stderr
    assert "2 trials, each the mean of 2 folds" in again.stdout
    assert f"which chose it for that, {study().best_value:.6g}" in again.stdout
