"""The git repository that one stands in."""

import subprocess
from typing import Any


def git_state() -> dict[str, Any] | None:
    """Commit and whether there are uncommitted changes to tracked files; None outside of a repository."""
    try:
        commit = _git("rev-parse", "HEAD").strip()
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def git_diff() -> str:
    """The uncommitted changes to tracked files, as a patch for ``git apply``; empty where there are none."""
    try:
        return _git("diff", "HEAD", "--no-color", "--no-ext-diff")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=10, check=True)  # noqa: S603
    return done.stdout.decode(errors="replace")
