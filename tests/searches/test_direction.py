"""In which direction a search goes, and who has said so."""

import pytest
from omegaconf import OmegaConf

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.direction import described, directions
from lightning_sweeps.searches.space.samplers import as_optuna_has_it


def config(objective=None, typed=(), **more):
    hydra = {"overrides": {"hydra": [], "task": list(typed)}, "sweeper": {"direction": None}}
    given = {"objective": objective} if objective is not None else {}
    return OmegaConf.create({"hydra": hydra, **given, **more})


@pytest.mark.parametrize("metric", ["val_loss", "val/loss", "valLoss", "test_rmse", "train-error", "loss_epoch"])
def test_a_loss_is_not_maximized_unless_somebody_has_said_so(metric):
    with pytest.raises(ConfigError, match=f"would maximize {metric}.*\n.*objective.mode=min"):
        directions(None, config({"metric": metric, "mode": "max"}))
    assert directions(None, config({"metric": metric, "mode": "max"}, ["objective.mode=max"])) == ["maximize"]
    assert directions("maximize", config({"metric": metric, "mode": "max"})) == ["maximize"]
    assert directions(None, config({"metric": metric, "mode": "min"})) == ["minimize"]


def test_an_accuracy_is_not_minimized_in_silence():
    with pytest.raises(ConfigError, match=r"hydra\.sweeper\.direction=maximize"):
        directions(None, config(optimized_metric="val/acc"))
    assert directions("maximize", config(optimized_metric="val/acc")) == ["maximize"]


@pytest.mark.parametrize("metric", ["glossary", "lossless_accuracy_loss", "score", "accuracy/loss"])
def test_a_name_that_says_nothing_or_both_is_not_asked_about(metric):
    for mode in ("min", "max"):
        assert len(directions(None, config({"metric": metric, "mode": mode}))) == 1


def test_the_first_line_says_what_is_optimized():
    assert described(["maximize"], config({"metric": "val_accuracy", "mode": "max"})) == "maximize val_accuracy"
    said = described(["minimize"], config())
    assert said == "minimize what the program returns (for the other way: hydra.sweeper.direction=maximize)"


def test_tpe_has_optunas_defaults_unless_others_are_typed():
    node = {"_target_": "optuna.samplers.TPESampler", "seed": 1, "multivariate": False, "constant_liar": False}
    assert as_optuna_has_it(OmegaConf.create(node), []) == {"_target_": node["_target_"], "seed": 1}
    typed = ["hydra.sweeper.sampler.multivariate=false"]
    assert "multivariate" in as_optuna_has_it(OmegaConf.create(node), typed)
    other = OmegaConf.create({"_target_": "optuna.samplers.CmaEsSampler", "constant_liar": False})
    assert as_optuna_has_it(other, []) == other
