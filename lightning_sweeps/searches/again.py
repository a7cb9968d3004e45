"""``python -m lightning_sweeps.resume FOLDER --failed``: run trials again that have failed."""

import os
import re

import optuna
from optuna.trial import TrialState

from lightning_sweeps.errors import ConfigError

PATTERN = "LIGHTNING_SWEEPS_FAILED_AGAIN"  # not an override: those are kept, and each later start would do it again


def noted_pattern() -> str | None:
    """What the reason must match of trials that are to be run again; None if none are."""
    return os.environ.pop(PATTERN, None)


def note_pattern(pattern: str) -> None:
    """For the program that this process becomes.

    Raises:
        ConfigError: it is no regular expression.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--failed={pattern}: this is no regular expression: {error}") from error
    os.environ[PATTERN] = pattern


def run_again(study: optuna.Study, pattern: str) -> int:
    """Let the parameters of failed trials wait to be run as new ones; those that failed stay in the study.

    Parameters that wait or run, or have a result by now, are left alone.

    Args:
        pattern: a regular expression, somewhere in the reason.

    Returns:
        How many there are.

    Raises:
        ConfigError: none has failed in this way.
    """
    trials = study.get_trials(deepcopy=False)
    failed = [one for one in trials if one.state is TrialState.FAIL and one.params]
    matching = [one for one in failed if re.search(pattern, str(one.user_attrs.get("reason", "")))]
    if not matching:
        reasons = "; ".join(dict.fromkeys(str(one.user_attrs.get("reason")) for one in failed))
        raise ConfigError(
            f"--failed={pattern}: no trial has failed for this. Reasons: {reasons}" if failed else "no trial has failed"
        )
    known = [one.params or one.system_attrs.get("fixed_params") for one in trials if one.state is not TrialState.FAIL]
    count = 0
    for trial in matching:
        if trial.params not in known:
            study.enqueue_trial(trial.params)
            known.append(trial.params)
            count += 1
    return count
