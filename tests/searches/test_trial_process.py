"""A trial's process as the supervisor sees it."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from lightning_sweeps.searches.execute.trial_process import TrialProcess

SLEEPS = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); time.sleep(60)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_waits_until_the_server_has_told_who_it_is_for(number):
    """A trial tells of itself, and the server of its process, on ways of their own, so the trial may be first."""
    server: Any = None
    process = TrialProcess(server, os.pipe()[1])
    process.signal(number)
    with subprocess.Popen([sys.executable, "-c", SLEEPS], stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        process.started(child.pid, [])
        assert child.wait(30) == -number
    process.end(-number)
