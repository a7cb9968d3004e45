"""What trials logged beside their objective: their ``metrics.csv``, Lightning's own, or TensorBoard's event files."""

import csv
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from lightning_sweeps.searches.record.saved import Saved

WHEN = ("epoch", "step", "seconds")  # what a row may be drawn against
MOST_METRICS = 24
MOST_ROWS = 200  # of a trial; what has more is thinned evenly
MOST_NUMBERS = 300_000  # of a page, so that it stays small
LARGEST_EVENT = 4096  # bytes: a larger one is a picture
LARGEST_FILE = 64 * 2**20
OPENING = struct.Struct("<QI")  # a record's length and the checksum of it
CHECKSUM = 4

Row = Mapping[str, float]
Columns = dict[str, list[float | None]]


def logged(saved: Saved, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The names of the metrics, those of most trials first, and for each trial its columns, of which each has as
    many numbers as the others.
    """
    rows = {}
    for trial in trials:
        if (folder := saved.folder_of(trial)) is not None and (found := _thinned(_rows(folder), MOST_ROWS)):
            rows[trial.number] = found
    counts: dict[str, int] = {}
    for those in rows.values():
        for name in {name for row in those for name in row if name not in WHEN}:
            counts[name] = counts.get(name, 0) + 1
    metrics = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_METRICS]
    most = MOST_NUMBERS // max(1, len(rows) * (len(metrics) + len(WHEN)))
    return {
        "metrics": metrics,
        "trials": {number: _columns(_thinned(those, max(2, most)), metrics) for number, those in rows.items()},
    }


def _rows(folder: Path) -> list[Row]:
    try:
        tables = [folder / "metrics.csv"] if (folder / "metrics.csv").is_file() else sorted(folder.rglob("metrics.csv"))
        if tables:
            return [row for table in tables for row in _of_table(table)]
        return [row for file in sorted(folder.rglob("events.out.tfevents.*")) for row in _of_events(file)]
    except OSError:  # it is being deleted, or is somebody else's
        return []


def _of_table(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8", errors="replace", newline="") as opened:
        for row in csv.DictReader(opened):
            found = {name: number for name, text in row.items() if name and (number := _number(text)) is not None}
            if found:
                yield found


def _number(text: Any) -> float | None:
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _of_events(file: Path) -> list[Row]:
    """The scalars of an event file, a row for each step. What is cut off at its end is left out."""
    from tensorboard.compat.proto.event_pb2 import Event

    by_step: dict[int, dict[str, float]] = {}
    began = 0.0
    for record in _records(file):
        event = Event.FromString(record)
        began = began or event.wall_time
        for value in event.summary.value:
            scalar = _scalar(value)
            if scalar is not None and math.isfinite(scalar):
                row = by_step.setdefault(event.step, {"step": event.step, "seconds": event.wall_time - began})
                row[value.tag] = scalar
    return [by_step[step] for step in sorted(by_step)]


def _scalar(value: Any) -> float | None:
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor") and value.tensor.dtype == 1:  # DT_FLOAT
        numbers = list(value.tensor.float_val)
        content = value.tensor.tensor_content
        if not numbers and len(content) == struct.calcsize("<f"):
            numbers = list(struct.unpack("<f", content))
        return float(numbers[0]) if len(numbers) == 1 else None
    return None


def _records(file: Path) -> Iterator[bytes]:
    """Of TensorFlow's format: length, checksum, data, checksum."""
    if file.stat().st_size > LARGEST_FILE:
        return
    with file.open("rb") as opened:
        while len(opening := opened.read(OPENING.size)) == OPENING.size:
            length, _ = OPENING.unpack(opening)
            if length > LARGEST_EVENT:
                opened.seek(length + CHECKSUM, 1)
                continue
            record = opened.read(length)
            if len(record) < length or len(opened.read(CHECKSUM)) < CHECKSUM:
                return
            yield record


def _thinned(rows: Sequence[Row], most: int) -> Sequence[Row]:
    if len(rows) <= most:
        return rows
    return [rows[place * (len(rows) - 1) // (most - 1)] for place in range(most)]


def _columns(rows: Sequence[Row], metrics: Iterable[str]) -> Columns:
    names = [*WHEN, *metrics]
    present = {name for row in rows for name in row}
    return {name: [_short(row.get(name)) for row in rows] for name in names if name in present}


def _short(number: float | None) -> float | None:
    if number is None:
        return None
    return int(number) if float(number).is_integer() and abs(number) < 2**53 else float(f"{number:.5g}")
