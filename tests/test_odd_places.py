"""Folders with odd names, files that are broken, and screens that cannot be written."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from search_commands import study

pytestmark = pytest.mark.slow
SMALL = ["model=mlp", "trainer.max_epochs=1", "optimizer.lr=0.1,0.2"]
REPORT, RERUN, RESUME, JOIN = (f"lightning_sweeps.{name}" for name in ("report", "rerun", "resume", "join"))


def test_a_folder_may_have_any_name(command, own_folder, monkeypatch):
    name = 'bob\'s a=b, "ünï" (1) [2] {x} \\ \t%'
    folder = own_folder / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    done = command("-m", *SMALL, "hydra.sweep.dir=s")
    assert done.returncode == 0, done.stderr
    for module in (RESUME, RERUN, REPORT):
        done = command("s", module=module)
        assert done.returncode == 0, f"{module}: {done.stderr}"
    monkeypatch.chdir(own_folder)
    assert "nothing was left to do" in command(f"{name}/s", module=RESUME).stdout
    assert len(study(folder / "s").trials) == 2


def test_a_folder_whose_name_is_an_interpolation_is_refused(command, own_folder, monkeypatch):
    (own_folder / "a${b}").mkdir()
    monkeypatch.chdir(own_folder / "a${b}")
    done = command("model=mlp")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "interpolation; rename it" in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("multirun.yaml", "", "multirun.yaml is empty, or not all of it is there"),
        ("multirun.yaml", "hydra:\n  run:\n    di", "multirun.yaml is empty, or not all of it is there"),
        ("multirun.yaml", "hydra: {a", "multirun.yaml cannot be read"),
        ("provenance.json", "[{", "provenance.json cannot be read"),
        ("provenance.json", "[1, 2]", "provenance.json cannot be read"),
    ],
)
def test_a_broken_file_is_named(command, own_folder, sweep, file, content, said):
    assert sweep("x=1.0,2.0").returncode == 0
    Path("s", file).write_text(content)
    for module in (RESUME, JOIN, RERUN):
        done = command("s", module=module)
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) <= 3
    assert len(study().trials) == 2


@pytest.mark.parametrize(
    ("line", "what"),
    [(2, '{"op_code": 99}'), (2, "[]"), (None, "hello")],
    ids=["an unknown entry", "no entry", "a foreign last line"],
)
def test_a_foreign_line_of_a_journal_is_named(command, sweep, line, what):
    assert sweep("x=1.0,2.0").returncode == 0
    journal = Path("s/study.journal")
    lines = journal.read_text().splitlines()
    at = len(lines) if line is None else line
    journal.write_text("\n".join([*lines[:at], what, *lines[at:]]) + "\n")
    done = command("s", "hydra.sweeper.n_trials=3", module=RESUME)
    assert done.returncode == 1
    assert f"study.journal is damaged: line {at + 1} of it cannot be read" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_search_says_when_nothing_is_left(command, sweep):
    assert sweep("x=1.0,2.0").returncode == 0
    assert "nothing was left to do: each combination has been run" in command("s", module=RESUME).stdout
    more = ("x=interval(0.0,1.0)", "hydra.sweeper.n_trials=2", "hydra.sweep.dir=t")
    assert sweep(*more).returncode == 0
    again = sweep(*more).stdout
    assert "nothing was left to do; for more trials:" in again
    assert "hydra.sweeper.n_trials=4" in again


def test_a_search_stays_in_its_folder(command, sweep):
    assert sweep("x=1.0,2.0").returncode == 0
    done = command("s", "hydra.sweep.dir=elsewhere", module=RESUME)
    assert done.returncode == 1
    assert done.stderr.startswith("error: hydra.sweep.dir: a search goes on in its folder")


@pytest.mark.parametrize(
    "arguments",
    [
        ["lightning_sweeps", "model=mlp", "trainer.max_epochs=1"],
        ["lightning_sweeps", "-m", *SMALL, "hydra.sweep.dir=s"],
        ["lightning_sweeps", "--help"],
        ["lightning_sweeps", "--version"],
        ["lightning_sweeps", "--cfg", "job"],
        ["lightning_sweeps.report", "t"],
        ["lightning_sweeps.report", "--format", "csv", "t"],
        ["lightning_sweeps.rerun", "t"],
    ],
    ids=" ".join,
)
def test_a_full_screen_is_said_in_one_line(forked_commands, sweep, arguments):
    if arguments[-1] == "t":
        assert sweep("x=1.0,2.0", "hydra.sweep.dir=t").returncode == 0
    with Path("/dev/full").open("w") as full:
        done = forked_commands.run(["-m", *arguments], stdout=full)
    assert done.returncode == 1
    assert done.stderr == "error: stdout cannot be written: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_lose_no_trial(own_folder, closed):
    command = [sys.executable, "-m", "lightning_sweeps", "-m", *SMALL, "hydra.sweep.dir=s"]
    done = subprocess.run(f"{shlex.join(command)} {closed}", shell=True, check=False, cwd=own_folder)
    assert done.returncode == 0
    assert [trial.state.name for trial in study().trials] == ["COMPLETE", "COMPLETE"]


def test_the_reason_of_a_failed_search_is_on_stderr(sweep):
    done = sweep("x=1.0,2.0", "+faults={0: raise, 1: raise}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the search ended by failures: 2 of 2 trials")
    assert "trial 0: " in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_version_is_this_packages(command):
    assert command("--version").stdout.startswith("lightning_sweeps ")


def test_an_option_is_not_abbreviated(command):
    done = command("s", "--seed", "5", module=RERUN)
    assert done.returncode == 2
    assert "--seed" in done.stderr


@pytest.mark.parametrize("module", [REPORT, RERUN, "lightning_sweeps.schemas"])
def test_the_other_commands_say_a_mistake_in_one_line(command, module):
    done = command("--nope", module=module)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
