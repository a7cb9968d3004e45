"""What trials logged, in the forms in which programs leave it."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial
from torch.utils.tensorboard import SummaryWriter

from lightning_sweeps.report.logged import MOST_ROWS, logged
from lightning_sweeps.searches.record.saved import Saved


@pytest.fixture
def folder(own_folder) -> Path:
    made = own_folder / "s" / "0"
    made.mkdir(parents=True)
    return made


def columns(folder: Path) -> dict[str, list[float | None]]:
    """Of trial 0."""
    study = optuna.create_study()
    study.add_trial(create_trial(value=1.0))
    return logged(Saved(study, folder.parent), study.trials)["trials"].get(0, {})


def test_our_table(folder):
    (folder / "metrics.csv").write_text("epoch,step,seconds,loss,acc\n0,10,0.5,1.25,\n1,20,1.0,nan,0.5\n")
    assert columns(folder) == {
        "epoch": [0, 1],
        "step": [10, 20],
        "seconds": [0.5, 1],
        "loss": [1.25, None],
        "acc": [None, 0.5],
    }


def test_lightnings_logger(folder):
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(folder)
    logger.log_metrics({"epoch": 0, "loss": 2.0}, step=7)
    logger.save()
    assert columns(folder) == {"epoch": [0], "step": [7], "loss": [2]}


def test_tensorboards_event_files_even_cut_off(folder):
    with SummaryWriter(folder / "logs") as writer:
        for step in range(4):
            writer.add_scalar("loss", 0.5**step, step)
            writer.add_scalar("epoch", step // 2, step)
        writer.add_text("a text", "x" * 10_000, 0)
        writer.add_scalar("late", 3.0, 9)
    found = columns(folder)
    assert found["step"] == [0, 1, 2, 3, 9]
    assert found["loss"] == [1, 0.5, 0.25, 0.125, None]
    assert found["late"] == [None] * 4 + [3]
    assert found["epoch"] == [0, 0, 1, 1, None]
    (file,) = (folder / "logs").glob("events*")
    whole = file.read_bytes()
    for length in range(0, len(whole), 37):
        file.write_bytes(whole[:length])
        assert len(columns(folder).get("step", [])) <= 5


def test_long_curves_are_thinned_to_their_ends(folder):
    lines = "".join(f"{epoch},{epoch}\n" for epoch in range(5000))
    (folder / "metrics.csv").write_text(f"epoch,loss\n{lines}")
    found = columns(folder)["epoch"]
    assert len(found) == MOST_ROWS
    assert (found[0], found[-1]) == (0, 4999)


@pytest.mark.parametrize("text", ["", "\n", "a", "epoch\n", "epoch,loss\nx,y\n", "\x00\xff"], ids=repr)
def test_what_is_no_table_is_left_out(folder, text):
    (folder / "metrics.csv").write_bytes(text.encode("latin-1"))
    assert columns(folder) == {}
