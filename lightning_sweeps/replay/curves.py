"""What a stored search says of each trial: when it would report what."""

from collections.abc import Mapping
from dataclasses import dataclass

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.record.provenance import read_starts
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.trials_csv import best_trial
from lightning_sweeps.searches.study.parts import PARTS


@dataclass(frozen=True)
class Curve:
    """A trial that has ended.

    Args:
        reports: step -> value, in the order of the steps.
        seconds: that a step took.
        value: at its end; None if it was pruned, and nobody knows how it would have gone on.
    """

    number: int
    reports: Mapping[int, float]
    seconds: float
    value: float | None


@dataclass(frozen=True)
class Stored:
    """The curves of a search.

    Args:
        n_jobs: trials at once.
        best: the number of the best trial.
        left_out: trials that failed, or have not ended.
        in_parts: what counts as a step is a part of a trial, not an epoch.
    """

    name: str
    curves: list[Curve]
    maximize: bool
    n_jobs: int
    best: int
    left_out: int
    in_parts: bool


def read(saved: Saved) -> Stored:
    """Read the curves.

    Raises:
        ConfigError: there are none that a pruner could judge.
    """
    study = saved.study
    if len(study.directions) > 1:
        raise ConfigError("a pruner judges one objective, and this search has several")
    trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    curves = [_curve(trial) for trial in ended if trial.intermediate_values]
    best = best_trial(study)
    if best is None:
        raise ConfigError("no trial of this search is complete, so there is nothing to compare with")
    if not curves or not best.intermediate_values:
        raise ConfigError("the trials of this search have reported nothing, so a pruner has nothing to judge by")
    return Stored(
        study.study_name,
        curves,
        study.direction is StudyDirection.MAXIMIZE,
        _n_jobs(saved, ended),
        best.number,
        len(trials) - len(curves),
        any(PARTS in trial.user_attrs for trial in ended),
    )


def _curve(trial: FrozenTrial) -> Curve:
    reports = dict(sorted(trial.intermediate_values.items()))
    known = trial.duration.total_seconds() if trial.duration else 0.0
    seconds = float(trial.user_attrs.get("seconds", known))
    value = trial.value if trial.state is TrialState.COMPLETE else None
    return Curve(trial.number, reports, max(seconds, 1e-6) / len(reports), value)


def _n_jobs(saved: Saved, trials: list[FrozenTrial]) -> int:
    """What the search noted; else as many as ran at the same time."""
    starts = read_starts(saved.folder) if saved.folder is not None else []
    if starts and isinstance(noted := starts[-1].get("n_jobs"), int):
        return noted
    times = [(trial.datetime_start, trial.datetime_complete) for trial in trials]
    at_once = [
        sum(1 for other in times if other[0] and other[1] and start and other[0] <= start < other[1])
        for start, _ in times
    ]
    return max(1, *at_once) if at_once else 1
