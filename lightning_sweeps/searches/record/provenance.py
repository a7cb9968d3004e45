"""What is needed to repeat a search, for each start of it: command, versions, commit and changes, machine."""

import json
import os
import platform
import shlex
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.files.repository import git_diff, git_state, git_untracked
from lightning_sweeps.machine import usable_cores
from lightning_sweeps.overrides.command_line import command, program, start_of
from lightning_sweeps.runs.result import versions
from lightning_sweeps.safety.passwords import HIDDEN, masked
from lightning_sweeps.safety.user_key import is_signed, signature
from lightning_sweeps.searches.execute.nvml import devices

PROVENANCE = "provenance.json"
EVERYTHING = "every_combination"  # of a start: whether it is to run all of a finite space
START = "start:"  # attributes of the study, which tell of its starts even without its folder
LARGEST_DIFF = 1_000_000  # characters


def record_start(study: optuna.Study, folder: Path, settings: dict[str, Any]) -> None:
    """Add this start of a search to ``provenance.json`` and to the study; uncommitted changes become ``git.diff``.

    Args:
        settings: what the sweeper was told, for those who read of it later.
    """
    started = datetime.now(UTC)
    start = {
        "started": started.isoformat(timespec="seconds"),
        "command": masked(shlex.join(command())),
        "program": [masked(part) for part in program()],
        "cwd": str(Path.cwd()),
        "pruner": type(study.pruner).__name__,
        **settings,
        "git": _git(folder),
        "versions": versions(),
        "machine": machine(),
    }
    with suppress(OSError):  # without a home
        start["signature"] = signature(_signed(start))
    starts = [*read_starts(folder), start]
    write_atomically(folder / PROVENANCE, json.dumps(starts, indent=2) + "\n")
    study.set_user_attr(f"{START}{started.isoformat()}:{socket.gethostname()}:{os.getpid()}", start)


def read_starts(folder: Path) -> list[dict[str, Any]]:
    """The starts of the search in the folder, oldest first."""
    file = folder / PROVENANCE
    try:
        starts: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
        if not all(isinstance(start, dict) and "program" in start for start in starts):
            raise ValueError("its starts are not there")  # noqa: TRY301 (told as the others)
    except (ValueError, TypeError) as error:
        more = "Take it away, and type the search's command again"
        raise ConfigError(f"{file} cannot be read: {error}.\n{more}") from error
    return starts


def program_of(folder: Path, cwd: str, trusted: bool) -> list[str] | None:
    """The command that starts the program whose search is in the folder; None if it is unknown.

    Args:
        cwd: where it is going to be started.
        trusted: whether it may be another's. What starts a search, and where, is signed by the user who typed it.

    Raises:
        ConfigError: the search was started by somebody else, or elsewhere, so its folder could name any program.
    """
    starts = read_starts(folder)
    if not starts:
        return None
    last = {**starts[-1], "cwd": cwd}
    shown = shlex.join(last["program"])
    if HIDDEN in shown:
        raise ConfigError(f"{folder}: the password of {shown} is kept nowhere; type its command with hydra.sweep.dir")
    if not trusted and not is_signed(_signed(last), last.get("signature")):
        raise ConfigError(
            f"{folder}: this search was not started by you on this machine; it would run, in {cwd}: {shown}\n"
            "Add --trust if you know where it is from, or type its command with hydra.sweep.dir"
        )
    return start_of(last["program"])


def _signed(start: dict[str, Any]) -> bytes:
    return json.dumps([start["program"], start["cwd"]]).encode()


def starts_of(study: optuna.Study) -> list[dict[str, Any]]:
    """The starts noted in the study, by all supervisors, oldest first."""
    attributes = study.user_attrs
    return [attributes[name] for name in sorted(attributes) if name.startswith(START)]


def ran_everything(study: optuna.Study) -> bool:
    """Whether its last start was to run every combination of a finite space."""
    starts = starts_of(study)
    return bool(starts) and bool(starts[-1].get(EVERYTHING))


def machine() -> dict[str, Any]:
    """This machine: its name, system, CPU, cores and GPUs."""
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": len(usable_cores()),
        "gpus": [f"{device.name}, {device.memory // 2**20} MiB" for device in devices()],
    }


def _git(folder: Path) -> dict[str, Any] | None:
    state = git_state()
    if state is not None and (untracked := git_untracked()):
        state["untracked"] = untracked  # not in the diff
    if state is None or not state["dirty"]:
        return state
    diff = masked(git_diff())
    if len(diff) > LARGEST_DIFF:
        return {**state, "diff": f"not kept: {len(diff):,} characters are more than {LARGEST_DIFF:,}"}
    file = next(
        candidate
        for number in range(1, 1_000_000)
        if not (candidate := folder / (f"git-{number}.diff" if number > 1 else "git.diff")).is_file()
        or candidate.read_text(encoding="utf-8") == diff
    )
    write_atomically(file, diff)
    return {**state, "diff": file.name}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
