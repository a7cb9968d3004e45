"""What trackers call a run, kept in its folder, so that an interrupted trial goes on in the same run of theirs."""

import json
from pathlib import Path

from lightning_sweeps.files.folders import write_atomically

FILE = ".trackers.json"


def known_id(folder: Path, tracker: str) -> str | None:
    """The run's id at this tracker; None if it is new there."""
    return _read(folder).get(tracker)


def keep_id(folder: Path, tracker: str, given: str) -> None:
    """Note the id that the run has at this tracker."""
    known = _read(folder)
    if known.get(tracker) != given:
        write_atomically(folder / FILE, json.dumps({**known, tracker: given}) + "\n")


def _read(folder: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
