"""``python -m lightning_sweeps.status``: the state of a search."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from search_commands import start, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks_without_torch")]
MODULE = ["-m", "lightning_sweeps.status"]


def asked(python, *arguments):
    done = python(*MODULE, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_search_that_runs_was_killed_and_has_ended(app, sweep, python_without_torch):
    python = python_without_torch
    process = start(app, "x=1.0,2.0,3.0", "+faults={2:hang}", "steps=2")
    wait_until(Path("hanging").exists)
    told = json.loads(asked(python, "s", "--json"))
    assert (told["state"], told["n_trials"], told["trials"]["complete"]) == ("running", 3, 2)
    assert told["best"]["number"] == 0
    (running,) = told["running"]
    assert (running["number"], running["params"]) == (2, {"x": 3.0})
    assert running["seconds"] >= 0
    assert told["seconds_left"] > 0
    text = asked(python, "s")
    assert "s: running\n  trials   2 of 3 have ended: 2 complete, 1 unfinished" in text
    assert "left\n  running  trial 2" in text
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    text = asked(python, "s")
    assert "s: stopped" in text
    assert "python -m lightning_sweeps.resume " in text
    Path("outputs/sweeps/2026-01-02").mkdir(parents=True)
    shutil.copytree("s", "outputs/sweeps/2026-01-02/03-04-05")
    Path("hanging").unlink()
    assert sweep("x=1.0,2.0,3.0", "steps=2", "hydra.sweeper.allow_changes=true").returncode == 0
    told = json.loads(asked(python, "s", "--json"))
    assert (told["state"], told["running"], told["seconds_left"]) == ("ended", [], None)
    shutil.copytree("s", "outputs/sweeps/2026-01-02/03-04-06")
    first, second = asked(python).splitlines()
    assert first.startswith("outputs/sweeps/2026-01-02/03-04-05  stopped   2 complete, 1 unfinished  best 1 (trial 0)")
    assert second.startswith("outputs/sweeps/2026-01-02/03-04-06  ended     3 complete  best 1 (trial 0)")
    assert [one["state"] for one in json.loads(asked(python, "--json"))] == ["stopped", "ended"]


def test_where_nothing_lies(own_folder, python_without_torch):
    assert asked(python_without_torch).startswith(f"no search below {own_folder}")
    done = python_without_torch(*MODULE, "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("error: nowhere: no such folder")
