"""A trial in words, for what appears under the mouse."""

from collections.abc import Mapping

from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.searches.record.ending import STATES
from lightning_sweeps.searches.record.words import clock, shown

SHOWN_PARAMS = 8


def in_words(trial: FrozenTrial, names: Mapping[str, str]) -> str:
    """``trial 3, complete, 0.907 at step 15, 0:12`` and its parameters below.

    Args:
        names: short names of the parameters.
    """
    parts = [f"trial {trial.number}", STATES[trial.state]]
    at = f" at step {trial.last_step}" if trial.last_step is not None else ""
    if trial.values:
        parts.append(", ".join(f"{value:.5g}" for value in trial.values))
    elif trial.last_step is not None:
        parts.append(f"{trial.intermediate_values[trial.last_step]:.5g}{at}")
    if seconds := trial.user_attrs.get("seconds"):
        parts.append(clock(float(seconds)))
    if trial.state is TrialState.FAIL and "reason" in trial.user_attrs:
        parts.append(str(trial.user_attrs["reason"]))
    params = list(trial.params.items())
    lines = [shown({name: value}, names) for name, value in params[:SHOWN_PARAMS]]
    more = ["..."] if len(params) > SHOWN_PARAMS else []
    return "<br>".join([", ".join(parts), *lines, *more])
