"""Optuna Dashboard opens a search's study as it is."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ports import free_ports
from tensorboards import ask, wait_for

pytestmark = pytest.mark.slow


def test_the_printed_command_serves_the_study(sweep):
    done = sweep("x=3.0,1.0,2.0", "+faults={2: raise}", "hydra.sweeper.max_failure_rate=1")
    assert done.returncode == 0, done.stderr
    (printed,) = re.findall(r"optuna-dashboard .*", done.stdout)
    program, *arguments = shlex.split(printed)
    (port,) = free_ports(1)
    server = subprocess.Popen(
        [str(Path(sys.executable).parent / program), *arguments, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/api"
    try:
        (study,) = wait_for(f"{address}/studies", bool)["study_summaries"]
        assert study["study_name"] == "app"
        trials = ask(f"{address}/studies/{study['study_id']}")["trials"]
        assert [trial["state"] for trial in trials] == ["Complete", "Complete", "Fail"]
        assert [trial["values"][0] for trial in trials[:2]] == [9.0, 1.0]
    finally:
        server.terminate()
        server.wait()
