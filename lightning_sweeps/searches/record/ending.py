"""What a search says at its end: the result, how it came to it, and what to type next."""

import importlib.util
import logging
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.text import Text

from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.safety.passwords import masked
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.record.certainty import certainty, in_words
from lightning_sweeps.searches.record.checkpoints_kept import Checkpoints
from lightning_sweeps.searches.record.screen import say
from lightning_sweeps.searches.record.trials_csv import ranked, spread
from lightning_sweeps.searches.record.words import clock, number_of, numbered, short_names, shown
from lightning_sweeps.searches.space.samplers import Exhaustive
from lightning_sweeps.searches.store.journal import JOURNAL

log = logging.getLogger(__name__)
SHOWN_TRIALS = 5
SHOWN_REASONS = 5
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
    failed = next((trial for trial in trials if trial.state is TrialState.FAIL), None)
    because = f"; trial {failed.number}: {masked(str(failed.user_attrs.get('reason')))}" if failed is not None else ""
    return f"the search ended by {ending}: {counted(trials) or 'no trial'}{because}"


def summarize(study: optuna.Study, ending: str, tally: Tally, folder: Path, checkpoints: Checkpoints) -> None:
    """Say how the search ended, its best trials, and the commands to go on from here.

    Args:
        ending: the budget that was used up, or ``interrupted``.
    """
    trials = study.get_trials(deepcopy=False)
    names = short_names({name: None for trial in trials for name in trial.params})
    where = shlex.quote(from_here(folder))
    several = len(study.directions) > 1
    best = [] if several else ranked(study)
    result = _front(study, names) if several else _best(best, names)
    how = [Text(_how_it_ended(ending, tally, trials)), *_failures(trials)]
    failed = ending.startswith("failures")
    lines = [*how, *result] if failed or not result else [*result, *how]
    if failed:
        lines[0].stylize("bold red")
    if not several and (found := certainty(study)) is not None:
        exhausted = isinstance(study.sampler, Exhaustive)
        count = max(len(trials), tally.budget.n_trials)  # it may have been interrupted before its budget was used
        lines += map(Text, in_words(found, best[0].number, from_here(folder), count, exhausted=exhausted))
    if result:
        lines.append(Text(f"rerun    python -m lightning_sweeps.rerun {where}{' --front' * several}"))
    lines += map(Text, _places(folder, checkpoints))
    say(log, Text("\n").join(lines))


def _how_it_ended(ending: str, tally: Tally, trials: Sequence[FrozenTrial]) -> str:
    done, asked = len(tally.states), tally.budget.n_trials
    of = f"{done} of {number_of(asked)}" if done <= asked else number_of(done)
    counts = f"({counted(trials) or 'no trial'}) in {clock(tally.seconds)}"
    if tally.saved is not None:
        counts += f"; pruning saved {tally.saved:.0%} of the steps"
    if ending.startswith("n_trials") and done >= asked:
        return f"Finished {of} {counts}"
    return f"{'Interrupted' if ending == 'interrupted' else f'Ended by {ending}'} after {of} {counts}"


def _best(ranking: Sequence[FrozenTrial], names: Mapping[str, str]) -> list[Text]:
    """The best trial and its parameters, then those behind it."""
    if not ranking:
        return []
    first, *others = best = ranking[:SHOWN_TRIALS]
    ties = [trial.number for trial in ranking[1:] if trial.value == first.value]
    line = Text.assemble(
        (f"best {_value(first)}: trial {first.number}", "bold green"), f"  {shown(first.params, names)}"
    )
    if ties:
        line.append(f"\n  {numbered(ties)} came to the same value")
    width = max([10, *(len(_value(trial)) for trial in best)])
    return [
        line,
        *(Text(f"  {_value(one):<{width}} trial {one.number:<4} {shown(one.params, names)}") for one in others),
    ]


def _front(study: optuna.Study, names: Mapping[str, str]) -> list[Text]:
    front = study.best_trials
    if not front:
        return []
    title = f"Pareto front, {number_of(len(front))}: none is better than one of these in all objectives"
    return [
        Text(title, style="bold green"),
        *(Text(f"  trial {one.number:<4} {_named_values(study, one)}  {shown(one.params, names)}") for one in front),
    ]


def failures(trials: Sequence[FrozenTrial]) -> list[tuple[str, list[FrozenTrial]]]:
    """The failed trials by their reasons, the most frequent one first."""
    failed: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        if trial.state is TrialState.FAIL:
            failed.setdefault(masked(str(trial.user_attrs.get("reason", "no reason is noted"))), []).append(trial)
    return sorted(failed.items(), key=lambda item: -len(item[1]))


def _failures(trials: Sequence[FrozenTrial]) -> Iterator[Text]:
    """The reasons of failures, and where a traceback is."""
    by_reason = failures(trials)
    for reason, those in by_reason[:SHOWN_REASONS]:
        yield Text(f"  {len(those)} failed: {reason} ({numbered([one.number for one in those])})", style="red")
    if len(by_reason) > SHOWN_REASONS:
        yield Text(f"  and {len(by_reason) - SHOWN_REASONS} further reasons; see trials.csv", style="red")
    if by_reason:
        (_, (first, *_)), *_ = by_reason
        log_file = Path(first.user_attrs.get("folder", "")) / "output.log"
        if log_file.is_file() and "Traceback" in log_file.read_text(errors="replace"):
            yield Text(f"The traceback is in {from_here(log_file)}")


def _places(folder: Path, checkpoints: Checkpoints) -> Iterator[str]:
    if checkpoints.trials:
        freed = f"{checkpoints.freed / 1e6:.1f} MB freed"
        yield f"keep_checkpoints={checkpoints.keep}: {freed}, the checkpoints of {checkpoints.trials} of the trials"
    if any(folder.glob("*/events.out.tfevents*")):
        yield f"curves   tensorboard --logdir {shlex.quote(from_here(folder))}"
    if (journal := folder / JOURNAL).is_file() and importlib.util.find_spec("optuna_dashboard"):
        yield f"study    optuna-dashboard {shlex.quote(from_here(journal))}"
    report = folder / "report.html"
    yield f"report   {from_here(report)}" if report.is_file() else f"results  {from_here(folder / 'trials.csv')}"


def _value(trial: FrozenTrial) -> str:
    deviation = spread(trial).get("value_std")
    return f"{trial.value:.6g}" + (f" ± {deviation:.2g}" if isinstance(deviation, float) else "")


def _named_values(study: optuna.Study, trial: FrozenTrial) -> str:
    names = study.metric_names or [f"objective {place}" for place in range(len(trial.values))]
    return "  ".join(f"{name}={value:.5g}" for name, value in zip(names, trial.values, strict=True))
