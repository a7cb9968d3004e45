"""``--json``: stdout has one JSON object and nothing else; what people read goes to stderr."""

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lightning_sweeps.command.flags import Flags
from lightning_sweeps.runs.result import read_result
from lightning_sweeps.terminal.console import say


@contextmanager
def only_json(flags: Flags, folders: Sequence[Path]) -> Iterator[None]:
    """Inside, the command runs; at its end, however it ends, JSON is printed if the flags ask for it.

    Args:
        folders: of the run or search, which adds it when it knows it. Without one nothing has begun, and nothing is
            printed.
    """
    if not flags.json or os.environ.get("LOCAL_RANK", "0") != "0":
        yield
    elif flags.show is not None or flags.prints_config:
        with _stdout(io.StringIO()) as printed:
            yield
        say(_text(OmegaConf.to_container(OmegaConf.create(printed.getvalue()), resolve=False)))
    else:
        try:
            with _stdout(sys.stderr):
                yield
        finally:
            if folders:
                say(_text(_of_folder(folders[-1])))


@contextmanager
def _stdout(instead: Any) -> Iterator[Any]:
    before, sys.stdout = sys.stdout, instead
    try:
        yield instead
    finally:
        sys.stdout = before


def _of_folder(folder: Path) -> dict[str, Any]:
    """What a run's ``result.json`` holds, or the summary of a search."""
    if result := read_result(folder):
        return {"folder": str(folder), **result}
    from lightning_sweeps.searches.record.saved import open_saved
    from lightning_sweeps.searches.record.summary import summary

    return summary(open_saved(str(folder)))


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, default=str, allow_nan=False) + "\n"
