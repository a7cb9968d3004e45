"""A Slurm cluster of two nodes for a test, on loopback."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ports import free_ports
from search_commands import gone, wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel", "squeue")
CONFIG = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
# A signal reaches every process of a job, as with the cgroups of a real cluster.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
KillWait=20
GresTypes=gpu
NodeName=n0 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=4000 Gres=gpu:1
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=4000 Gres=gpu:1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


# Files that every machine has stand for the GPUs, which Slurm counts by the numbers in their names.
GPUS = """
NodeName=n0 Name=gpu File=/dev/tty0
NodeName=n1 Name=gpu File=/dev/tty1
"""


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Start one; gives the environment of its commands. Skips where there is none to start."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs Slurm (Debian's package slurm-wlm) and root; not found: {', '.join(missing) or 'root'}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        folder.chmod(0o755)
        for name in ("state", "n0", "n1"):
            (folder / name).mkdir()
        config = folder / "slurm.conf"
        config.write_text(CONFIG.format(folder=folder, ports=free_ports(3)))
        (folder / "gres.conf").write_text(GPUS)
        key = folder / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        environment = {**os.environ, "SLURM_CONF": str(config)}
        munge = [f"--{name}={folder}/munge.{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        commands = {
            "munge.pid-file": ["munged", "--force", f"--key-file={key}", *munge],
            "controller.pid": ["slurmctld", "-f", str(config)],
            **{f"{node}.pid": ["slurmd", "-N", node, "-f", str(config)] for node in ("n0", "n1")},
        }
        for pid_file, command in commands.items():
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=30)
            stack.callback(_stop, folder / pid_file)
        wait_until(lambda: slurm(environment, "sinfo", "-h", "-o", "%T%D") == "idle2", 60)
        yield environment
        slurm(environment, "scancel", "-u", "root")
        wait_until(lambda: not slurm(environment, "squeue", "-h"), 60)


def slurm(environment: dict[str, str], *command: str) -> str:
    """What one of Slurm's commands prints."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


def _stop(pid_file: Path) -> None:
    wait_until(pid_file.is_file)
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: gone(pid), 60)
