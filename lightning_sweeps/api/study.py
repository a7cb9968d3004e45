"""A search that is there, as a Python program sees it: its trials, its best, and how to go on."""

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_sweeps.api.command import INTERRUPTED, do, start_of, unless_empty
from lightning_sweeps.api.overrides import typed
from lightning_sweeps.api.progress import showing
from lightning_sweeps.api.run import load_from
from lightning_sweeps.errors import CommandError, ConfigError
from lightning_sweeps.files.latest import search_folder

if TYPE_CHECKING:
    import optuna
    from lightning.pytorch import LightningModule
    from optuna.trial import FrozenTrial

    from lightning_sweeps.searches.record.saved import Saved

RESUME = ("-m", "lightning_sweeps.resume")


@dataclass(frozen=True)
class SavedTrial:
    """A trial of a search."""

    number: int
    state: str  # Optuna's: COMPLETE, PRUNED, FAIL, RUNNING or WAITING
    value: float | None  # None without one, and with several objectives
    values: tuple[float, ...]
    params: dict[str, Any]
    overrides: list[str]  # everything that was typed for it, so that ``run(trial.overrides)`` repeats it
    folder: Path | None  # None if it is gone, or never was
    checkpoint: Path | None
    reason: str | None  # why it failed

    def load(self, trust: Iterable[str] = ()) -> "LightningModule":
        """Its trained module, with the weights of ``checkpoint``, on the CPU and in evaluation mode.

        Args:
            trust: packages whose code its config may name, ``["my_package"]``.

        Raises:
            ConfigError: its composed config is not there, is another program's, or names code that is not trusted.
            CheckpointError: there is no checkpoint, or it is of another model.
        """
        if self.folder is None:
            raise ConfigError(f"trial {self.number}: its folder is gone")
        return load_from(self.folder, self.checkpoint, trust)


class Study:
    """A search in its folder. What it says is read when it is asked, so it may be running, or be another process's.

    Args:
        folder: of the search, as in ``outputs/sweeps/<date>/<time>``, or ``latest`` for the newest.
        storage: the URL of its storage, if that needs a password.

    Raises:
        ConfigError: no search there.
    """

    def __init__(self, folder: str | Path, storage: str | None = None) -> None:
        if not isinstance(folder, str | Path):
            raise ConfigError(f"a study is named by its folder, and not by {folder!r}")
        self.folder = Path(os.path.abspath(search_folder(str(folder))))  # noqa: PTH100 (resolve() would follow links)
        self._storage = storage
        _ = self.optuna

    @property
    def optuna(self) -> "optuna.Study":
        """The Optuna study, for all that Optuna can do with it."""
        return self._open().study

    @property
    def trials(self) -> list[SavedTrial]:
        """All trials, in the order of their numbers."""
        saved = self._open()
        return [_saved_trial(trial, saved) for trial in saved.study.get_trials(deepcopy=False)]

    @property
    def best(self) -> SavedTrial:
        """The best complete trial.

        Raises:
            ConfigError: there is none yet, or the search has several objectives; then see ``optuna.best_trials``.
        """
        from lightning_sweeps.searches.record.trials_csv import best_trial

        saved = self._open()
        if len(saved.study.directions) > 1:
            raise ConfigError("the search has several objectives, and so no best trial; see study.optuna.best_trials")
        trial = best_trial(saved.study)
        if trial is None:
            raise ConfigError(f"{self.folder}: no trial is complete yet")
        return _saved_trial(trial, saved)

    def table(self) -> Any:
        """The columns of ``trials.csv``, a row for each trial that has ended; folders are whole paths.

        A pandas DataFrame, or without pandas a list of dicts.
        """
        from lightning_sweeps.searches.record.trials_csv import Take, columns, row

        study = self._open().study
        take = Take.of(study)
        names = study.metric_names or []
        rows = [row(trial, take, names) for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
        rows = [{name: None if one.get(name, "") == "" else one[name] for name in columns(rows)} for one in rows]
        try:
            import pandas as pd
        except ImportError:
            return rows
        return pd.DataFrame(rows, columns=columns(rows))

    def resume(self, n_trials: int | None = None, *, overrides: Sequence[str] = (), show: bool = True) -> "Study":
        """Go on with the search, until this many trials of it have ended.

        Args:
            n_trials: the budget, with all trials so far; None leaves it as it was.
            overrides: others of the search, ``["hydra.sweeper.timeout=3600"]``.
            show: whether to print what it prints.

        Raises:
            ConfigError: the overrides are no list of texts.
            CommandError: it ended by failures, or could not begin.
        """
        budget = [f"hydra.sweeper.n_trials={n_trials}"] if n_trials is not None else []
        return search_with([*start_of(RESUME), str(self.folder), *budget, *typed(overrides)], self.folder, show=show)

    def report(self) -> Path:
        """Rewrite ``report.html``, one file that needs no network, and return where it is."""
        from lightning_sweeps.report import write_report

        file = self.folder / "report.html"
        write_report(self._open(), file)
        return file

    def __repr__(self) -> str:
        study = self.optuna
        trials = study.get_trials(deepcopy=False)
        complete = sum(trial.state.name == "COMPLETE" for trial in trials)
        best = f", best {study.best_value:.6g}" if complete and len(study.directions) == 1 else ""
        return f"Study({os.path.relpath(self.folder)!r}: {len(trials)} trials, {complete} complete{best})"

    def _open(self) -> "Saved":
        from lightning_sweeps.searches.record.saved import open_saved

        return open_saved(str(self.folder), self._storage)


def search_with(command: Sequence[str], folder: Path, *, show: bool) -> Study:
    """Run a command that searches in this folder; what is there afterwards.

    Raises:
        CommandError: it failed.
    """
    with showing(folder, show=show) as line:
        code, error = do(command, line)
    if code not in (0, INTERRUPTED):
        raise CommandError(error or f"the search ended with exit code {code}", unless_empty(folder))
    try:
        study = Study(folder)
    except ConfigError as nothing:
        raise KeyboardInterrupt from nothing  # it was interrupted before there was a study
    if code == INTERRUPTED and show:
        print(f"interrupted; study.resume() goes on with it: {study}")  # noqa: T201
    return study


def dry_run_with(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """What a command that searches would do, as data. Nothing is left in the folder.

    Raises:
        CommandError: it could not be done.
    """
    from lightning_sweeps.searches.dry_run import DATA

    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary, "dry_run.json")
        try:
            code, error = do([*command, "hydra.sweeper.dry_run=true"], None, **{DATA: str(file)})
        finally:
            if unless_empty(folder) is None:
                _take_away_empty(folder.parents)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            raise CommandError(error or f"the dry run ended with exit code {code}", None)
        return json.loads(file.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _take_away_empty(folders: Iterable[Path]) -> None:
    """Those made for a dated folder, up to the first that holds something else, and never the working folder."""
    here = Path.cwd()
    for folder in folders:
        if here.is_relative_to(folder):
            return
        try:
            folder.rmdir()
        except OSError:
            return


def _saved_trial(trial: "FrozenTrial", saved: "Saved") -> SavedTrial:
    folder, noted = saved.folder_of(trial), trial.user_attrs
    values = tuple(trial.values or ())  # noqa: PD011 (no table of pandas's)
    return SavedTrial(
        trial.number,
        trial.state.name,
        values[0] if len(values) == 1 else None,
        values,
        dict(trial.params),
        list(noted.get("overrides", [])),
        folder,
        _checkpoint(trial, saved, folder),
        noted.get("reason"),
    )


def _checkpoint(trial: "FrozenTrial", saved: "Saved", folder: Path | None) -> Path | None:
    """The trial's best checkpoint, or else the last one that it has."""
    from lightning_sweeps.trial import LAST_CHECKPOINT

    if folder is None:
        return None
    kept = (saved.checkpoint_of(trial), folder / LAST_CHECKPOINT)
    return next((file for file in kept if file is not None and file.is_file()), None)
