"""Ctrl-C at any moment: exit code 130, at most three lines, nothing left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_sweeps.terminal.keyboard_interrupt import interrupt

pytestmark = pytest.mark.slow
RUN = ["-m", "lightning_sweeps", "model=mlp", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
BUDGET = "hydra.sweeper.n_trials={}"
SEARCH = [*RUN[:2], "-m", *RUN[2:], "optimizer.lr=interval(1e-3,1e-2)", "hydra.sweep.dir=s"]
COMMANDS = {
    "run": (RUN, ["lightning_sweeps.trial", "omegaconf", "torch"]),
    "search": ([*SEARCH, BUDGET.format(50)], ["lightning_sweeps.trial", "optuna", "torch", "torchmetrics"]),
    "resume": (["-m", "lightning_sweeps.resume", "s", BUDGET.format(50)], ["omegaconf", "lightning", "torchmetrics"]),
    "join": (["-m", "lightning_sweeps.join", "s", BUDGET.format(50)], ["omegaconf", "lightning"]),
    "report": (["-m", "lightning_sweeps.report", "s"], ["lightning_sweeps.trial", "optuna", "plotly"]),
    "rerun": (["-m", "lightning_sweeps.rerun", "s"], ["lightning_sweeps.trial", "optuna", "torch", "runpy"]),
}
# A terminal's Ctrl-C for the command that was typed, while it or a process of its own imports a module.
INTERRUPTING = """
import importlib.abc, os, pathlib, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        typed = os.getpid() == int(os.environ["TYPED"])
        too_early = name == "runpy" and typed  # Python's own beginning, before it knows of this package
        if name == os.environ["INTERRUPT_AT"] and not too_early and not os.path.exists(os.environ["INTERRUPTED"]):
            pathlib.Path(os.environ["INTERRUPTED"]).touch()
            os.killpg(int(os.environ["TYPED"]), signal.SIGINT)
if "INTERRUPT_AT" in os.environ:
    os.environ.setdefault("TYPED", str(os.getpid()))
    sys.meta_path.insert(0, Finder())
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Path:
    """A folder in which a search has run its first trial."""
    folder = tmp_path_factory.mktemp("searched")
    subprocess.run([sys.executable, *SEARCH, BUDGET.format(1)], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(("name", "module"), [(name, module) for name, (_, at) in COMMANDS.items() for module in at])
def test_a_command_that_is_interrupted_while_it_imports_says_little(searched, tmp_path, name, module):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    interrupted = tmp_path / "interrupted"
    process = subprocess.Popen(
        [sys.executable, *COMMANDS[name][0]],
        cwd=searched,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "INTERRUPT_AT": module, "INTERRUPTED": str(interrupted)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    stdout, stderr = process.communicate(timeout=120)
    assert interrupted.exists(), stdout
    assert process.returncode == 130, stdout + stderr
    assert "Traceback" not in stdout + stderr
    assert len(stderr.splitlines()) <= 3, stderr
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert not list((searched / "s").glob(".report*")), "nothing half written"


def test_a_ctrl_c_waits_for_what_tensorboard_writes():
    """In the middle it would leave a lock taken, for which the writer's closing waits for ever."""
    written = []
    code = compile("raise_signal(SIGINT); sleep(0.2); written.append('all')", "/site/tensorboard/writer.py", "exec")
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 (when the other code has ended)
            exec(code, {**vars(signal), "sleep": time.sleep, "written": written})
            time.sleep(10)
        assert written == ["all"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
