"""The trials of a study as a table: CSV, JSON or Markdown."""

import csv
import io
import json
import math
from typing import Any

from optuna.trial import FrozenTrial

from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.summary import summary
from lightning_sweeps.searches.record.trials_csv import Take, columns, row

FORMATS = ("csv", "json", "md")
_NOT_IN_PRINT = ("value_step", "last_report", "folder")  # a paper's table has no paths


def trials_table(saved: Saved) -> tuple[list[str], list[dict[str, Any]]]:
    """Column names, and a row for each trial that has begun; the same as in ``trials.csv``."""
    study = saved.study
    take, names, trials = Take.of(study), study.metric_names or [], study.get_trials(deepcopy=False)
    rows = [{**row(trial, take, names), **_folder(saved, trial)} for trial in trials]
    return columns(rows), rows


def _folder(saved: Saved, trial: FrozenTrial) -> dict[str, str]:
    """The trial's, as seen from the search's folder, wherever that is now."""
    folder = saved.seen(saved.folder_of(trial))
    return {} if folder is None else {"folder": folder}


def as_text(saved: Saved, kind: str) -> str:
    """The table as text of this kind, one of ``FORMATS``."""
    names, rows = trials_table(saved)
    if kind == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
    if kind == "json":
        plain = [{name: _finite(one.get(name)) for name in names} for one in rows]
        return json.dumps(plain, indent=2, default=str) + "\n"
    names = [name for name in names if name not in _NOT_IN_PRINT and any(one.get(name, "") != "" for one in rows)]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(shown(one.get(name, "")).replace("|", "\\|") for name in names) + " |" for one in rows]
    return "\n".join(lines) + "\n"


def summary_text(saved: Saved) -> str:
    """The summary of the search, with a row for each trial, as JSON."""
    rows = json.loads(as_text(saved, "json"))
    return json.dumps({**summary(saved), "rows": rows}, indent=2, default=str) + "\n"


def shown(value: Any) -> str:
    """A value for people: five digits of a number, and all that stand before its point."""
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, float):
        return f"{value:.0f}" if 1e5 <= abs(value) < 1e15 else f"{value:.5g}"
    return str(value)


def _finite(value: Any) -> Any:
    if value == "":
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value
