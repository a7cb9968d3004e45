"""What every optimizer and every scheduler option keeps."""

import json

import pytest

from lightning_sweeps.overrides.groups import CONF, find_groups

GROUPS = find_groups([CONF])
OPTIMIZERS = sorted(set(GROUPS["optimizer"]) - {"none"})
SCHEDULERS = sorted(GROUPS["scheduler"])
QUICK = ["model=mlp", "logger=csv", "callbacks=[learning_rate_monitor,last_checkpoint]", "test=false"]


def metrics(folder):
    lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_lowers_the_loss(run_here, own_folder, optimizer):
    run_here(*QUICK, f"optimizer={optimizer}", "trainer.max_epochs=3")
    first, *_, last = (float(row["train/loss"]) for row in metrics(own_folder))
    assert last < 0.7 * first


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_goes_on_from_a_checkpoint(run_here, own_folder, optimizer):
    import torch

    run_here(*QUICK, f"optimizer={optimizer}", "trainer.max_epochs=1", folder="first")
    checkpoint = "ckpt_path=first/checkpoints/last.ckpt"
    run_here(*QUICK, f"optimizer={optimizer}", "trainer.max_epochs=2", checkpoint, folder="second")
    steps = json.loads((own_folder / "second" / "result.json").read_text())["steps"]
    assert steps == 40
    saved = torch.load(own_folder / "second" / "checkpoints" / "last.ckpt", weights_only=True)
    states = saved["optimizer_states"][0]["state"]
    # SGD counts no steps; the momentum that it kept is what tells.
    assert all(int(state["step"]) == 40 if "step" in state else "momentum_buffer" in state for state in states.values())


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_scheduler_moves_the_learning_rate_when_it_should(run_here, own_folder, scheduler):
    extra = {
        "step": ["scheduler.scheduler.step_size=1"],
        # A loss that should grow, and falls: nothing improves.
        "plateau": ["scheduler.scheduler.patience=0", "objective.metric=val/loss", "objective.mode=max"],
    }.get(scheduler, [])
    run_here(*QUICK, f"scheduler={scheduler}", "trainer.max_epochs=3", "trainer.log_every_n_steps=1", *extra)
    lines = (own_folder / "csv" / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("lr-AdamW")
    rates = [float(value) for line in lines[1:] if (value := line.split(",")[column])]
    if scheduler == "none":
        assert len(set(rates)) == 1
    elif scheduler == "step":
        assert sorted(set(rates), reverse=True) == pytest.approx([0.003, 0.0009, 0.00027])
    elif scheduler == "plateau":
        assert sorted(set(rates), reverse=True) == pytest.approx([0.003, 0.0009])
    else:
        assert len(set(rates)) > 50, "a rate for every step"
        assert rates[-1] < 0.1 * max(rates), "down at the end: the total number of steps is right"
    if scheduler in ("warmup_cosine", "onecycle"):
        assert rates[0] < 0.1 * max(rates), "up at the start"


def test_accumulation_counts_optimizer_steps(run_here, own_folder):
    run_here(*QUICK, "scheduler=onecycle", "trainer.max_epochs=2", "trainer.accumulate_grad_batches=4")
    assert json.loads((own_folder / "result.json").read_text())["steps"] == 10
