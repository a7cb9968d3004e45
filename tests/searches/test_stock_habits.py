"""What people do with the stock Optuna sweeper: spaces in the config, several objectives, a space in Python."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState
from search_commands import study

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


@pytest.mark.parametrize("named", ["", "  - override hydra/sweeper/sampler: tpe\n"], ids=["unnamed", "named"])
def test_a_templates_search_file_with_the_other_name(sweep, named):
    """As the Lightning-Hydra template has it: the stock sweeper's target is left, and its default sampler is meant."""
    write("return cfg.x ** 2 + cfg.y ** 2")
    config = Path("config.yaml")
    config.write_text(
        config.read_text()
        .replace("  - override hydra/sweeper/sampler: tpe\n", named)
        .replace(
            "    sampler: {seed: 1}",
            "    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper\n"
            "    sampler: {_target_: optuna.samplers.TPESampler, seed: 1234, n_startup_trials: 5}",
        )
    )
    done = sweep("y=0")
    assert done.returncode == 0, done.stderr
    assert "TPESampler, 12 trials" in done.stdout
    assert len(study().trials) == 12


def test_the_stock_sweeper_is_still_there(sweep):
    write("return cfg.x ** 2 + cfg.y ** 2")
    config = Path("config.yaml")
    config.write_text(config.read_text().replace("hydra/sweeper: study", "hydra/sweeper: optuna"))
    done = sweep("y=0")
    assert done.returncode == 0, done.stderr
    assert "Best value" in done.stdout
    assert not Path("s/study.journal").exists()


def test_the_first_versions_name_of_a_space_is_told(sweep):
    write("return cfg.x ** 2 + cfg.y ** 2")
    config = Path("config.yaml")
    config.write_text(config.read_text().replace("    params:", "    search_space:"))
    done = sweep()
    assert done.returncode == 1
    assert done.stderr.startswith("error: hydra.sweeper.search_space: ")
    assert len(done.stderr.splitlines()) == 2


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
