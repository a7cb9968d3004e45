"""What plain Lightning does with a module, a run does too: fit, evaluate, predict, and go on."""

import json
import math
from pathlib import Path

import foreign_modules
import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch import seed_everything

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.safety import trust

MODULES = [
    *("Plain", "MadeInSetup", "Lazy", "FrozenEncoder", "Manual", "OfDicts", "BinaryLogits", "Segmentation"),
    *("LogsOurNames", "Dropping", "OfSequences", "OfSeveral", "OwnHParams", "OwnCheckpointHooks", "Averaged"),
    "NoValidation",
]


def metric_of(name: str) -> str:
    return "loss_of_epoch" if name == "NoValidation" else "val_loss"


@pytest.fixture(params=MODULES)
def name(request, monkeypatch):
    monkeypatch.setattr(trust, "_trusted_by_python", ["foreign_modules"])
    return request.param


def overrides(name: str, *more: str) -> list[str]:
    return [
        *("~model", f"+model={{_target_: foreign_modules.{name}}}", "optimizer=none", "scheduler=none"),
        *(
            "~datamodule",
            f"+datamodule={{_target_: foreign_modules.data_of, module: {name}}}",
            "trainer.accelerator=cpu",
        ),
        *(f"objective.metric={metric_of(name)}", "objective.mode=min", *more),
    ]


def plain(name: str, epochs: int, checkpoint: Path | None = None) -> pl.Trainer:
    """The same under a user's own Trainer."""
    seed_everything(0, workers=True, verbose=False)
    datamodule = foreign_modules.data_of(name)
    module = getattr(foreign_modules, name)()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = pl.Trainer(max_epochs=epochs, enable_checkpointing=False, **quiet)
    trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True)
    return trainer


def weights(file: Path) -> dict[str, torch.Tensor]:
    return torch.load(file, weights_only=True)["state_dict"]


@pytest.mark.filterwarnings("ignore")  # of the modules' own ways
def test_a_run_does_what_a_trainer_does_and_goes_on(name, run_here, own_folder):
    run_here(*overrides(name, "trainer.max_epochs=2"), folder="run")
    found = json.loads(Path("run/result.json").read_text())
    trainer = plain(name, 2)
    metric = metric_of(name)
    assert found["metrics"][metric] == float(trainer.callback_metrics[metric])
    assert found["objective"] == pytest.approx(found["metrics"][metric]) or found["objective_epoch"] == 0
    assert math.isfinite(found["metrics"]["test_loss"]), "the best checkpoint is tested after the fit"
    own = trainer.lightning_module.state_dict()
    last = Path("run/checkpoints/last.ckpt")
    assert all(torch.equal(value, own[key]) for key, value in weights(last).items())
    header = Path("run/metrics.csv").read_text().splitlines()[0].split(",")
    assert header[:3] == ["epoch", "step", "seconds"]
    assert len(set(header)) == len(header)

    for stage in ("test", "predict") if name == "NoValidation" else ("validate", "test", "predict"):
        run_here(*overrides(name, f"stage={stage}", f"ckpt_path={last}"), folder=stage)
        assert json.loads(Path(stage, "result.json").read_text())["status"] == "completed"
        if stage == "validate":
            assert json.loads(Path("validate/result.json").read_text())["metrics"][metric] == found["metrics"][metric]

    run_here(*overrides(name, "trainer.max_epochs=3", f"ckpt_path={last}"), folder="more")
    longer = Path("more/checkpoints/last.ckpt")
    assert torch.load(longer, weights_only=True)["epoch"] == 2
    run_here(*overrides(name, "trainer.max_epochs=3"), folder="whole")
    whole = weights(Path("whole/checkpoints/last.ckpt"))
    assert all(torch.equal(value, whole[key]) for key, value in weights(longer).items()), "going on leaves no trace"


def test_a_module_with_optimizers_of_its_own_is_told_what_to_type(run_here, monkeypatch):
    monkeypatch.setattr(trust, "_trusted_by_python", ["foreign_modules"])
    with pytest.raises(ConfigError, match=r"Manual steps its own optimizers .*; add optimizer=none scheduler=none"):
        run_here(*overrides("Manual", "optimizer=adam"))
