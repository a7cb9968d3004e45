"""What a search keeps up to date in its folder while trials finish."""

from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from lightning_sweeps.searches.record.checkpoints_kept import Checkpoints
from lightning_sweeps.searches.record.trials_csv import Results


class Record:
    """The tables of a search and its trials' checkpoints.

    Args:
        parameters: the names of what is searched.
        keep_checkpoints: of which trials; see ``kept_count``.
    """

    def __init__(self, study: optuna.Study, folder: Path, parameters: Sequence[str], keep_checkpoints: str) -> None:
        self.results = Results(study, folder, parameters)
        self.checkpoints = Checkpoints(study, folder, keep_checkpoints)

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Write what is new among the study's trials."""
        self.results.update(trials)
        self.checkpoints.tidy()

    def finish(self) -> None:
        """The same once more at the end, also for what other supervisors have left."""
        self.results.finish()
        self.checkpoints.tidy()
