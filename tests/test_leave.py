"""The end of ``python -m lightning_sweeps``, in interpreters of their own: quick, and nothing is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
MINE = """
import atexit, threading, time
from pathlib import Path
from lightning_sweeps.models.classifier import Classifier

class Freed:
    def __del__(self): Path("freed").touch()

def late():
    time.sleep(0.5)
    Path("thread").touch()

freed = Freed()
unclosed = open("unclosed", "w")
unclosed.write("a row")
atexit.register(Path("called").touch)
threading.Thread(target=late).start()

class Mine(Classifier): pass
"""
RUN = ["model=mlp", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.accelerator=cpu", "test=false"]


def run(*overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lightning_sweeps", *RUN, *overrides]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def mine(own_folder, monkeypatch) -> list[str]:
    """The override that has a run import a module of the user's own."""
    Path("mine.py").write_text(MINE)
    monkeypatch.setenv("LIGHTNING_SWEEPS_TRUST", "mine")
    monkeypatch.setenv("PYTHONPATH", str(own_folder), prepend=":")
    return ["model._target_=mine.Mine"]


def test_all_is_done_but_objects_are_not_freed_one_by_one(mine):
    done = run(*mine)
    assert done.returncode == 0, done.stderr
    assert "everything is in" in done.stdout
    assert Path("unclosed").read_text() == "a row"
    assert Path("called").is_file()
    assert Path("thread").is_file()
    assert not Path("freed").exists(), "it takes two seconds"


def test_a_run_that_fails_has_its_exit_code(mine):
    done = run(*mine, "objective.metric=val/acurracy")
    assert done.returncode == 1
    assert "this metric is never logged" in done.stderr
    assert Path("unclosed").read_text() == "a row"


def test_who_watches_the_interpreter_sees_its_end(mine):
    """A profiler, or coverage, registers what it does at the end before anything else is imported."""
    Path("sitecustomize.py").write_text("import atexit, pathlib\natexit.register(pathlib.Path('watched').touch)\n")
    done = run(*mine)
    assert done.returncode == 0, done.stderr
    assert Path("watched").is_file()
    assert Path("freed").is_file()


def test_a_full_screen_is_said_when_python_would_say_it():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lightning_sweeps", "--version"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: stdout cannot be written: No space left on device\n"
