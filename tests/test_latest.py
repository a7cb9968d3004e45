"""``latest`` instead of a search's folder."""

import pytest

from lightning_sweeps import Study
from lightning_sweeps.files.latest import search_folder

pytestmark = pytest.mark.slow


def test_it_is_the_newest_search_for_every_command(own_folder, sweep, command):
    for time in ("2026-11-25/23-59-59", "2026-11-26/00-00-01"):
        assert sweep("x=1,2", f"hydra.sweep.dir=multirun/{time}", "hydra.sweeper.n_trials=1").returncode == 0
    resumed = command("latest", "hydra.sweeper.n_trials=2", module="lightning_sweeps.resume")
    assert resumed.returncode == 0, resumed.stderr
    assert Study("latest").folder == own_folder / "multirun/2026-11-26/00-00-01"
    assert len(Study("latest").trials) == 2
    assert command("latest", "--format", "csv", module="lightning_sweeps.report").stdout.count("COMPLETE") == 2
    rerun = command("latest", module="lightning_sweeps.rerun")
    assert ": value 1, the same to the last bit as in the search" in rerun.stdout
    assert Study("latest").folder.name == "00-00-01", "what rerun makes is none"


def test_without_a_search_it_is_a_folder_that_is_not_there(own_folder, command):
    for module in ("report", "resume", "status", "rerun"):
        done = command("latest", module=f"lightning_sweeps.{module}")
        assert done.returncode == 1
        assert done.stderr.startswith("error: latest: there is no search below ")
        assert done.stderr.endswith(" in outputs/sweeps or multirun\n")
    assert (
        "lastest: no such folder. Did you mean latest?" in command("lastest", module="lightning_sweeps.report").stderr
    )
    done = command("sqlite:///study.db#a", module="lightning_sweeps.resume")
    assert "to go on, name the search's folder" in done.stderr
    (own_folder / "latest").mkdir()
    assert search_folder("latest") == "latest"


def test_it_is_the_newest_runs_last_checkpoint(own_folder, command):
    quick = ["model=mlp", "trainer.limit_train_batches=1", "callbacks=[last_checkpoint]", "test=false"]
    for time in ("2026-11-25/23-59-59", "2026-11-26/00-00-01"):
        folder = f"hydra.run.dir=outputs/runs/{time}"
        assert command(*quick, "trainer.max_epochs=2", "model.net.width=8", folder).returncode == 0
    on = command(*quick, "trainer.max_epochs=3", "model.net.width=8", "ckpt_path=latest")
    assert on.returncode == 0, on.stderr
    (log,) = (file for file in own_folder.glob("outputs/runs/*/*/run.log") if "Restored" in file.read_text())
    assert "outputs/runs/2026-11-26/00-00-01/checkpoints/last.ckpt" in log.read_text()
    missing = command("ckpt_path=nothing.ckpt")
    assert "ckpt_path=nothing.ckpt: no such file" in missing.stderr
