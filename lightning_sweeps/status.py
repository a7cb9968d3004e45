"""``python -m lightning_sweeps.status [SEARCH]``: the state of a search, or of all searches below the working folder.

SEARCH is a search's folder, the word ``latest``, or an Optuna storage URL. It is only read, so anybody may ask while
the search runs.
"""

import json
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.errors import SweepsError
from lightning_sweeps.files.latest import DATED
from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.searches.detached import LOG
from lightning_sweeps.searches.record.ending import counted
from lightning_sweeps.searches.record.provenance import starts_of
from lightning_sweeps.searches.record.saved import Saved, open_saved
from lightning_sweeps.searches.record.standing import standing
from lightning_sweeps.searches.record.summary import summary
from lightning_sweeps.searches.record.words import clock, shown
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.ctrl_c import Interruptible
from lightning_sweeps.terminal.parser import Parser


def main() -> None:
    """Read the command line and do it."""
    parser = Parser("python -m lightning_sweeps.status", __doc__)
    parser.add_argument("search", nargs="?", metavar="SEARCH", help="a search's folder, or a storage URL")
    parser.add_study()
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if given.search is not None:
            told = status(open_saved(given.search, given.storage, given.study))
            say(json.dumps(told, indent=2) + "\n" if given.json else _text(told))
        else:
            _all(as_json=given.json)
    except SweepsError as error:
        sys.exit(f"error: {error}")


def status(saved: Saved) -> dict[str, Any]:
    """The state of a search, in plain values: what ``summary`` has, and what runs, for how long, until when."""
    trials = saved.study.get_trials(deepcopy=False)
    told = summary(saved)
    state, where = standing(saved, trials)
    begun = _begun(saved.study)
    running = [_running(trial) for trial in trials if trial.state is TrialState.RUNNING]
    finished = [trial for trial in trials if trial.state.is_finished()]
    return {
        **told,
        "state": state,
        "hosts": where,
        "counted": counted(trials) or "none",
        "waiting": sum(trial.state is TrialState.WAITING for trial in trials),
        "running": running,
        "seconds": _seconds(begun, finished, state),
        "seconds_left": _seconds_left(begun, finished, told["n_trials"]) if state == "running" else None,
    }


def _begun(study: optuna.Study) -> datetime | None:
    """When the search was started last."""
    starts = starts_of(study)
    return datetime.fromisoformat(starts[-1]["started"]) if starts else None


def _running(trial: FrozenTrial) -> dict[str, Any]:
    begun = (trial.user_attrs.get("process") or {}).get("begun")
    step = trial.last_step
    value = trial.intermediate_values[step] if step is not None else None
    return {
        "number": trial.number,
        "params": dict(trial.params),
        "step": step,
        "value": value if value is not None and math.isfinite(value) else None,
        "seconds": round(datetime.now(UTC).timestamp() - begun, 1) if begun else None,
    }


def _seconds(begun: datetime | None, finished: Sequence[FrozenTrial], state: str) -> float | None:
    """Since the last start, until now or until the last trial ended."""
    if begun is None:
        return None
    ends = [one.datetime_complete.astimezone(UTC) for one in finished if one.datetime_complete]
    until = datetime.now(UTC) if state == "running" or not ends else max(ends)
    return max(0.0, round((until - begun).total_seconds(), 1))


def _seconds_left(begun: datetime | None, finished: Sequence[FrozenTrial], n_trials: int | None) -> float | None:
    """If it goes on as since its last start; None before a trial has ended since."""
    if begun is None or n_trials is None:
        return None
    since = sum(bool(one.datetime_complete and one.datetime_complete.astimezone(UTC) >= begun) for one in finished)
    if not since:
        return None
    each = (datetime.now(UTC) - begun).total_seconds() / since
    return round(max(0, n_trials - len(finished)) * each, 1)


def _text(told: dict[str, Any]) -> str:
    where = f" on {', '.join(told['hosts'])}, if that still lives" if told["hosts"] else ""
    lines = [f"{told['folder'] or told['study']}: {told['state']}{where}"]
    of = f" of {told['n_trials']}" if told["n_trials"] else ""
    ended = sum(told["trials"].values()) - told["trials"]["unfinished"]
    waiting = f"; {told['waiting']} wait to be run again" if told["waiting"] else ""
    lines.append(f"  trials   {ended}{of} have ended: {told['counted']}{waiting}")
    if (best := told["best"]) is not None:
        lines.append(f"  best     {best['values'][0]:.6g} (trial {best['number']})  {shown(best['params'])}")
    if told["front"]:
        lines.append(f"  front    trials {', '.join(str(one['number']) for one in told['front'])}")
    if told["seconds"] is not None:
        left = f", about {clock(told['seconds_left'])} left" if told["seconds_left"] is not None else ""
        lines.append(f"  time     {clock(told['seconds'])} since its last start{left}")
    for one in told["running"]:
        came = f"  {one['value']:.5g} at {one['step']}" if one["value"] is not None else ""
        since = f"  {clock(one['seconds'])}" if one["seconds"] is not None else ""
        lines.append(f"  running  trial {one['number']}{since}{came}  {shown(one['params'])}")
    if told["folder"] and Path(told["folder"], LOG).is_file():
        lines.append(f"  it says  {from_here(Path(told['folder'], LOG))}")
    if told["state"] == "stopped" and told["folder"]:
        lines.append(f"  go on    python -m lightning_sweeps.resume {told['folder']}")
    return "\n".join(lines) + "\n"


def _all(*, as_json: bool) -> None:
    """One line for each search below the working folder, the newest last."""
    folders = sorted(
        {file.parent for pattern in DATED for file in Path().glob(f"{pattern}/multirun.yaml")},
        key=lambda folder: folder.parts[-2:],
    )
    found, unread = [], []
    for folder in folders:
        try:
            found.append(status(open_saved(str(folder))) | {"folder": str(folder)})
        except SweepsError as error:
            unread.append(f"{folder}: {str(error).splitlines()[0]}")
    if as_json:
        say(json.dumps(found, indent=2) + "\n")
    elif not folders:
        say(f"no search below {Path.cwd()} in {' or '.join(pattern.partition('/*')[0] for pattern in DATED)}\n")
    else:
        say("".join(f"{_line(one)}\n" for one in found) + "".join(f"{line}\n" for line in unread))


def _line(told: dict[str, Any]) -> str:
    best = told["best"]
    value = f"best {best['values'][0]:.6g} (trial {best['number']})" if best is not None else ""
    left = f"about {clock(told['seconds_left'])} left" if told["seconds_left"] is not None else ""
    return "  ".join(filter(None, (told["folder"], f"{told['state']:<8}", told["counted"], value, left)))


if __name__ == "__main__":
    with Interruptible():
        main()
