"""The git repository of the code: the one that one stands in, else this package's own checkout."""

import subprocess
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
    """The uncommitted changes to tracked files, as a patch for ``git apply``; empty where there are none."""
    return _ask("diff", "HEAD", "--no-color", "--no-ext-diff")


def git_untracked() -> list[str]:
    """Files and folders that git neither knows nor ignores; the first ones, where there are many."""
    lines = _ask("status", "--porcelain").splitlines()
    return [line[3:] for line in lines if line.startswith("??")][:SHOWN_UNTRACKED]


def _ask(*arguments: str) -> str:
    here = Path.cwd()
    return _git(here if _is_repository(here) else _checkout(), *arguments)


@cache
def _is_repository(folder: Path) -> bool:
    return bool(_git(folder, "rev-parse", "--git-dir"))


@cache
def _checkout() -> Path | None:
    """This package's folder, where git knows it: not as part of an environment in somebody's project."""
    folder = Path(__file__).parent
    return folder if _git(folder, "ls-files", Path(__file__).name) else None


def _git(folder: Path | None, *arguments: str) -> str:
    if folder is None:
        return ""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")
