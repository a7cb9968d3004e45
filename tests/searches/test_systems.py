"""Other systems than Linux, as far as their Python shows: names that they lack are taken away before all else."""

import subprocess
import sys
from pathlib import Path

import pytest
from search_commands import rows, start

pytestmark = pytest.mark.slow

# No other system binds processes to cores, has descriptors of processes, or signals that belong to files.
MACOS = """
import fcntl
import os
import sys

import psutil  # which asks for the true system

sys.platform = "darwin"
for name in ("sched_getaffinity", "sched_setaffinity", "pidfd_open", "waitid"):
    if hasattr(os, name):
        delattr(os, name)
if hasattr(fcntl, "F_SETSIG"):
    del fcntl.F_SETSIG
"""


def test_a_search_on_macos_starts_an_interpreter_for_each_trial(app):
    app.write_text(MACOS + app.read_text())
    search = start(app, "x=interval(-5.0,5.0)", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2")
    output, _ = search.communicate(timeout=120)
    assert search.returncode == 0, output
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 3


WINDOWS = "import sys; sys.modules['fcntl'] = None; from lightning_sweeps import main; main()"


def without_fcntl(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WINDOWS, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_windows_has_single_runs_and_is_told_so(own_folder):
    small = ["model=mlp", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.accelerator=cpu"]
    run = without_fcntl(*small, "hydra.run.dir=run", folder=own_folder)
    assert run.returncode == 0, run.stderr
    assert (own_folder / "run" / "result.json").is_file()
    search = without_fcntl("-m", "model.net.width=8,16", "hydra.sweep.dir=s", folder=own_folder)
    assert search.returncode == 1
    assert search.stderr.strip() == (
        "error: a search needs Linux or macOS; on Windows run it in WSL. A single run, without -m, works here"
    )
    assert not (own_folder / "s").exists()
