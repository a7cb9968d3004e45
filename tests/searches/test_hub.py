"""Samplers and pruners of OptunaHub, from a registry on this machine."""

from pathlib import Path

import pytest
from search_commands import study

from lightning_sweeps.searches.space.hub import KINDS, nodes, registry

SAMPLER = """
from optuna.samplers import RandomSampler

class LeftHalf(RandomSampler):
    def __init__(self, border: float = 0.0, seed: int | None = None):
        super().__init__(seed)
        self.border = border

    def sample_independent(self, study, trial, name, distribution):
        return min(self.border, super().sample_independent(study, trial, name, distribution))

__all__ = ["LeftHalf"]
"""
PRUNER = """
from optuna.pruners import BasePruner

class Strict(BasePruner):
    def prune(self, study, trial):
        return trial.number > 0

__all__ = ["Strict"]
"""
SEARCH = ["x=interval(-5.0,5.0)", "hydra.sweeper.n_trials=4", "hydra.sweeper.warm_start=null"]


@pytest.fixture
def hub(own_folder, monkeypatch):
    pytest.importorskip("optunahub")
    for kind, name, text in (("samplers", "left", SAMPLER), ("pruners", "strict", PRUNER)):
        package = own_folder / "hub" / "package" / kind / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(text)
    broken = own_folder / "hub" / "package" / "samplers" / "broken"
    broken.mkdir()
    (broken / "__init__.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.setenv("LIGHTNING_SWEEPS_HUB", str(own_folder / "hub"))
    return own_folder / "hub"


def test_the_registry_is_where_optunahub_keeps_it_or_a_clone(hub, monkeypatch):
    assert list(nodes("sampler")) == ["broken", "left"]
    assert list(nodes("pruner")) == ["strict"]
    monkeypatch.delenv("LIGHTNING_SWEEPS_HUB")
    monkeypatch.setenv("OPTUNAHUB_CACHE_HOME", "/nowhere")
    assert registry() == Path("/nowhere/github.com/optuna/optunahub-registry/main/package")
    assert [dict(nodes(kind)) for kind in KINDS] == [{}, {}]


def test_the_registry_is_where_the_package_itself_looks(monkeypatch):
    conf = pytest.importorskip("optunahub._conf")
    for name in ("OPTUNAHUB_CACHE_HOME", "XDG_CACHE_HOME", "LIGHTNING_SWEEPS_HUB"):
        monkeypatch.delenv(name, raising=False)
    assert str(registry()).startswith(conf.cache_home())


@pytest.mark.slow
def test_a_sampler_by_its_name_with_its_arguments_and_the_seed(hub, sweep):
    named = ["hydra/sweeper/sampler=hub/left", "hydra.sweeper.sampler.seed=3", "+hydra.sweeper.sampler.border=-1.0"]
    done = sweep(*SEARCH, *named)
    assert done.returncode == 0, done.stderr
    assert "LeftHalf, 4 trials" in done.stdout
    drawn = [trial.params["x"] for trial in study().trials]
    assert max(drawn) <= -1.0
    assert sweep(*SEARCH, *named, "hydra.sweep.dir=t").returncode == 0
    assert [trial.params["x"] for trial in study(Path("t")).trials] == drawn


@pytest.mark.slow
def test_a_pruner_by_its_name(hub, sweep):
    done = sweep(*SEARCH, "steps=3", "hydra/sweeper/pruner=hub/strict")
    assert done.returncode == 0, done.stderr
    assert [trial.state.name for trial in study().trials] == ["COMPLETE", *["PRUNED"] * 3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["hydra/sweeper/sampler=hub/broken"], "No module named 'a_package_that_nobody_has'"),
        (["hydra/sweeper/sampler=hub/left", "+hydra.sweeper.sampler.boarder=1"], "boarder"),
        (
            ["hydra/sweeper/sampler=hub/left", "+hydra.sweeper.sampler.border=much"],
            "border=much: this must be a number",
        ),
        (["hydra/sweeper/sampler=hub/left", "hydra.sweeper.sampler._hub_=../../elsewhere"], "is not in "),
    ],
)
def test_what_cannot_be_is_said_in_a_line(hub, sweep, typed, said):
    done = sweep(*SEARCH, *typed)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert not Path("s").exists()


@pytest.mark.slow
def test_one_that_is_not_there_is_said_with_what_is(hub, command):
    done = command("-m", "model=mlp", "seed=1,2", "hydra/sweeper/sampler=hub/lefft")
    assert done.returncode == 1
    assert "hub/lefft" in done.stderr
    assert "Did you mean 'left'" in done.stderr
    done = command("-m", "model=mlp", "seed=1,2", "hydra/sweeper/sampler=hub/left", LIGHTNING_SWEEPS_HUB="/nowhere")
    assert done.returncode == 1
    assert "hub/left is not in /nowhere/package" in done.stderr
    assert "git clone" in done.stderr
