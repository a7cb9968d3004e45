"""Distributed trials: their processes join the trial, and what happens to one of them happens to that trial only."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed
from search_commands import rows, study

from lightning_sweeps.searches.execute import ranks

CONFIG = """
defaults:
  - override hydra/sweeper: study
x: 1
faults: {}
hydra:
  sweeper:
    report: false
"""
# A program of somebody's own: Lightning's Trainer, and a loop in each process that reports and obeys.
APP = """
import json, os, signal
from pathlib import Path
import hydra
import lightning.pytorch as pl
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning_sweeps import current_trial

class Model(BoringModel):
    def __init__(self, x, fault):
        super().__init__()
        self.x, self.fault, self.pruned_at = x, fault, None

    def on_train_epoch_end(self):
        trial = current_trial()
        if self.global_rank == 1 and self.fault == "killed": os.kill(os.getpid(), signal.SIGKILL)
        if self.global_rank == 1 and self.fault == "raise": raise ValueError("a bad rank")
        trial.report(self.x, self.current_epoch + 1)
        if trial.should_prune():
            self.trainer.should_stop, self.pruned_at = True, self.current_epoch

@hydra.main(config_path="conf", config_name="config")
def train(cfg):
    trial = current_trial()
    facts = {"before": os.environ.get("LOCAL_RANK"), "x": cfg.x}
    model = Model(cfg.x, cfg.faults.get(trial.number))
    trainer = pl.Trainer(max_epochs=3, limit_train_batches=2, limit_val_batches=0, accelerator="cpu", devices=2,
        strategy="ddp", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(model)
    folder = Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir)
    facts |= {"port": os.environ["MASTER_PORT"], "pruned_at": model.pruned_at, "world": trainer.world_size}
    (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(facts))
    return cfg.x

if __name__ == "__main__":
    train()
"""


@pytest.mark.slow
@pytest.mark.ways
@pytest.mark.usefixtures("forks")
def test_the_processes_of_a_trial_join_it(own_folder):
    (own_folder / "conf").mkdir()
    (own_folder / "conf" / "config.yaml").write_text(CONFIG)
    (own_folder / "app.py").write_text(APP)
    overrides = ["x=1,2,3,4", "hydra.sweeper.n_jobs=2", "hydra.sweep.dir=s", "++faults={1:killed,2:raise}"]
    pruner = ["hydra/sweeper/pruner=threshold", "hydra.sweeper.pruner.upper=3.5", "hydra.sweeper.max_failure_rate=1"]
    done = subprocess.run(
        [sys.executable, "app.py", "-m", *overrides, *pruner], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = {row["number"]: (row["state"], row["reason"]) for row in rows()}
    assert told == {
        "0": ("COMPLETE", ""),
        "1": ("FAIL", "rank 1 killed by SIGKILL (out of memory?)"),
        "2": ("FAIL", "rank 1: ValueError: a bad rank"),
        "3": ("PRUNED", ""),
    }
    assert sorted(folder.name for folder in Path("s").iterdir() if folder.name.isdigit()) == ["0", "1", "2", "3"]
    ports = set()
    for number, pruned_at in ((0, None), (3, 0)):
        facts = [json.loads(Path(f"s/{number}/rank{rank}.json").read_text()) for rank in (0, 1)]
        assert {one["x"] for one in facts} == {number + 1}
        assert [one["pruned_at"] for one in facts] == [pruned_at] * 2
        assert [one["world"] for one in facts] == [2, 2]
        assert [one["before"] for one in facts] == [None, "1"], "the first finds nothing of the trial before"
        ports.add(facts[0]["port"])
        assert facts[0]["port"] == facts[1]["port"]
    assert len(ports) == 2


@pytest.mark.slow
@pytest.mark.ways
def test_a_distributed_search_is_one_as_any(command, own_folder):
    lightning = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "model=mlp", "trainer.max_epochs=3"]
    search = ["optimizer.lr=1e-7,1e-2,2e-2,1e-3", "hydra.sweeper.n_jobs=2", "hydra.sweep.dir=s", "test=true"]
    pruner = ["hydra/sweeper/pruner=threshold", "hydra.sweeper.pruner.lower=0.3"]
    done = command("-m", *lightning, *search, *pruner)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["state"] for row in rows()] == ["PRUNED", "COMPLETE", "COMPLETE", "COMPLETE"]
    for trial in study().trials:
        result = json.loads(Path(f"s/{trial.number}/result.json").read_text())
        assert result["steps"] == trial.last_step * 10, "each process has half of the 20 batches"
        assert len(trial.intermediate_values) == (1 if trial.number == 0 else 3)
        assert Path(f"s/{trial.number}/output.log").read_text().count("stage fit") == 1


@pytest.mark.slow
@pytest.mark.ways
def test_without_processes_of_its_own_a_trial_is_not_distributed(command):
    done = command(
        "-m", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "optimizer.lr=1e-3", "hydra.sweep.dir=s",
        "hydra.sweeper.isolation=none",
    )  # fmt: skip
    assert done.returncode == 1
    assert "leave hydra.sweeper.isolation=none out" in done.stdout + done.stderr


def test_a_reserved_port_is_given_once_and_can_be_listened_on():
    ports = {ranks._reserved_port() for _ in range(50)}
    assert len(ports) == 50
    store = torch.distributed.TCPStore("127.0.0.1", ports.pop(), 1, is_master=True)
    store.set("a", "1")
    assert store.get("a") == b"1"
    while ranks._reservations:
        ranks._reservations.pop().close()


def test_what_a_cluster_left_does_not_reach_lightning(monkeypatch):
    from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment

    for name, value in {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "sweep", "LOCAL_RANK": "3", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert SLURMEnvironment.detect()
    ranks.forget_ranks()
    assert not SLURMEnvironment.detect()
    assert LightningEnvironment().local_rank() == 0


@pytest.mark.slow
@pytest.mark.ways
def test_another_process_of_a_distributed_run_does_not_start_the_search_again(sweep, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    done = sweep("x=1,2")
    assert done.returncode == 1
    assert "started the search again" in done.stderr
    assert not Path("s").exists()
