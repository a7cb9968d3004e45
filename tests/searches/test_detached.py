"""Searches that go on without the terminal that they were typed in."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from search_commands import SEARCH, gone, rows, wait_until
from slurm import cluster, slurm

from lightning_sweeps.searches.store.lock import is_locked

pytestmark = pytest.mark.slow
DETACHED = [*SEARCH, "hydra.sweeper.n_trials=6", "hydra.sweeper.detach=true", "sleep=0.2"]


def process(said: str) -> int:
    """The one that goes on."""
    (number,) = re.findall(r"stop it: kill (\d+)", said)
    return int(number)


def test_it_returns_at_once_and_the_search_goes_on_to_its_end(sweep, command):
    done = sweep(*DETACHED, "hydra.sweeper.report=true")
    assert done.returncode == 0, done.stderr
    assert "search in s: minimize what the program returns" in done.stdout
    assert not Path("s/5").exists(), "it has hardly begun"
    assert is_locked(Path("s"))
    supervisor = process(done.stdout)
    assert os.getsid(supervisor) != os.getsid(0), "a terminal that is closed does not end it"
    wait_until(lambda: gone(supervisor), 60)
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 6
    assert "Finished 6 of 6 trials (6 complete)" in Path("s/search.log").read_text()
    assert Path("s/report.html").is_file()
    again = command("s", "hydra.sweeper.n_trials=7", module="lightning_sweeps.resume")
    assert again.returncode == 0, again.stderr
    assert "stop it" not in again.stdout, "a search that is resumed stays, unless that is asked for"
    assert len(rows()) == 7
    again = command("s", "hydra.sweeper.n_trials=8", "hydra.sweeper.detach=true", module="lightning_sweeps.resume")
    supervisor = process(again.stdout)
    wait_until(lambda: gone(supervisor), 60)
    assert len(rows()) == 8
    assert "Finished 8 of 8 trials (8 complete)" in Path("s/search.log").read_text()


def test_what_is_wrong_is_said_at_once_and_nothing_is_left(sweep):
    done = sweep("x=interval(0,1)", "hydra.sweeper.detach=true", "hydra.sweeper.on_duplicate=skipp")
    assert done.returncode == 1
    assert done.stderr.startswith("error: hydra.sweeper.on_duplicate=skipp: it is one of run, reuse, skip")
    assert done.stdout == ""
    assert not Path("s").exists()


def test_a_search_that_runs_is_not_begun_beside_itself(sweep):
    supervisor = process(sweep(*DETACHED, "sleep=60").stdout)
    done = sweep(*DETACHED)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "a supervisor is at work on this search" in done.stderr
    assert done.stdout == ""
    os.kill(supervisor, signal.SIGTERM)
    wait_until(lambda: gone(supervisor), 60)


def test_a_rerun_and_a_dry_run_stay(app, sweep, command):
    config = app.parent / "conf/config.yaml"
    config.write_text(f"{config.read_text()}    detach: true\n")
    assert "nothing was written" in sweep("x=1.0,2.0", "hydra.sweeper.dry_run=true").stdout
    assert not Path("s").exists()
    supervisor = process(sweep("x=1.0,2.0").stdout)
    wait_until(lambda: gone(supervisor), 60)
    again = command("s", "sleep=2", module="lightning_sweeps.rerun")
    assert again.returncode == 0, again.stderr
    assert "stop it" not in again.stdout
    assert "search.log" in command("s", module="lightning_sweeps.status").stdout
    done = sweep("x=1.0,2.0", "hydra.sweeper.isolation=none", "hydra.sweep.dir=t")
    assert "isolation=none is for a debugger" in done.stderr


def test_mistakes_that_are_found_before_the_first_trial_are_lines_and_json_has_the_folder(command, own_folder):
    done = command("-m", "--detach", "model=mlp", "model.net.width=-1,3", "trainer.max_epochs=1")
    assert done.returncode == 1
    assert done.stderr.startswith("error: model.net.width=-1")
    assert "Traceback" not in done.stderr
    assert not list(own_folder.glob("outputs/sweeps/*/*"))
    more = ["trainer.max_epochs=1", "hydra.sweep.dir=s"]
    done = command("-m", "--detach", "--json", "model=mlp", "seed=0,1", *more)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["folder"] == str(own_folder / "s")
    supervisor = process(done.stderr)
    wait_until(lambda: gone(supervisor), 120)


def test_a_key_of_the_programs_own_that_is_called_dry_run_does_not_keep_it(sweep):
    supervisor = process(sweep(*DETACHED, "+dry_run=true", "sleep=0").stdout)
    wait_until(lambda: gone(supervisor), 60)
    assert len(rows()) == 6


def test_it_is_stopped_as_any_search(sweep):
    supervisor = process(sweep(*DETACHED, "sleep=60").stdout)
    os.kill(supervisor, signal.SIGTERM)
    wait_until(lambda: gone(supervisor), 60)
    assert "Interrupted after 0 of 6 trials" in Path("s/search.log").read_text()


@pytest.mark.usefixtures("forks_without_torch")
def test_ctrl_c_before_it_has_begun_ends_it(app):
    app.write_text(f"import time\nopen('pid', 'a').write(str(__import__('os').getpid()) + ' ')\n{app.read_text()}")
    waiting = app.read_text().replace('if __name__ == "__main__":', 'if __name__ == "__main__":\n    slow()')
    slow = "def slow():\n    import os\n    if 'LIGHTNING_SWEEPS_DETACHED' in os.environ: time.sleep(600)\n"
    app.write_text(waiting.replace("@hydra.main", f"{slow}\n@hydra.main"))
    command = [sys.executable, str(app), "-m", "hydra.sweep.dir=s", *DETACHED]
    typed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until(lambda: Path("pid").is_file() and len(Path("pid").read_text().split()) == 2)
    typed.send_signal(signal.SIGINT)
    typed.communicate(timeout=30)
    assert typed.returncode == 130
    assert all(gone(int(number)) for number in Path("pid").read_text().split())


def test_the_flag_is_for_searches(command, own_folder):
    done = command("--detach", "model=mlp")
    assert done.returncode == 1
    assert done.stderr == "error: --detach is for a search: add -m\n"
    done = command("-m", "--detach", "model=mlp", "seed=0,1", "trainer.max_epochs=1", "hydra.sweep.dir=s")
    assert done.returncode == 0, done.stderr
    supervisor = process(done.stdout)
    wait_until(lambda: gone(supervisor), 120)
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 2


def test_a_program_without_a_command_line_of_its_own_is_detached(own_folder, python):
    Path("zen.py").write_text(
        "from hydra_zen import launch, make_config, zen\n"
        "def main(x):\n    return x\n"
        "if __name__ == '__main__':\n"
        "    launch(make_config(x=1.0), zen(main), multirun=True, version_base='1.4',\n"
        "           overrides=['hydra/sweeper=study', 'hydra.sweeper.detach=true', 'hydra.sweeper.report=false',\n"
        "                      'hydra.sweep.dir=s', 'x=1.0,2.0'])\n"
    )
    pytest.importorskip("hydra_zen")
    done = python("zen.py")
    assert done.returncode == 0, done.stderr
    supervisor = process(done.stdout)
    wait_until(lambda: gone(supervisor), 60)
    assert len(rows()) == 2


def test_jobs_of_a_cluster_go_on_and_the_last_one_writes_the_report(app):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    launcher = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=main", "hydra.launcher.timeout_min=600"]
    more = ["hydra.sweeper.workers=2", "hydra.sweeper.report=true", "hydra.sweep.dir=s"]
    with cluster() as nodes:
        done = subprocess.run(
            [sys.executable, str(app), "-m", *DETACHED, *launcher, *more],
            env=nodes, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(slurm(nodes, "squeue", "-h", "-r", "-o", "%i").split()) == 2, "both are in the queue"
        os.kill(process(done.stdout), signal.SIGKILL)  # as by a logout
        wait_until(Path("s/report.html").is_file, 120)
        assert [row["state"] for row in rows()] == ["COMPLETE"] * 6
        wait_until(lambda: not slurm(nodes, "squeue", "-h", "-o", "%i"), 60)
