"""What a search says on the screen."""

import logging
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.again import command_again, from_here
from lightning_sweeps.study.results import ranked

log = logging.getLogger(__name__)
SHOWN_TRIALS = 5


def say(trial: FrozenTrial) -> None:
    """A line for a finished trial."""
    value = " ".join(f"{value:.6g}" for value in trial.values or [])
    shown = "  ".join(f"{name}={_short(value)}" for name, value in trial.params.items())
    reason = trial.user_attrs.get("reason", "")
    state = trial.state.name.lower()
    log.info("trial %3d  %-8s  %-9s %s", trial.number, state, value, "  ".join(filter(None, (shown, reason))))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def summarize(study: optuna.Study, ending: str, folder: Path) -> None:
    """What ended the search, the best trials, and the commands to go on from here."""
    trials = study.get_trials(deepcopy=False)
    counts = {state: sum(trial.state is state for trial in trials) for state in TrialState}
    told = ", ".join(f"{count} {state.name.lower()}" for state, count in counts.items() if count)
    lines = [f"ended by {ending}: {told}"]
    if len(study.directions) > 1:
        lines += [f"Pareto front: trial {trial.number}  {trial.values}" for trial in study.best_trials]
    else:
        best = ranked(study)[:SHOWN_TRIALS]
        for trial in best:
            shown = "  ".join(f"{name}={_short(value)}" for name, value in trial.params.items())
            lines.append(f"  {trial.value:<10.6g} trial {trial.number:<4} {shown}")
        if best:
            lines.append(f"run the best again: {command_again(best[0].user_attrs['overrides'])}")
    if not any(trial.state is TrialState.COMPLETE for trial in trials):
        failed = next((trial for trial in trials if trial.state is TrialState.FAIL), None)
        if failed is not None:
            where = Path(failed.user_attrs.get("folder", folder)) / "output.log"
            lines += [
                f"trial {failed.number}: {failed.user_attrs.get('reason')}",
                f"The traceback is in {from_here(where)}",
            ]
    lines.append(f"everything is in {from_here(folder)}; compare with: tensorboard --logdir {from_here(folder)}")
    log.info("%s", "\n".join(lines))
