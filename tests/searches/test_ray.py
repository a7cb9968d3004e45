"""Supervisors as tasks of a real Ray cluster: a head and a worker node, on two machines that are namespaces."""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from namespaces import Machine, machines
from search_commands import SEARCH, rows, study

ray = pytest.importorskip("ray")
pytest.importorskip("hydra_plugins.hydra_ray_launcher")
pytestmark = pytest.mark.slow
PORT = 6379


def start_node(machine: Machine, environment: dict[str, str], *options: str) -> None:
    command = [
        *(*machine.inside, str(Path(sys.executable).parent / "ray"), "start", "--num-cpus=1", "--num-gpus=1"),
        *(f"--node-ip-address={machine.address}", "--disable-usage-stats", *options),
    ]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)


def test_workers_run_on_the_nodes_of_a_cluster(app):
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    search = [
        *SEARCH, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=12", "sleep=0.3", "hydra.sweeper.workers=2",
        "hydra/launcher=ray", "hydra.launcher.ray.init.address=auto", "+hydra.launcher.ray.remote.num_gpus=1",
    ]  # fmt: skip
    # Its sockets are in this folder, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder, machines(2) as (_, head, node):
        start_node(head, environment, "--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={folder}")
        start_node(node, environment, f"--address={head.address}:{PORT}")
        done = subprocess.run(
            [*head.inside, sys.executable, str(app), "-m", *search],
            cwd=app.parent, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Finished 12 of 12 trials (12 complete)" in done.stdout
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 12
    assert len({row["x"] for row in rows()}) == 12
    hosts = {trial.user_attrs["supervisor"]["host"] for trial in study().trials}
    assert hosts == {head.name, node.name}
    assert set(Path("gpus").read_text().split()) == {"0"}, "each node's only one, which no node has in truth"
