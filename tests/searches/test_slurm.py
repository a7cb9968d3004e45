"""Supervisors as jobs of a real Slurm cluster."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from search_commands import SEARCH, rows, study, wait_until
from slurm import cluster, slurm
from tensorboards import ask, tensorboard

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
pytestmark = pytest.mark.slow
LAUNCHER = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=main", "hydra.launcher.timeout_min=600"]


@pytest.fixture(scope="module")
def nodes():
    """The environment of the cluster's commands."""
    with cluster() as environment:
        yield environment


@pytest.fixture
def launch(nodes, own_folder):
    """Type a search's command, and end its process with the test."""
    started = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, *arguments]
        started.append(subprocess.Popen(command, cwd=own_folder, env=nodes, stdout=subprocess.DEVNULL))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def jobs(nodes: dict[str, str], what: str = "%i") -> list[str]:
    """The jobs that wait or run."""
    return slurm(nodes, "squeue", "-h", "-r", "-o", what).split()


def left(nodes: dict[str, str]) -> bool:
    """Whether every process of the jobs that ran has gone, and Slurm knows."""
    idle = slurm(nodes, "sinfo", "-h", "-o", "%T%D") == "idle2"
    return idle and not slurm(nodes, "pgrep", "-f", "^slurmstepd")


def told(folder: Path) -> list[str]:
    """The states of the trials that have finished."""
    return [row["state"] for row in rows(folder)] if (folder / "trials.csv").is_file() else []


def log_of(folder: Path) -> str:
    """What the workers wrote."""
    return "\n".join(file.read_text() for file in folder.glob(".submitit/*/*_log.*"))


def test_workers_are_jobs_which_go_on_without_the_command_that_submitted_them(nodes, app, launch):
    options = [*SEARCH, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=12", "sleep=0.5", "hydra.sweeper.workers=2"]
    command = launch(str(app), "-m", *options, *LAUNCHER, "hydra.launcher.gpus_per_node=1")
    wait_until(lambda: jobs(nodes, "%T") == ["RUNNING", "RUNNING"], 60)
    (script,) = Path("s").glob(".submitit/*/*_submission.sh")
    written = script.read_text().splitlines()
    asked = ["array=0-1%2", "partition=main", "time=600", "signal=USR2@120", "nodes=1", "ntasks-per-node=1"]
    for line in (*asked, "gpus-per-node=1"):
        assert f"#SBATCH --{line}" in written
    command.kill()
    wait_until(lambda: len(told(Path("s"))) == 12, 90)
    wait_until(lambda: not jobs(nodes), 60)
    assert told(Path("s")) == ["COMPLETE"] * 12
    assert sorted(row["number"] for row in rows()) == sorted(map(str, range(12)))
    owners = {trial.user_attrs["supervisor"]["id"] for trial in study().trials}
    assert len(owners) == 2, log_of(Path("s"))
    assert len({row["x"] for row in rows()}) == 12
    assert set(Path("gpus").read_text().split()) == {"0"}, "each job sees the only one of its node"


def test_a_job_that_is_preempted_goes_on_from_its_checkpoint_as_one_curve(nodes, launch, own_folder):
    """The time is nearly up, says Slurm to every process of the job: the trial saves, and the job is queued again."""
    epochs = 60
    options = ["hydra.sweep.dir=s", "hydra.sweeper.workers=1", "hydra.sweeper.n_trials=1", "hydra.sweeper.report=false"]
    trial = ["model=mlp", "model.net.width=8", f"trainer.max_epochs={epochs}", "optimizer.lr=interval(1e-3,1e-2)"]
    launch("-m", "lightning_sweeps", "-m", *trial, *options, *LAUNCHER)
    table = Path("s/0/metrics.csv")
    wait_until(lambda: table.is_file() and table.read_text().count("\n") > 4, 90)
    (job,) = jobs(nodes)
    before = study().trials[0]
    slurm(nodes, "scancel", "--signal=USR2", job)
    wait_until(lambda: jobs(nodes, "%r") == ["BeginTime"], 60)
    assert "Restarts=1" in slurm(nodes, "scontrol", "show", "job", job)
    # It would wait for two minutes. A start in the second in which the first run was revoked is refused by the node.
    wait_until(lambda: left(nodes), 60)
    slurm(nodes, "scontrol", "update", f"JobId={job}", "StartTime=now+2seconds")
    wait_until(lambda: bool(told(Path("s"))), 90)
    assert told(Path("s")) == ["COMPLETE"], log_of(Path("s"))
    after = study().trials[0]
    assert after.params == before.params
    assert after.user_attrs["supervisor"]["id"] != before.user_attrs["supervisor"]["id"]
    assert after.user_attrs["epochs"] == epochs
    assert "interrupted in epoch" in Path("s/0/run.log").read_text()
    with tensorboard(["--logdir", "s"], own_folder, {"0"}) as address:
        assert ask(f"{address}/data/runs") == ["0"]
        steps = [step for _, step, _ in ask(f"{address}/data/plugin/scalars/scalars?run=0&tag=val/accuracy")]
    assert len(steps) == epochs
    assert len({b - a for a, b in itertools.pairwise(steps)}) == 1


@pytest.mark.parametrize("how", ["TERM", "USR1"])
def test_a_signal_to_all_processes_of_a_job_puts_its_trials_back(nodes, app, launch, how):
    """No trial fails of a signal that was meant for all."""
    options = [*SEARCH, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=4", "hydra.sweeper.workers=1", "++faults={2:hang}"]
    launch(str(app), "-m", *options, *LAUNCHER)
    wait_until(Path("hanging").is_file, 60)
    (job,) = jobs(nodes)
    slurm(nodes, "scancel", f"--signal={how}", job)
    wait_until(lambda: study().trials[2].state.name == "WAITING", 60)
    wait_until(lambda: not jobs(nodes), 60)
    assert told(Path("s")) == ["COMPLETE", "COMPLETE"], log_of(Path("s"))
