"""Several searches side by side."""

from collections.abc import Sequence
from datetime import datetime

import optuna
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.colors import DASHES, LINES
from lightning_sweeps.report.facts import seconds_of
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.table import shown
from lightning_sweeps.searches.record.provenance import starts_of
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.words import clock


def compare(searches: Sequence[tuple[str, Saved]], metric: str) -> list[Figure]:
    """Best so far against finished trials and against time."""
    by_trials, by_time = go.Figure(), go.Figure()
    for index, (name, saved) in enumerate(searches):
        line = {"color": LINES[index % len(LINES)], "dash": DASHES[index % len(DASHES)], "shape": "hv", "width": 2}
        finished = _finished(saved.study)
        if not finished:
            continue
        begin = min(trial.datetime_start or datetime.max for trial in finished)  # noqa: DTZ901 (Optuna's are naive)
        best = _best_so_far(saved.study, finished)
        seconds = [((trial.datetime_complete or begin) - begin).total_seconds() for trial in finished]
        by_trials.add_scatter(x=list(range(1, len(best) + 1)), y=best, name=name, mode="lines", line=line)
        by_time.add_scatter(x=seconds, y=best, name=name, mode="lines", line=line)
    by_trials.update_layout(xaxis_title="finished trials", yaxis_title=metric)
    by_time.update_layout(xaxis_title="seconds since the first trial began", yaxis_title=metric)
    return [
        Figure("by_trials", "Best so far, by trials", "Pruned and failed trials count as finished.", by_trials),
        Figure("by_time", "Best so far, by time", "Time in which a search was not running is in it.", by_time),
    ]


def comparison_table(searches: Sequence[tuple[str, Saved]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what each search tried and found."""
    header = ["search", "sampler", "pruner", "complete", "pruned", "failed", "best", "trial", "work"]
    rows = []
    for name, saved in searches:
        trials = saved.study.get_trials(deepcopy=False)
        counts = [sum(trial.state is state for trial in trials) for state in _COUNTED]
        best = _best_so_far(saved.study, finished)[-1] if (finished := _finished(saved.study)) else None
        number = next((trial.number for trial in trials if trial.values and trial.values[0] == best), "")
        starts = starts_of(saved.study)
        start = starts[-1] if starts else {}
        work = sum(seconds_of(trial) for trial in trials)
        found = [shown(best) if best is not None else "", number, clock(work)]
        rows.append([str(one) for one in (name, start.get("sampler", ""), start.get("pruner", ""), *counts, *found)])
    return header, rows


_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return sorted(trials, key=lambda trial: trial.datetime_complete or datetime.max)  # noqa: DTZ901


def _best_so_far(study: optuna.Study, finished: Sequence[FrozenTrial]) -> list[float | None]:
    pick = max if study.direction is optuna.study.StudyDirection.MAXIMIZE else min
    best: float | None = None
    found = []
    for trial in finished:
        if trial.state is TrialState.COMPLETE and trial.value is not None:
            best = trial.value if best is None else pick(best, trial.value)
        found.append(best)
    return found
