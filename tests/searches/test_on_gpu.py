"""Searches on real GPUs: ``nox -s gpu``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from search_commands import rows, wait_until

pytestmark = [pytest.mark.gpu, pytest.mark.slow]
GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0
needs_one = pytest.mark.skipif(GPUS < 1, reason="torch sees no CUDA device")
needs_two = pytest.mark.skipif(GPUS < 2, reason=f"torch sees {GPUS} CUDA devices")

# Trial 0 computes while trial 1 asks for more than its half of any card has.
APP = """
import time
from pathlib import Path
import hydra
import torch

@hydra.main(config_path="conf", config_name="config")
def objective(cfg):
    assert torch.cuda.device_count() == 1
    if cfg.x == 1:
        Path("asking").touch()
        torch.empty(80 * 2**30, dtype=torch.uint8, device="cuda")
    while not Path("asking").exists():
        time.sleep(0.01)
    with torch.autocast("cuda", torch.bfloat16):
        for _ in range(200):
            product = torch.ones(1024, 1024, device="cuda") @ torch.ones(1024, 1024, device="cuda")
    assert product.dtype == torch.bfloat16
    return product.sum().item()

if __name__ == "__main__":
    objective()
"""


@needs_one
def test_a_trial_out_of_memory_fails_alone_on_a_card_that_it_shares(app, sweep, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    app.write_text(APP)
    done = sweep("x=0,1", "hydra.sweeper.trials_per_device=2")
    assert "2 at a time, on GPU 0 | 0, each with 50% of its memory" in done.stdout, done.stdout + done.stderr
    assert [(row["state"], row["reason"]) for row in rows()] == [
        ("COMPLETE", ""),
        ("FAIL", "CUDA out of memory, 80.0 GiB asked"),
    ]


@needs_one
def test_two_runs_on_one_card_in_bfloat16(command, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    done = command(
        *("-m", "model=mlp", "optimizer.lr=1e-3,1e-2", "trainer=gpu", "trainer.precision=bf16-mixed"),
        *("trainer.max_epochs=10", "hydra.sweep.dir=s", "hydra.sweeper.trials_per_device=2"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(float(row["value"]) for row in rows()) > 0.9
    assert "bfloat16" in Path("s/0/run.log").read_text()


@pytest.mark.parametrize(
    ("strategy", "devices"),
    [pytest.param("fsdp", 1, marks=needs_one), *(pytest.param(one, 2, marks=needs_two) for one in ("ddp", "fsdp"))],
)
def test_a_distributed_trial(command, strategy, devices):
    """With two GPUs over NCCL."""
    done = command(
        *("-m", "model=mlp", "optimizer.lr=1e-3,1e-2", f"trainer={strategy}", "trainer.accelerator=gpu"),
        *(f"trainer.devices={devices}", "trainer.max_epochs=10", "hydra.sweep.dir=s"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["state"] for row in rows()] == ["COMPLETE", "COMPLETE"]
    assert max(float(row["value"]) for row in rows()) > 0.9


STARTED = """
import json
from pathlib import Path
import hydra
import torch

{before}

@hydra.main(config_path="conf", config_name="config")
def objective(cfg):
    drawn = torch.rand(2, device="cuda").tolist()
    Path(str(cfg.x)).write_text(json.dumps([*drawn, cfg.x]))
    return cfg.x

if __name__ == "__main__":
    objective()
"""


@needs_one
@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("", ""),
        ("torch.cuda.is_available()", ""),  # spoils CUDA for forked processes, unless it asks NVML
        ("table = torch.ones(4, device='cuda')", "each trial starts an interpreter of its own"),
    ],
    ids=["nothing", "asked", "started"],
)
def test_trials_of_a_program_use_cuda_whatever_it_did_before(app, sweep, monkeypatch, before, said):
    """And draw different numbers on it, since the program has no seed."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("PYTORCH_NVML_BASED_CUDA_CHECK", raising=False)
    app.write_text(STARTED.format(before=before))
    done = sweep("x=1,2,3", "hydra.sweeper.trials_per_device=2")
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 3, done.stdout + done.stderr
    drawn = [json.loads(Path(str(x)).read_text()) for x in (1, 2, 3)]
    assert len({tuple(numbers) for numbers in drawn}) == 3
    assert said in done.stdout, done.stdout


DRAWING = """
import time
from pathlib import Path
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

class Data(pl.LightningDataModule):
    def train_dataloader(self): return DataLoader(TensorDataset(torch.arange(2048.0).view(64, 32)), 8, shuffle=True)
    def val_dataloader(self): return DataLoader(TensorDataset(torch.ones(8, 32)), 8)

class Drawing(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(32, 1)
    def training_step(self, batch, index):
        noise = torch.rand(1, device=self.device)
        assert noise.is_cuda
        return self.layer(torch.nn.functional.dropout(batch[0] / 2048)).pow(2).mean() * noise
    def validation_step(self, batch, index): self.log("val_loss", self.layer(batch[0]).pow(2).mean())
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.01)
    def on_train_epoch_start(self):
        stop = Path(f"stop-before-{self.current_epoch}")
        if stop.is_file(): stop.rename("stopped"); time.sleep(600)
"""


@needs_one
def test_kills_at_epochs_ends_leave_no_trace_in_what_is_drawn_on_the_gpu(own_folder):
    Path("mine.py").write_text(DRAWING)
    environment = os.environ | {"LIGHTNING_SWEEPS_TRUST": "mine", "PYTHONPATH": str(Path.cwd())}
    environment["CUDA_VISIBLE_DEVICES"] = "0"
    search = [
        *(sys.executable, "-m", "lightning_sweeps", "-m", "~model", "+model={_target_: mine.Drawing}", "~datamodule"),
        *("+datamodule={_target_: mine.Data}", "~optimizer", "~scheduler", "trainer=gpu", "trainer.max_epochs=4"),
        *("objective={metric: val_loss, mode: min}", "callbacks=[last_checkpoint]", "test=false", "seed=choice(1)"),
        *("hydra/sweeper=study", "hydra.sweeper.report=false"),
    ]
    subprocess.run([*search, "hydra.sweep.dir=whole"], env=environment, check=True, timeout=120)
    for epoch in (1, 3):
        Path(f"stop-before-{epoch}").touch()
        searching = subprocess.Popen([*search, "hydra.sweep.dir=killed"], env=environment)
        wait_until(Path("stopped").is_file, 60)
        searching.kill()
        searching.wait()
        Path("stopped").unlink()
    subprocess.run([*search, "hydra.sweep.dir=killed"], env=environment, check=True, timeout=120)
    whole, killed = (
        torch.load(f"{name}/0/checkpoints/last.ckpt", weights_only=True, map_location="cpu")["state_dict"]
        for name in ("whole", "killed")
    )
    assert all(torch.equal(value, killed[key]) for key, value in whole.items())


LISTED = """
import json, torch
from lightning_sweeps.searches.execute.gpus import visible_gpus
from lightning_sweeps.searches.execute.nvml import devices

listed, visible = devices(), visible_gpus()
assert not torch.cuda.is_initialized()
seen = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
print(json.dumps({
    "listed": [[gpu.uuid, gpu.name, gpu.memory] for gpu in listed if not gpu.instances],
    "visible": [gpu.uuid for gpu in visible],
    "seen": [[f"GPU-{one.uuid}", one.name, one.total_memory] for one in seen],
}))
"""


@needs_one
def test_the_driver_lists_the_gpus_that_torch_sees_without_starting_cuda():
    environment = os.environ | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    asked = subprocess.run(
        [sys.executable, "-c", LISTED], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert asked.returncode == 0, asked.stderr
    found = json.loads(asked.stdout)
    assert [gpu[:2] for gpu in found["listed"]] == [gpu[:2] for gpu in found["seen"]]
    for (*_, memory), (*_, usable) in zip(found["listed"], found["seen"], strict=True):
        assert usable <= memory < 1.05 * usable  # the driver keeps some for itself
    assert found["visible"] == [uuid for uuid, *_ in found["listed"]]


@needs_one
def test_a_gpu_is_known_by_the_beginning_of_its_uuid(app, sweep, monkeypatch):
    uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", uuid[:12])
    app.write_text(STARTED.format(before=""))
    done = sweep("x=1,2")
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 2, done.stdout + done.stderr
    assert f"on GPU {uuid[:12]}" in done.stdout


@pytest.fixture
def mine(own_folder, monkeypatch):
    """Write a module that configs may call ``mine``, for programs that see the first GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("LIGHTNING_SWEEPS_TRUST", "mine")
    monkeypatch.setenv("PYTHONPATH", str(own_folder))
    return Path("mine.py").write_text


SLOW = """
import time
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

class Data(pl.LightningDataModule):
    def train_dataloader(self): return DataLoader(TensorDataset(torch.rand(512, 8)), 8)
    def val_dataloader(self): return DataLoader(TensorDataset(torch.rand(8, 8)), 8)

class Slow(pl.LightningModule):  # a step of few and large operations, far behind Python
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)
        self.register_buffer("large", torch.rand(8192, 8192), persistent=False)
    def training_step(self, batch, index):
        self.large @ self.large
        return self.layer(batch[0]).pow(2).mean()
    def validation_step(self, batch, index): self.log("val_loss", self.layer(batch[0]).pow(2).mean())
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.01)
    def on_train_end(self):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(10): self.large @ self.large
        torch.cuda.synchronize()
        print("by hand", (time.perf_counter() - begun) / 10)
"""


@needs_one
def test_the_seconds_of_a_step_are_the_gpus(mine):
    mine(SLOW)
    run = [
        *(sys.executable, "-m", "lightning_sweeps", "~model", "+model={_target_: mine.Slow}", "~datamodule"),
        *("+datamodule={_target_: mine.Data}", "~optimizer", "~scheduler", "trainer=gpu", "trainer.max_epochs=1"),
        *("objective={metric: val_loss, mode: min, measure: [seconds_per_step]}", "test=false", "hydra.run.dir=r"),
    ]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    by_hand = float(done.stdout.split("by hand ")[1].split()[0])
    measured = json.loads(Path("r/result.json").read_text())["costs"]["seconds_per_step"]
    assert 0.8 * by_hand < measured < 2 * by_hand + 0.005


GREEDY = """
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

class Data(pl.LightningDataModule):
    def __init__(self, batch_size):
        super().__init__()
        self.batch_size = batch_size
    def train_dataloader(self): return DataLoader(TensorDataset(torch.rand(1024, 8)), self.batch_size)
    def val_dataloader(self): return DataLoader(TensorDataset(torch.rand(8, 8)), 8)

class Greedy(pl.LightningModule):  # one per cent of the trial's quarter of the GPU's memory for each sample of a batch
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)
    def training_step(self, batch, index):
        size = torch.cuda.get_device_properties(self.device).total_memory // 400 * len(batch[0])
        held = torch.empty(size, dtype=torch.uint8, device=self.device)
        return self.layer(batch[0]).pow(2).mean()
    def validation_step(self, batch, index): self.log("val_loss", self.layer(batch[0]).pow(2).mean())
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), 0.01)
"""


@needs_one
def test_a_trial_out_of_memory_goes_on_with_half_the_batch_and_its_peak_is_an_objective(mine):
    mine(GREEDY)
    search = [
        *(sys.executable, "-m", "lightning_sweeps", "-m", "~model", "+model={_target_: mine.Greedy}", "~datamodule"),
        *("+datamodule={_target_: mine.Data, batch_size: 128}", "~optimizer", "~scheduler", "trainer=gpu"),
        *("objective={metric: val_loss, mode: min, also: {peak_memory: min}}", "test=false", "hydra.sweep.dir=s"),
        "trainer.max_epochs=1",
        *("hydra/sweeper=study", "datamodule.batch_size=choice(32,128)", "hydra.sweeper.report=false"),
        *("hydra.sweeper.n_jobs=1", "hydra.sweeper.trials_per_device=4"),
    ]
    done = subprocess.run(
        [*search, "hydra.sweeper.on_oom=halve_batch"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    total = torch.cuda.get_device_properties(0).total_memory / 1e6
    found = {row["datamodule.batch_size"]: float(row["peak_memory"]) / total for row in rows()}
    assert found == pytest.approx({"32": 0.08, "128": 0.16}, rel=0.02), done.stdout
    again = "it is run again with datamodule.batch_size=64 trainer.accumulate_grad_batches=2"
    assert again in done.stdout + done.stderr
