"""The end of ``python -m lightning_sweeps``, in interpreters of their own: quick, and nothing is lost."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
MINE = """
import zipfile
from pathlib import Path
from lightning_sweeps.models.classifier import Classifier

unclosed = zipfile.ZipFile("unclosed.zip", "w")
unclosed.writestr("a row", "1")

class Mine(Classifier): pass
"""
HELD = """
import os
class Held:
    def __del__(self, file=Path(f"written-by-{os.getpid()}").absolute()): file.touch()

held = Held()

"""
RUN = ["model=mlp", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.accelerator=cpu", "test=false"]
FREES = "# cleanup["  # what Python says with -v when it ends


def run(*overrides: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-m", "lightning_sweeps", *overrides]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_objects_are_not_freed_one_by_one(own_folder):
    done = run("--version", options=("-v",))
    assert done.returncode == 0
    assert done.stdout.startswith("lightning_sweeps ")
    assert FREES not in done.stderr


def test_the_users_are_as_they_may_write_something(own_folder, monkeypatch):
    Path("mine.py").write_text(MINE)
    monkeypatch.setenv("LIGHTNING_SWEEPS_TRUST", "mine")
    monkeypatch.setenv("PYTHONPATH", str(own_folder), prepend=":")
    done = run(*RUN, "model._target_=mine.Mine")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile("unclosed.zip") as written:
        assert written.namelist() == ["a row"]


def test_the_users_are_in_trials_too_wherever_their_module_is_installed(own_folder, monkeypatch):
    libraries = own_folder / "base" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    libraries.mkdir(parents=True)
    (libraries / "mine.py").write_text(MINE.replace("class Mine(", HELD + "class Mine("))
    monkeypatch.setenv("PYTHONUSERBASE", str(own_folder / "base"))
    monkeypatch.setenv("PYTHONPATH", str(libraries), prepend=":")
    monkeypatch.setenv("LIGHTNING_SWEEPS_TRUST", "mine")
    search = ["-m", "hydra/sweeper=study", "optimizer.lr=0.1,0.01", "hydra.sweeper.report=false", "hydra.sweep.dir=s"]
    done = run(*search, *RUN, "model._target_=mine.Mine")
    assert done.returncode == 0, done.stderr
    assert len(list(Path().glob("written-by-*"))) == 2


def test_who_watches_the_interpreter_sees_its_end(own_folder, monkeypatch):
    """A profiler, or coverage, registers what it does at the end before anything else is imported."""
    monkeypatch.setenv("PYTHONPATH", str(own_folder), prepend=":")
    Path("sitecustomize.py").write_text("import atexit, pathlib\natexit.register(pathlib.Path('watched').touch)\n")
    done = run("--version", options=("-v",))
    assert done.returncode == 0
    assert Path("watched").is_file()
    assert FREES in done.stderr


def test_exit_codes_are_as_ever(own_folder):
    done = run(*RUN)
    assert done.returncode == 0, done.stderr
    assert "everything is in" in done.stdout, "the last line has arrived"
    assert run("model=mlpp").returncode == 1


def test_a_full_screen_is_said_when_python_would_say_it():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lightning_sweeps", "--version"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: stdout cannot be written: No space left on device\n"
