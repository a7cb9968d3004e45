"""What a stored search says of each trial: when it would report what."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.record.provenance import ran_everything, read_starts
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.trials_csv import best_trial
from lightning_sweeps.searches.space.repeats import Parts
from lightning_sweeps.searches.study.news import maximizes
from lightning_sweeps.searches.study.parts import PARTS, parts_noted


@dataclass(frozen=True)
class Curve:
    """A trial that has ended.

    Args:
        steps: what was spent, in its order: each a step and the value that is reported after it, or None if nothing is.
        seconds: that a step took.
        value: at its end; None if it was pruned, and nobody knows how it would have gone on.
    """

    number: int
    steps: Sequence[tuple[int, float] | None]
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
        ran_everything: its trials were every combination of a finite space, so that another pruner changes none.
    """

    name: str
    curves: list[Curve]
    maximize: bool
    n_jobs: int
    best: int
    left_out: int
    in_parts: bool
    ran_everything: bool


def read(saved: Saved, *, by_parts: bool = False) -> Stored:
    """Read the curves.

    Args:
        by_parts: of trials that have parts, a WilcoxonPruner hears of each part's value, and other pruners of the value
            of the parts so far.

    Raises:
        ConfigError: there are none that a pruner could judge.
    """
    study = saved.study
    if len(study.directions) > 1:
        raise ConfigError("a pruner judges one objective, and this search has several")
    trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    parts = parts_noted(study)
    curves = [_curve(trial, parts, maximized=maximizes(study) is True, by_parts=by_parts) for trial in ended]
    curves = [one for one in curves if any(one.steps)]
    best = best_trial(study)
    if best is None:
        raise ConfigError("no trial of this search is complete, so there is nothing to compare with")
    if all(one.number != best.number for one in curves):
        raise ConfigError("the trials of this search have reported nothing, so a pruner has nothing to judge by")
    return Stored(
        study.study_name,
        curves,
        study.direction is StudyDirection.MAXIMIZE,
        _n_jobs(saved, ended),
        best.number,
        len(trials) - len(curves),
        parts is not None,
        ran_everything(study),
    )


def _curve(trial: FrozenTrial, parts: Parts | None, *, maximized: bool, by_parts: bool) -> Curve:
    steps: list[tuple[int, float] | None] = [*sorted(trial.intermediate_values.items())]
    if parts is not None:
        noted: dict[str, list[float]] = trial.user_attrs.get(PARTS, {})
        values = [noted[part][0] for part in sorted(noted, key=int)]
        so_far = [parts.value(values[: count + 1], maximized=maximized) for count in range(len(values))]
        steps = [*enumerate(values)] if by_parts else [*enumerate(so_far, start=1)]
        if trial.state is TrialState.COMPLETE and steps:
            steps[-1] = None  # then the trial ends, and nobody asks
    known = trial.duration.total_seconds() if trial.duration else 0.0
    seconds = float(trial.user_attrs.get("seconds", known))
    value = trial.value if trial.state is TrialState.COMPLETE else None
    return Curve(trial.number, steps, max(seconds, 1e-6) / max(1, len(steps)), value)


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
