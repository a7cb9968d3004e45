"""``-m --cfg``: what a search would do."""

from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
SEARCH = ["-m", "model=mlp", "optimizer.lr=tag(log,interval(1e-4,1e-1))", "model.net.width=choice(8,16)"]


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["--cfg=job"], ["-c", "job"]], ids=" ".join)
def test_space_sampler_budget_and_the_first_trials_config_are_shown_and_nothing_is_begun(command, flags):
    shown = command(*flags, *SEARCH, "hydra.sweeper.n_trials=7", "hydra/sweeper/pruner=median")
    assert shown.returncode == 0, shown.stderr
    found = yaml.safe_load(shown.stdout)
    assert found["objective"] == "maximize val/accuracy"
    assert found["space"] == {"optimizer.lr": "tag(log,interval(0.0001,0.1))", "model.net.width": "choice(8,16)"}
    assert found["sampler"].startswith("TPESampler")
    assert found["pruner"] == "MedianPruner"
    assert found["budget"]["n_trials"] == 7
    trial = found["first_trial"]
    assert trial["config"]["optimizer"]["lr"] == pytest.approx(trial["params"]["optimizer.lr"])
    assert "hydra" not in trial["config"]
    assert not Path("outputs").exists()


def test_every_combination_is_counted(command):
    found = yaml.safe_load(command("-m", "--cfg", "job", "model=mlp", "seed=1,2,3").stdout)
    assert found["budget"]["n_trials"] == 3
    assert found["first_trial"]["params"] == {"seed": 1}


def test_hydras_part_is_shown_alone_or_with_the_rest(command):
    hydra, whole = (
        yaml.safe_load(command("-m", "--cfg", kind, *SEARCH[1:]).stdout)["first_trial"]["config"]
        for kind in ("hydra", "all")
    )
    assert set(hydra) == {"hydra"}
    assert hydra["hydra"]["sweeper"]["_target_"] == "lightning_sweeps.command.sweeper.StudySweeper"
    assert set(whole) > {"hydra", "model"}


def test_a_password_is_not_shown_and_a_mistake_is_said(command):
    url = "hydra.sweeper.storage=postgresql+psycopg://me:secret@localhost/db"
    shown = command("-m", "--cfg", "all", "seed=1,2", url)
    assert shown.returncode == 0, shown.stderr
    assert "secret" not in shown.stdout
    wrong = command("-m", "--cfg", "job", "model.net.widht=1,2")
    assert wrong.returncode == 1
    assert "Did you mean" in wrong.stderr
