"""``run`` and its result, as Python programs call them."""

import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from conftest import write_app
from search_commands import wait_until

from lightning_sweeps import run, search
from lightning_sweeps.errors import CheckpointError, CommandError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks")]
QUICK = ["model=mlp", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.accelerator=cpu"]


def test_a_runs_result_has_what_its_folder_has(own_folder):
    result = run([*QUICK, "callbacks=[best_checkpoint]"], show=False)
    assert result.status == "completed"
    assert result.objective == result.metrics["val/accuracy"]
    assert result.epochs == 1
    assert result.folder.parent.parent == own_folder / "outputs" / "runs"
    module = result.module()
    assert not module.training
    saved = torch.load(result.checkpoint, weights_only=True)["state_dict"]
    for name, weights in module.state_dict().items():
        assert torch.equal(weights, saved[name])
    assert module(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def test_a_run_without_a_checkpoint_says_so(own_folder):
    result = run([*QUICK, "callbacks=none", "hydra.run.dir=run"], show=False)
    assert result.folder == own_folder / "run"
    assert result.checkpoint is None
    with pytest.raises(CheckpointError, match=r"no checkpoint there; a run keeps one with callbacks="):
        result.module()


def test_a_search_has_modules_too_and_its_overrides_run_again(own_folder):
    study = search([*QUICK, "optimizer.lr=0.1,0.01"], show=False, overrides=["hydra.sweeper.report=false"])
    best = study.best
    module = best.load()
    again = run([*best.overrides, "test=false"], show=False)
    assert again.objective == best.value
    for name, weights in again.module().state_dict().items():
        assert torch.equal(weights, module.state_dict()[name])


def test_a_mistyped_run_is_said_and_leaves_nothing(own_folder):
    with pytest.raises(CommandError, match=r"model=mlpp: no such option. Did you mean 'mlp'\?") as caught:
        run(["model=mlpp"], show=False)
    assert caught.value.folder is None
    assert not list(own_folder.glob("outputs/runs/*/*"))


def test_a_run_that_fails_has_a_folder_with_its_log(own_folder):
    with pytest.raises(CommandError, match="val/acurracy: this metric is never logged") as caught:
        run([*QUICK, "objective.metric=val/acurracy"], show=False)
    assert list(caught.value.folder.glob("*.log"))


def test_ctrl_c_returns_what_the_run_has(own_folder):
    def interrupt():
        wait_until(lambda: bool(list(Path("run").glob("checkpoints/last.ckpt"))), 100)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    result = run(["model=mlp", "trainer.max_epochs=2000", "hydra.run.dir=run", "trainer.accelerator=cpu"], show=False)
    assert result.status == "interrupted"
    assert 0 < result.epochs < 2000
    on = run(
        ["model=mlp", f"trainer.max_epochs={result.epochs + 2}", f"ckpt_path={result.folder}/checkpoints/last.ckpt"]
    )
    assert on.status == "completed"


def test_a_program_of_ones_own_runs_too(own_folder):
    write_app(own_folder)
    result = run(["x=2"], program="app.py", show=False)
    assert result.status == "unknown"
    assert (result.folder / ".hydra" / "config.yaml").is_file()
    text = Path("app.py").read_text()
    Path("bad.py").write_text(text.replace("trial = ", "raise ValueError('no')\n    trial = "))
    with pytest.raises(CommandError, match="ValueError: no"):
        run(["x=2"], program="bad.py", show=False)
