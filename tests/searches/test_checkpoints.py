"""Which checkpoints stay on the disk."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from search_commands import rows

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.record.checkpoints_kept import Checkpoints, kept_count


def begin(study: optuna.Study, folder: Path) -> optuna.Trial:
    """A trial that runs and has written two checkpoints and something else."""
    trial = study.ask()
    own = folder / str(trial.number)
    (own / "checkpoints").mkdir(parents=True)
    for name in ("best.ckpt", "last.ckpt", "notes.txt"):
        (own / "checkpoints" / name).write_bytes(b"x" * 100)
    (own / "mine.ckpt").touch()
    trial.set_user_attr("folder", str(own))
    return trial


def kept(folder: Path) -> list[int]:
    """The trials that have all their checkpoints."""
    return sorted(int(file.parent.parent.name) for file in folder.glob("*/checkpoints/best.ckpt"))


def searched(folder: Path, keep: str, values: list[float | TrialState], **options: object) -> Checkpoints:
    study = optuna.create_study(**(options or {"direction": "maximize"}))
    checkpoints = Checkpoints(study, folder, keep)
    running = begin(study, folder)
    assert running.number == 0
    for value in values:
        trial = begin(study, folder)
        study.tell(trial, **({"state": value} if isinstance(value, TrialState) else {"values": value}))
        checkpoints.tidy()
    return checkpoints


@pytest.mark.parametrize(
    ("keep", "stay"),
    [("all", [0, 1, 2, 3, 4, 5, 6]), ("best", [0, 4]), ("top_2", [0, 2, 4]), ("top_9", [0, 2, 3, 4, 6])],
)
def test_the_best_and_the_running_stay(keep, stay, own_folder):
    values = [TrialState.FAIL, 0.5, 0.25, 0.9, TrialState.PRUNED, 0.1]
    checkpoints = searched(own_folder, keep, values)
    assert kept(own_folder) == stay
    gone = 7 - len(stay)
    assert (checkpoints.trials, checkpoints.freed) == (gone, gone * 200)
    assert len(list(own_folder.glob("*/mine.ckpt"))) == 7, "only what is in checkpoints/"
    assert len(list(own_folder.glob("*/checkpoints/notes.txt"))) == 7


def test_nothing_goes_before_a_trial_is_complete(own_folder):
    searched(own_folder, "best", [TrialState.PRUNED, TrialState.FAIL])
    assert kept(own_folder) == [0, 1, 2]


def test_the_pareto_front_stays(own_folder):
    searched(own_folder, "best", [(1.0, 1.0), (2.0, 2.0), (0.0, 3.0)], directions=["minimize", "minimize"])
    assert kept(own_folder) == [0, 1, 3]
    with pytest.raises(ConfigError, match="with several objectives it is all or best"):
        kept_count("top_2", 2)


def test_another_supervisors_folder_is_not_touched(own_folder):
    study = optuna.create_study()
    for place in ("theirs", "ours"):
        for value in (2.0, 1.0):
            study.tell(begin(study, own_folder / place), value)
    Checkpoints(study, own_folder / "ours", "best").tidy()
    assert kept(own_folder / "theirs") == [0, 1]
    assert kept(own_folder / "ours") == []


@pytest.mark.parametrize("keep", ["top_k", "top_0", "none", "3", ""])
def test_what_is_no_choice_is_said(keep):
    with pytest.raises(ConfigError, match=f"keep_checkpoints={keep}: it is all, best, or top_3"):
        kept_count(keep, 1)


@pytest.mark.slow
def test_a_search_says_what_it_freed(own_folder, command):
    few = ["model=mlp", "model.net.width=8,16", "optimizer.lr=1e-3,1e-2", "trainer.max_epochs=1"]
    done = command("-m", *few, "hydra.sweeper.keep_checkpoints=top_2", "hydra.sweep.dir=s", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert "MB freed, the checkpoints of 2 of the trials" in done.stdout
    best = sorted(rows(), key=lambda row: (-float(row["value"]), int(row["number"])))[:2]
    there = {file.parent.parent.name for file in Path("s").glob("*/checkpoints/*.ckpt")}
    assert there == {row["number"] for row in best}
