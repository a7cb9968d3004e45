"""What the report says in words."""

import shlex
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.table import shown
from lightning_sweeps.searches.record import ending
from lightning_sweeps.searches.record.certainty import certainty, in_words
from lightning_sweeps.searches.record.ending import counted
from lightning_sweeps.searches.record.provenance import ran_everything, starts_of
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.standing import standing
from lightning_sweeps.searches.record.trials_csv import best_trial, ranked
from lightning_sweeps.searches.record.words import clock

Facts = list[tuple[str, str]]


def metric_of(saved: Saved) -> str:
    """The name of the objective."""
    return str(OmegaConf.select(saved.config, "objective.metric") or "value") if saved.config is not None else "value"


def overview(saved: Saved) -> Facts:
    """The state of the search."""
    study = saved.study
    trials = study.get_trials(deepcopy=False)
    facts = [("trials", counted(trials) or "none")]
    state, elsewhere = standing(saved, trials)
    if saved.folder is None:  # another tool's: what it notes of its trials is all that is known
        state = "running" if any(trial.state is TrialState.RUNNING for trial in trials) else "ended"
    if all(trial.state.is_finished() for trial in trials):  # its last act may be this report
        state = "ended"
    if state == "stopped":
        facts.append(("stopped; go on with", f"python -m lightning_sweeps.resume {shlex.quote(str(saved.folder))}"))
    elif state == "running":
        facts.append(("now", f"running{' on ' + ', '.join(elsewhere) if elsewhere else ''}"))
    if len(study.directions) > 1 and (front := study.best_trials):
        facts.append(("Pareto front", "trials " + ", ".join(str(trial.number) for trial in front)))
    begun = [trial.datetime_start for trial in trials if trial.datetime_start]
    ended = [trial.datetime_complete for trial in trials if trial.datetime_complete]
    if begun and ended:
        wall = max(ended) - min(begun)
        facts.append(("from, to", f"{min(begun):%Y-%m-%d %H:%M:%S}, {max(ended):%Y-%m-%d %H:%M:%S} ({_clock(wall)})"))
    work = sum(seconds_of(trial) for trial in trials)
    facts.append(("work of all trials", clock(work)))
    if (saving := saved_by_pruning(trials)) is not None:
        facts.append(("saved by pruning", saving))
    return facts


def saved_by_pruning(trials: Iterable[FrozenTrial]) -> str | None:
    """What the pruned trials would still have cost, each at its own pace; None if nothing is known."""
    trials = list(trials)
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED and _epochs(trial)]
    longest = max((_epochs(trial) for trial in trials if trial.state is TrialState.COMPLETE), default=0)
    left = [(max(0, longest - _epochs(trial)), trial) for trial in pruned]
    if not any(steps for steps, _ in left):
        return None
    seconds = sum(steps * seconds_of(trial) / _epochs(trial) for steps, trial in left)
    total = sum(_epochs(trial) for trial in trials) + sum(steps for steps, _ in left)
    steps = sum(steps for steps, _ in left)
    return f"about {clock(seconds)}: {steps} of {total} epochs, if each went on at its pace to {longest}"


def best(saved: Saved) -> tuple[FrozenTrial | None, Facts]:
    """The best trial, its numbers, and where they come from."""
    study = saved.study
    if len(study.directions) > 1 or not (trials := ranked(study)):
        return None, []
    trial = trials[0]
    noted = trial.user_attrs
    facts = [(metric_of(saved), _exact(trial.value)), *((name, _exact(value)) for name, value in trial.params.items())]
    facts += [(name, shown(noted[name])) for name in ("epochs", "seconds", "seed") if name in noted]
    if saved.folder is not None:
        facts.append(("again", rerun_command(saved.folder)))
    if "overrides" in noted and (starts := starts_of(study)):
        facts.append(("its command", shlex.join([*starts[-1]["program"], *noted["overrides"]])))
    folder = saved.folder_of(trial)
    if folder is not None or "folder" in noted:
        facts.append(("folder", str(folder) if folder else f"{noted['folder']} (gone)"))
    if "checkpoint" in noted:
        file = Path(noted["checkpoint"])
        if not file.is_file() and folder is not None:  # the search has been moved
            file = folder / "checkpoints" / file.name
        facts.append(("checkpoint", str(file) if file.is_file() else f"{file} (deleted)"))
    return trial, facts


def rerun_command(folder: Path, number: int | None = None) -> str:
    """What runs a trial of the search in this folder again; the best one, if no other is named."""
    return f"python -m lightning_sweeps.rerun {shlex.quote(str(folder))}" + (
        "" if number is None else f" --trial {number}"
    )


def failures(saved: Saved) -> str:
    """What the page says above all else if most trials failed; empty if they did not."""
    trials = [one for one in saved.study.get_trials(deepcopy=False) if one.state.is_finished()]
    by_reason = ending.failures(trials)
    failed = sum(len(those) for _, those in by_reason)
    if failed <= len(trials) / 2:
        return ""
    (reason, those), *others = by_reason
    more = f"; there are {len(others) + 1} reasons" if others else ""
    return f"{failed} of {len(trials)} trials failed. {len(those)} of them: {reason}{more}"


def honesty(saved: Saved) -> list[str]:
    """Which number is what."""
    study, metric = saved.study, metric_of(saved)
    sure = _sure(saved)
    if len(study.directions) > 1 or saved.config is None or metric == "value":
        return sure
    take = OmegaConf.select(saved.config, "objective.take")
    lines = [
        f"{metric} is the {take} epoch's of each trial.",
        "This score is optimistic: it was selected as the best of many; rerun --seeds 5 gives a fair estimate.",
    ]
    tested = sorted(
        {name for trial in study.get_trials(deepcopy=False) for name in trial.user_attrs if "test/" in name}
    )
    if tested:
        shown_best = ranked(study)[0].user_attrs if ranked(study) else {}
        values = ", ".join(f"{name} {shown(shown_best[name])}" for name in tested if name in shown_best)
        lines.append(
            f"test=true was set, so every trial was tested ({values} for the best). Do not choose by that number."
        )
    else:
        lines.append("Test data were not touched by the search; rerun tests the best trial once.")
    return [*sure, *lines]


def _sure(saved: Saved) -> list[str]:
    """How sure it is that the best trial is the best."""
    found, best = certainty(saved.study), best_trial(saved.study)
    if found is None or best is None or saved.folder is None:
        return []
    starts = starts_of(saved.study)
    count = max(len(saved.study.get_trials(deepcopy=False)), (starts[-1].get("n_trials") or 0) if starts else 0)
    lines = in_words(found, best.number, str(saved.folder), count, exhausted=ran_everything(saved.study))
    return [f"{line[:1].upper()}{line[1:]}." for line in lines]


def changes(saved: Saved) -> list[str]:
    """What was changed, and allowed, when the search went on."""
    return [
        f"Not only the search space differs: from trial {start['trials']} on: {', '.join(start['changed'])}."
        for start in starts_of(saved.study)
        if start.get("changed")
    ]


def distributions_of(saved: Saved) -> dict[str, BaseDistribution]:
    """The search space, or the distributions of the trials if another tool kept none."""
    described = saved.study.user_attrs.get("space")
    if isinstance(described, dict):
        return {name: json_to_distribution(text) for name, text in described.items()}
    trials = saved.study.get_trials(deepcopy=False)
    return {name: one for trial in trials for name, one in trial.distributions.items()}


def space(saved: Saved) -> Facts:
    """The search space in words."""
    found = distributions_of(saved)
    conditions = saved.study.user_attrs.get("conditions", {})
    return [
        (name, str(one).replace("Distribution", "") + "".join(f", if {text}" for text in conditions.get(name, ())))
        for name, one in found.items()
    ]


def setup(saved: Saved) -> Facts:
    """What is needed to repeat the search, as it noted at its starts."""
    starts = starts_of(saved.study)
    facts: Facts = [("study", saved.study.study_name)]
    if saved.folder is not None:
        facts.append(("folder", str(saved.folder)))
    for start in starts:
        facts.append((f"started {start['started']}", start["command"]))
    if starts:
        last = starts[-1]
        facts += [
            (name, str(last[name])) for name in ("sampler", "pruner", "n_trials", "n_jobs", "workers") if name in last
        ]
        git, machine = last["git"], last["machine"]
        if git is not None:
            changes = f", with uncommitted changes ({git.get('diff', 'git.diff')})" if git["dirty"] else ""
            facts.append(("commit", git["commit"] + changes))
        facts.append(("versions", ", ".join(f"{name} {version}" for name, version in last["versions"].items())))
        gpus = ", ".join(machine["gpus"]) or "no GPU"
        facts.append(
            ("machine", f"{machine['host']}: {machine['cores']} cores of {machine['cpu']}, {gpus}, {machine['system']}")
        )
    else:
        facts.append(("command, versions, machine", "not noted: another tool made this study"))
    return facts


def _exact(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _clock(time: timedelta) -> str:
    return clock(time.total_seconds())


def _epochs(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get("epochs") or len(trial.intermediate_values))


def seconds_of(trial: FrozenTrial) -> float:
    """How long it worked: what its search noted, else from its start to its end."""
    known = trial.duration.total_seconds() if trial.duration else 0.0
    return float(trial.user_attrs.get("seconds", known))
