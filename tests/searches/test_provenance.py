"""What a search notes to be repeated."""

import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from search_commands import study

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.record import provenance
from lightning_sweeps.searches.record.provenance import program_of, read_starts, record_start, starts_of


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(own_folder) -> Path:
    """A committed file that has been changed since."""
    git("init", "-q")
    file = own_folder / "train.py"
    file.write_text("lr = 0.1\n")
    git("add", "train.py")
    git("commit", "-qm", "first")
    file.write_text("lr = 0.2\n")
    return own_folder


def test_commit_and_changes_bring_the_code_back(repository):
    folder = repository / "s"
    folder.mkdir()
    Path("new.py").touch()
    made = optuna.create_study()
    record_start(made, folder, {"n_trials": 3})
    (start,) = read_starts(folder)
    assert start == starts_of(made)[0]
    commit = git("rev-parse", "HEAD")
    assert start["git"] == {"commit": commit, "dirty": True, "untracked": ["new.py"], "diff": "git.diff"}
    assert start["n_trials"] == 3
    assert start["versions"]["optuna"] == optuna.__version__
    assert start["machine"]["cores"] >= 1
    git("checkout", "-q", "train.py")
    git("apply", "s/git.diff")
    assert Path("train.py").read_text() == "lr = 0.2\n"


def test_each_start_has_its_own_changes(repository):
    folder = repository / "s"
    folder.mkdir()
    made = optuna.create_study()
    diffs = []
    for rate in ("0.2", "0.2", "0.3"):
        Path("train.py").write_text(f"lr = {rate}\n")
        record_start(made, folder, {})
        diffs.append(read_starts(folder)[-1]["git"]["diff"])
    assert diffs == ["git.diff", "git.diff", "git-2.diff"]
    assert [start["git"]["diff"] for start in starts_of(made)] == diffs


def test_a_large_diff_is_not_kept(repository, monkeypatch):
    monkeypatch.setattr(provenance, "LARGEST_DIFF", 10)
    record_start(optuna.create_study(), repository, {})
    assert "are more than 10" in read_starts(repository)[0]["git"]["diff"]
    assert not (repository / "git.diff").exists()


def test_no_password_is_kept(repository, monkeypatch):
    Path("train.py").write_text("storage = 'postgresql://me:open-sesame@host/db'\n")
    monkeypatch.setattr(sys, "argv", ["app.py", "-m", "hydra.sweeper.storage=postgresql://me:open-sesame@host/db"])
    made = optuna.create_study()
    record_start(made, repository, {})
    assert "hydra.sweeper.storage=postgresql://me:***@host/db" in read_starts(repository)[0]["command"]
    for text in ((repository / "provenance.json").read_text(), (repository / "git.diff").read_text()):
        assert "open-sesame" not in text
    assert "open-sesame" not in json.dumps(made.user_attrs)


def test_elsewhere_there_is_no_commit_for_it_would_not_be_the_persons(own_folder):
    record_start(optuna.create_study(), own_folder, {})
    assert read_starts(own_folder)[0]["git"] is None


@pytest.mark.slow
def test_a_program_in_a_repository_has_its_commit_wherever_it_is_started(app):
    git("init", "-q")
    git("add", "app.py")
    git("commit", "-qm", "first")
    elsewhere = app.parent.parent / f"{app.parent.name}-elsewhere"
    elsewhere.mkdir()
    search = [sys.executable, str(app), "-m", "x=1", "hydra.sweep.dir=s"]
    subprocess.run(search, cwd=elsewhere, check=True, timeout=60)
    assert read_starts(elsewhere / "s")[0]["git"]["commit"] == git("rev-parse", "HEAD")


@pytest.mark.slow
def test_a_resumed_search_has_two_starts(sweep, command):
    assert sweep("x=interval(-5.0,5.0)", "hydra.sweeper.n_trials=2").returncode == 0
    resumed = command("s", "hydra.sweeper.n_trials=3", module="lightning_sweeps.resume")
    assert resumed.returncode == 0, resumed.stderr
    first, second = read_starts(Path("s"))
    assert (first["n_trials"], second["n_trials"]) == (2, 3)
    assert first["command"] == "python app.py -m hydra.sweep.dir=s 'x=interval(-5.0,5.0)' hydra.sweeper.n_trials=2"
    assert first["sampler"].startswith("TPESampler")
    assert [start["n_trials"] for start in starts_of(study())] == [2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["resume", "join", "rerun"])
def test_a_program_that_somebody_else_started_is_started_if_it_is_trusted(
    sweep, python_without_torch, app, own_folder, module
):
    assert sweep("x=1,2", "hydra.sweeper.n_trials=1").returncode == 0
    app.write_text("from pathlib import Path\nPath('started').touch()\n" + app.read_text())

    def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return python_without_torch("-m", f"lightning_sweeps.{module}", "s", *arguments, **environment)

    assert start().returncode == 0, "one's own"
    Path("started").unlink()
    elsewhere = own_folder / "elsewhere"
    elsewhere.mkdir()
    multirun = Path("s/multirun.yaml")
    mine = multirun.read_text()
    moved = mine.replace(f"cwd: {own_folder}\n", f"cwd: {elsewhere}\n")
    assert moved != mine
    for text, environment in ((mine, {"XDG_STATE_HOME": "another"}), (moved, {})):
        multirun.write_text(text)
        done = start(**environment)
        assert done.returncode == 1
        assert "this search was not started by you on this machine; it would run, in " in done.stderr
        assert "Add --trust if you know where it is from" in done.stderr
        assert len(done.stderr.splitlines()) == 2
        assert not Path("started").exists()
    multirun.write_text(mine)
    assert start("--trust", XDG_STATE_HOME="another").returncode == 0
    assert Path("started").exists()


def test_a_programs_own_option_with_a_password_is_kept_nowhere(repository, monkeypatch):
    monkeypatch.setattr(
        provenance, "program", lambda: ["python", "train.py", "--db=postgresql://me:open-sesame@host/db"]
    )
    record_start(optuna.create_study(), repository, {})
    assert "open-sesame" not in (repository / "provenance.json").read_text()
    with pytest.raises(ConfigError, match=r"the password of python .*me:\*\*\*@host/db' is kept nowhere"):
        program_of(repository, str(repository), trusted=True)
