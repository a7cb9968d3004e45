"""What came out of a search, as plain values with stable names: docs/json.md."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from optuna.trial import FrozenTrial

from lightning_sweeps.searches.record.certainty import certainty
from lightning_sweeps.searches.record.ending import STATES
from lightning_sweeps.searches.record.provenance import read_starts
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.trials_csv import best_trial


def summary(saved: Saved) -> dict[str, Any]:
    """Counts, the best trial or the Pareto front, and the budget. Numbers that JSON does not have become None."""
    study = saved.study
    trials = study.get_trials(deepcopy=False)
    counts = Counter(STATES[trial.state] for trial in trials)
    objective = study.user_attrs.get("objective")
    several = len(study.directions) > 1
    best = best_trial(study)
    starts = read_starts(saved.folder) if saved.folder is not None else []
    return {
        "folder": str(saved.folder) if saved.folder is not None else None,
        "study": study.study_name,
        "metric": objective.get("metric") if isinstance(objective, Mapping) else None,
        "directions": [direction.name.lower() for direction in study.directions],
        "n_trials": starts[-1].get("n_trials") if starts else None,
        "trials": {word: counts[word] for word in dict.fromkeys(STATES.values())},
        "best": of_trial(best, saved) if best is not None else None,
        "certainty": asdict(sure) if (sure := certainty(study)) is not None else None,
        "front": [of_trial(trial, saved) for trial in study.best_trials] if several else None,
    }


def of_trial(trial: FrozenTrial, saved: Saved) -> dict[str, Any]:
    """A trial. Its folder and checkpoint are as seen from the search's folder."""
    noted = trial.user_attrs
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": [value if math.isfinite(value) else None for value in trial.values or ()],
        "params": dict(trial.params),
        "overrides": noted.get("overrides"),
        "folder": saved.seen(saved.folder_of(trial)),
        "checkpoint": saved.seen(saved.checkpoint_of(trial)),
        "seconds": noted.get("seconds"),
        "epochs": noted.get("epochs"),
        "reason": noted.get("reason"),
    }
