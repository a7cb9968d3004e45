"""What a search says at its end."""

import importlib.util
import logging
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.safety.passwords import masked
from lightning_sweeps.searches.record.certainty import certainty, in_words
from lightning_sweeps.searches.record.checkpoints_kept import Checkpoints
from lightning_sweeps.searches.record.trials_csv import ranked, spread
from lightning_sweeps.searches.record.view import shown
from lightning_sweeps.searches.space.samplers import Exhaustive
from lightning_sweeps.searches.store.journal import JOURNAL

log = logging.getLogger(__name__)
SHOWN_TRIALS = 5
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "unfinished",
    TrialState.WAITING: "unfinished",
}


def counted(trials: Sequence[FrozenTrial]) -> str:
    """The number of trials in each state, in words."""
    counts = Counter(STATES[trial.state] for trial in trials)
    return ", ".join(f"{counts[word]} {word}" for word in dict.fromkeys(STATES.values()) if counts[word])


def why_failed(study: optuna.Study, ending: str) -> str:
    """Why a search has failed, in one line, with the first failure's reason."""
    trials = study.get_trials(deepcopy=False)
    failed = _first_failure(trials)
    because = f"; trial {failed.number}: {masked(str(failed.user_attrs.get('reason')))}" if failed is not None else ""
    return f"the search ended by {ending}: {counted(trials) or 'no trial'}{because}"


def _first_failure(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    return next((trial for trial in trials if trial.state is TrialState.FAIL), None)


def _value(trial: FrozenTrial) -> str:
    deviation = spread(trial).get("value_std")
    return f"{trial.value:.6g}" + (f" ± {deviation:.2g}" if isinstance(deviation, float) else "")


def _named_values(study: optuna.Study, trial: FrozenTrial) -> str:
    names = study.metric_names or [f"objective {place}" for place in range(len(trial.values))]
    return "  ".join(f"{name}={value:.5g}" for name, value in zip(names, trial.values, strict=True))


def _front(study: optuna.Study, folder: Path) -> list[str]:
    front = study.best_trials
    if not front:
        return []
    return [
        f"Pareto front, {len(front)} trials: none is better than one of these in all objectives",
        *(f"  trial {trial.number:<4} {_named_values(study, trial)}  {shown(trial.params)}" for trial in front),
        f"run them again: python -m lightning_sweeps.rerun {shlex.quote(from_here(folder))} --front",
    ]


def _best(study: optuna.Study, folder: Path, finished: int) -> list[str]:
    best = ranked(study)[:SHOWN_TRIALS]
    if not best:
        return []
    width = max([10, *(len(_value(trial)) for trial in best)])
    lines = [f"  {_value(trial):<{width}} trial {trial.number:<4} {shown(trial.params)}" for trial in best]
    if (found := certainty(study)) is not None:
        exhausted = isinstance(study.sampler, Exhaustive)
        lines += in_words(found, best[0].number, from_here(folder), finished, exhausted=exhausted)
    return [*lines, f"run the best again: python -m lightning_sweeps.rerun {shlex.quote(from_here(folder))}"]


def summarize(study: optuna.Study, ending: str, folder: Path, checkpoints: Checkpoints) -> None:
    """What ended the search, the best trials, and the commands to go on from here."""
    trials = study.get_trials(deepcopy=False)
    how = ending if ending == "interrupted" else f"ended by {ending}"
    lines = [f"{how}: {counted(trials) or 'no trial'}"]
    lines += _front(study, folder) if len(study.directions) > 1 else _best(study, folder, len(trials))
    if not any(trial.state is TrialState.COMPLETE for trial in trials):
        failed = _first_failure(trials)
        if failed is not None:
            where = Path(failed.user_attrs.get("folder", folder)) / "output.log"
            lines.append(f"trial {failed.number}: {failed.user_attrs.get('reason')}")
            if where.is_file() and "Traceback" in where.read_text(errors="replace"):
                lines.append(f"The traceback is in {from_here(where)}")
    if checkpoints.trials:
        freed = f"{checkpoints.freed / 1e6:.1f} MB freed"
        lines.append(
            f"keep_checkpoints={checkpoints.keep}: {freed}, the checkpoints of {checkpoints.trials} of the trials"
        )
    compare = any(folder.glob("*/events.out.tfevents*"))
    more = f"; compare with: tensorboard --logdir {from_here(folder)}" if compare else ""
    report = folder / "report.html"
    lines.append(f"everything is in {from_here(folder)}{more}")
    if report.is_file():
        lines.append(f"report: {from_here(report)}")
    if (journal := folder / JOURNAL).is_file() and importlib.util.find_spec("optuna_dashboard"):
        lines.append(f"the study in Optuna Dashboard: optuna-dashboard {shlex.quote(from_here(journal))}")
    log.info("%s", "\n".join(lines))
