"""Delete the checkpoints of trials that are not among the best."""

import re
import shutil
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.record.trials_csv import ranked


def kept_count(keep: str, objectives: int) -> int | None:
    """How many of the best trials keep their checkpoints; None for all of the trials.

    Args:
        keep: ``all``; ``best``, with several objectives the Pareto front; ``top_3`` or another number.

    Raises:
        ConfigError: it is none of these.
    """
    found = re.fullmatch(r"all|best|top_([1-9]\d*)", str(keep))
    if not found:
        raise ConfigError(f"hydra.sweeper.keep_checkpoints={keep}: it is all, best, or top_3 with a number of yours")
    if found[1] and objectives > 1:
        raise ConfigError(f"hydra.sweeper.keep_checkpoints={keep}: with several objectives it is all or best")
    return None if keep == "all" else int(found[1] or 1)


class Checkpoints:
    """Deletes the checkpoints of finished trials that are not among the best ones; ``freed`` counts the bytes.

    It touches nothing but ``checkpoints/*.ckpt`` in folders of trials, and of their parts, below its own, and nothing
    at all before a trial is complete. Trials that run, or were interrupted and will go on, keep theirs.

    Args:
        keep: see ``kept_count``.
    """

    def __init__(self, study: optuna.Study, folder: Path, keep: str) -> None:
        self._count = kept_count(keep, len(study.directions))
        self.study = study
        self.folder = folder
        self.keep = keep
        self.freed = 0
        self.trials = 0
        self._seen: set[int] = set()  # trials without checkpoints

    def tidy(self) -> None:
        """Delete the checkpoints that the study, as it is now, does not keep."""
        if self._count is None:
            return
        best = self._best()
        if not best:
            return
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.is_finished() and trial.number not in best and trial.number not in self._seen:
                self._seen.add(trial.number)
                self._delete(trial)

    def _best(self) -> set[int]:
        several = len(self.study.directions) > 1
        return {trial.number for trial in (self.study.best_trials if several else ranked(self.study)[: self._count])}

    def _delete(self, trial: FrozenTrial) -> None:
        folder = Path(trial.user_attrs.get("folder", ""))
        if folder.parent != self.folder or "reused" in trial.user_attrs:
            return  # another supervisor's, or another trial's
        files = [*folder.glob("checkpoints/*.ckpt"), *folder.glob("[0-9]*/checkpoints/*.ckpt")]  # of its parts
        self.trials += bool(files)
        for file in files:
            self.freed += _size(file)
            if file.is_dir() and not file.is_symlink():  # a sharded one
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)  # another supervisor of this folder tidies too


def _size(file: Path) -> int:
    if file.is_dir() and not file.is_symlink():
        return sum(_size(part) for part in file.iterdir())
    return file.lstat().st_size
