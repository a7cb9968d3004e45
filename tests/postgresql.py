"""A PostgreSQL server of its own for a test."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_ports

PASSWORD = "open-sesame"


def programs() -> Path | None:
    """The folder of the newest installed server's programs."""
    there = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return Path(there).parent if there else next(reversed(folders), None)


STOPS: dict[str, Callable[[], None]] = {}  # by the server's URL
STARTS: dict[str, Callable[[], None]] = {}


@contextmanager
def server(
    settings: str = "-c fsync=off", address: str = "127.0.0.1", inside: Sequence[str] = (), hosts: str = "127.0.0.1/32"
) -> Iterator[str]:
    """Start one, with a database and a password; gives its URL. Skips where there is none to start.

    Args:
        address: it listens on.
        inside: a prefix for each of its commands.
        hosts: that may connect.
    """
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("needs PostgreSQL's server (Debian's package postgresql)")
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        yield from _running(Path(name), bin_folder, settings, address, inside, hosts)


def _running(
    folder: Path, bin_folder: Path, settings: str, address: str, inside: Sequence[str], hosts: str
) -> Iterator[str]:
    as_user = [*inside]
    if os.geteuid() == 0:  # it refuses to run as root
        as_user += ["runuser", "-u", "nobody", "--"]
        shutil.chown(folder, "nobody")
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    (port,) = free_ports(1)
    data = folder / "data"

    def call(program: str, *arguments: object) -> None:
        command = [*as_user, str(bin_folder / program), "-D", str(data), *map(str, arguments)]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    call("initdb", "-U", "me", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync")
    with (data / "pg_hba.conf").open("a") as allowed:
        allowed.write(f"host all all {hosts} scram-sha-256\n")
    options = f"-p {port} -h {address} -k {folder} {settings}"
    call("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")
    url = f"postgresql+psycopg://me:{PASSWORD}@{address}:{port}/postgres"
    STOPS[url] = lambda: call("pg_ctl", "-w", "-m", "immediate", "stop")
    STARTS[url] = lambda: call("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield url
    finally:
        call("pg_ctl", "-w", "-m", "immediate", "stop")
