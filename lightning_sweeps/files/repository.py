"""The git repository of the user's code: the one of the working folder, else the one of the program that is run."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

SHOWN_UNTRACKED = 20


def git_state() -> dict[str, Any] | None:
    """Commit, and whether tracked files have uncommitted changes; None without a repository."""
    lines = _ask("status", "--porcelain=v2", "--branch", "--untracked-files=no").splitlines()
    commit = next((line.split()[2] for line in lines if line.startswith("# branch.oid")), "")
    if not commit or commit == "(initial)":
        return None
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in lines)}


def git_diff() -> str:
    """The uncommitted changes to tracked files, as a patch for ``git apply``; empty if there are none."""
    return _ask("diff", "HEAD", "--no-color", "--no-ext-diff")


def git_untracked() -> list[str]:
    """Files and folders that git neither knows nor ignores; the first ones, if there are many."""
    lines = _ask("status", "--porcelain").splitlines()
    return [line[3:] for line in lines if line.startswith("??")][:SHOWN_UNTRACKED]


def _ask(*arguments: str) -> str:
    folder = _folder(Path.cwd())
    return "" if folder is None else _git(folder, *arguments)


@cache
def _folder(here: Path) -> Path | None:
    if _git(here, "rev-parse", "--git-dir"):
        return here
    program = Path(getattr(sys.modules.get("__main__"), "__file__", None) or "")
    # Not this package's own checkout, nor what is in an environment within a repository.
    mine = program.is_file() and Path(__file__).parent.parent not in program.resolve().parents
    return program.parent if mine and _git(program.parent, "ls-files", program.name) else None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")
