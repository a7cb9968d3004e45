"""What people do with the stock Optuna sweeper: spaces in the config, several objectives, a space in Python."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState
from searches import study

pytestmark = [pytest.mark.slow, pytest.mark.ways]
APP = """
import hydra

@hydra.main(config_path=".", config_name="config", execution_whitelist=["apps.*"])
def objective(cfg):
    {body}

if __name__ == "__main__":
    objective()
"""
CONFIG = """
defaults:
  - override hydra/sweeper: study
  - override hydra/sweeper/sampler: {sampler}
hydra:
  sweeper:
    sampler: {{seed: 1}}
    direction: {direction}
    study_name: mine
    storage: null
    n_trials: 12
    n_jobs: 1
    params:
      x: range(-2, 2, step=0.5)
      y: choice(-5 , 0 ,5)
x: 1
y: 1
"""


def write(body: str, sampler: str = "tpe", direction: str = "minimize", more: str = "") -> None:
    Path("app.py").write_text(APP.format(body=body))
    Path("config.yaml").write_text(CONFIG.format(sampler=sampler, direction=direction) + more)


@pytest.fixture(autouse=True)
def _app(app):
    app.unlink()


def test_a_space_in_the_config(sweep):
    write("return cfg.x ** 2 + cfg.y ** 2")
    done = sweep("y=0")
    assert done.returncode == 0, done.stderr
    trials = study().trials
    assert len(trials) == 12
    assert all(set(trial.params) == {"x"} and -2 <= trial.params["x"] < 2 for trial in trials)
    found = OmegaConf.load("s/optimization_results.yaml")  # the stock sweeper's file
    assert (found.name, found.best_value) == ("optuna", study().best_value)
    assert found.best_params == study().best_params


def test_several_objectives(sweep):
    write("return cfg.x ** 2, (cfg.x - 1) ** 2", sampler="nsgaii", direction="[minimize,maximize]")
    done = sweep("y=0")
    assert done.returncode == 0, done.stderr
    assert "Pareto front" in done.stdout
    assert all(len(trial.values) == 2 for trial in study().trials)
    found = OmegaConf.load("s/optimization_results.yaml")
    assert {tuple(one["values"]) for one in found.solutions} == {tuple(one.values) for one in study().best_trials}


def test_a_space_in_python(sweep):
    Path("spaces.py").write_text('def more(cfg, trial):\n    trial.suggest_float("+z", 0.0, trial.params["x"] + 3)\n')
    write("return cfg.x + cfg.z", sampler="random", more="  \n")
    config = Path("config.yaml")
    config.write_text(
        config.read_text().replace("    n_jobs: 1", "    n_jobs: 1\n    custom_search_space: spaces.more")
    )
    app = Path("app.py")
    refused = sweep("y=0")
    assert refused.returncode == 1
    assert "spaces.more" in refused.stderr
    app.write_text(app.read_text().replace("apps.*", "spaces.*"))
    done = sweep("y=0")
    assert done.returncode == 0, done.stderr
    assert all(0 <= trial.params["+z"] <= trial.params["x"] + 3 for trial in study().trials)
    assert {trial.state for trial in study().trials} == {TrialState.COMPLETE}
