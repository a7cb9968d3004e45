"""Modules as people write them as the trials of searches: pruned, killed, and gone on with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from foreign_modules import __file__ as foreign_modules
from search_commands import rows, wait_until
from test_foreign_modules import MODULES, metric_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks")]
VALIDATED = [name for name in MODULES if name != "NoValidation"]


def command(*overrides: str, modules: list[str]) -> list[str]:
    """A search in which each trial trains another module, all at once."""
    return [
        *("-m", "lightning_sweeps", "-m", "~model", "+model={_target_: 'foreign_modules.${module}'}"),
        *("~datamodule", "+datamodule={_target_: foreign_modules.data_of, module: '${module}'}"),
        *("optimizer=none", "scheduler=none", "trainer.accelerator=cpu", "objective.mode=min"),
        f"objective.metric={metric_of(modules[0])}",
        *("+module=" + ",".join(modules), f"hydra.sweeper.n_jobs={len(modules)}", "hydra.sweeper.report=false"),
        *("trainer.max_epochs=3", *overrides),
    ]


@pytest.fixture
def environment() -> dict[str, str]:
    return {"LIGHTNING_SWEEPS_TRUST": "foreign_modules", "PYTHONPATH": str(Path(foreign_modules).parent)}


def test_modules_are_pruned_after_the_epoch_that_their_pruner_names(python, own_folder, environment):
    """Optuna's threshold, which every value is above, from the second epoch on."""
    pruner = [
        "hydra/sweeper/pruner=threshold",
        "hydra.sweeper.pruner.upper=-1",
        "hydra.sweeper.pruner.n_warmup_steps=2",
    ]
    search = command(*pruner, "hydra.sweep.dir=s", modules=VALIDATED)
    done = python(*search, **environment)
    assert done.returncode == 1, "no trial is complete"
    assert [(row["state"], row["epochs"]) for row in rows()] == [("PRUNED", "2")] * len(VALIDATED)
    assert all(row["value"] and float(row["value"]) > 0 for row in rows())


@pytest.mark.parametrize("modules", [VALIDATED, ["NoValidation"]], ids=["validated", "not validated"])
def test_modules_that_were_killed_with_their_search_end_as_if_nothing_had_been(
    python, own_folder, environment, modules
):
    """The same weights to the last bit."""
    callbacks = "callbacks=[last_checkpoint]"
    stop = "+callbacks.stop={_target_: foreign_modules.StopsOnce, name: '${module}'}"
    undisturbed = command(callbacks, "hydra.sweep.dir=whole", modules=modules)
    assert python(*undisturbed, **environment).returncode == 0
    killed = command(callbacks, stop, "hydra.sweep.dir=killed", modules=modules)
    searching = subprocess.Popen([sys.executable, *killed], env=os.environ | environment)
    wait_until(lambda: all(Path(f"stopped-{name}").is_file() for name in modules), 60)
    searching.kill()
    searching.wait()
    assert python(*killed, **environment).returncode == 0
    for number, name in enumerate(modules):
        whole, gone_on = (
            torch.load(f"{folder}/{number}/checkpoints/last.ckpt", weights_only=True) for folder in ("whole", "killed")
        )
        assert whole["epoch"] == gone_on["epoch"] == 2
        for key, value in whole["state_dict"].items():
            assert torch.equal(value, gone_on["state_dict"][key]), f"{name}: {key}"
        log = Path(f"killed/{number}/run.log").read_text()
        assert "Restored all states from the checkpoint" in log, log
