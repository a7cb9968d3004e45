"""Trials are composed as Hydra composes a sweep's jobs."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.searches.space.compose import Composer
from lightning_sweeps.searches.space.space import Space


@pytest.fixture
def composer():
    def make(*fixed: str) -> Composer:
        loader = GlobalHydra.instance().hydra.config_loader
        master = loader.load_configuration("config", ["hydra.job.chdir=false", *fixed], RunMode.MULTIRUN)
        return Composer(Space(), HydraContext(loader, None), master, None)

    with initialize_config_dir(str(CONF)):
        yield make


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer.lr=0.1"],
        ["optimizer.lr=0.1", "model=mlp", "model.net.width=[64,32]"],
        ["model=mlp", "optimizer=sgd", "optimizer.momentum=0.5"],
        ["scheduler=onecycle", "+extra.nested={a:1,b:[x,null]}", "++seed=3"],
        ["~callbacks.progress", "callbacks.best_checkpoint.save_top_k=2", "trainer.precision=16"],
        ["experiment=mnist_mlp", "datamodule.batch_size=16"],
        ["callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=1"],
        ["objective.metric='a=b, c'"],
    ],
)
def test_a_trials_config_is_hydras(composer, overrides):
    fixed = ["trainer.max_epochs=3", "model.net.dropout=0.5"]
    overrides = [*fixed, *overrides]
    compose = composer(*fixed)
    for line in ([*fixed, "optimizer.lr=7"], overrides, overrides):  # an earlier trial leaves nothing behind
        ours = compose.config(line)
    theirs = compose.loader.load_sweep_config(compose.master, overrides)
    assert OmegaConf.to_yaml(ours) == OmegaConf.to_yaml(theirs)
    assert OmegaConf.is_readonly(ours.hydra) == OmegaConf.is_readonly(theirs.hydra)
    assert OmegaConf.is_struct(ours) == OmegaConf.is_struct(theirs)


@pytest.mark.parametrize("line", ["optimizer.nope=1", "nope=1", "model=nope", "optimizer@other=sgd"])
def test_what_hydra_refuses_is_refused(composer, line):
    with pytest.raises(HydraException):
        composer().config([line])


@pytest.mark.parametrize("overrides", [["x.a=1", "x={a:2}"], ["x.a=1", "~x.a"], ["+new=1", "~new"]])
def test_a_config_that_holds_another_value_than_the_study_is_refused(composer, overrides):
    compose = composer("+x={a:0,b:0}")
    with pytest.raises(ConfigError, match="is searched, but"):
        compose.config(["+x={a:0,b:0}", *overrides], {overrides[0].partition("=")[0]})


@pytest.mark.parametrize("override", ["x.a=${seed}", "x.a=null", "x.a=[1]", "x.a='1'", "x.a=1e-05", "x.a=nan", "x.a="])
def test_a_config_that_holds_what_was_drawn_is_taken(composer, override):
    composer("+x={a:0,b:0}").config(["+x={a:0,b:0}", override], {"x.a"})
