"""Searches on real GPUs: ``nox -s gpu``."""

from pathlib import Path

import pytest
import torch
from searches import rows

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
