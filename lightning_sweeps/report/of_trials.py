"""Which trials a figure can show, and which of their parameters."""

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.searches.record.words import short_names

SHOWN = (TrialState.COMPLETE, TrialState.PRUNED)


def complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def with_values(study: optuna.Study) -> list[FrozenTrial]:
    """Complete trials, and pruned ones that reported a value."""
    trials = study.get_trials(deepcopy=False, states=SHOWN)
    return [trial for trial in trials if trial.state is TrialState.COMPLETE or trial.last_step is not None]


def varied(trials: Sequence[FrozenTrial]) -> list[str]:
    """The parameters of which these trials took several values, in the order of the space."""
    values: dict[str, set[str]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(str(value))
    return [name for name, different in values.items() if len(different) > 1]


def shared(trials: Sequence[FrozenTrial]) -> list[str]:
    """Those of them that every one of the trials has: a parameter may depend on another one's value."""
    return [name for name in varied(trials) if all(name in trial.params for trial in trials)]


def names_of(trials: Sequence[FrozenTrial]) -> dict[str, str]:
    """A short name for each parameter of these trials."""
    return short_names({name: None for trial in trials for name in trial.params})
