"""MariaDB and Redis servers of their own for a test, on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_ports
from search_commands import wait_until


@contextmanager
def mariadb() -> Iterator[str]:
    """Start MariaDB with a database; gives its URL. Skips where there is none to start."""
    need("mariadbd", "mariadb-install-db", "mariadb")
    with tempfile.TemporaryDirectory(prefix="mariadb-") as name:
        folder, (port,) = Path(name), free_ports(1)
        user = [f"--user={'nobody' if os.geteuid() == 0 else os.environ['USER']}"]  # it refuses to run as root
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        data = [f"--datadir={folder}/data", "--innodb-flush-log-at-trx-commit=0"]
        install = ["mariadb-install-db", "--no-defaults", *user, *data, "--auth-root-authentication-method=normal"]
        subprocess.run(install, check=True, capture_output=True, cwd=folder)
        at = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s", f"--pid-file={folder}/pid"]
        with running(["mariadbd", "--no-defaults", *user, *data, *at], folder, port):
            ask = ["mariadb", "--no-defaults", f"--socket={folder}/s", "-u", "root", "-e"]
            wanted = "CREATE DATABASE studies; CREATE USER me@'127.0.0.1' IDENTIFIED BY 'open-sesame';"
            wanted += "GRANT ALL ON studies.* TO me@'127.0.0.1';"
            subprocess.run([*ask, wanted], check=True, capture_output=True)
            yield f"mysql+pymysql://me:open-sesame@127.0.0.1:{port}/studies"


@contextmanager
def redis() -> Iterator[str]:
    """Start Redis; gives its URL. Skips where there is none to start."""
    need("redis-server")
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        (port,) = free_ports(1)
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--requirepass", "open-sesame"]
        with running(["redis-server", *options], Path(name), port):
            yield f"redis://:open-sesame@127.0.0.1:{port}"


def need(*programs: str) -> None:
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@contextmanager
def running(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    """Start a server and wait until it listens."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port) or server.poll() is not None, 60)
        assert server.poll() is None, (folder / "log").read_text()
        yield
    finally:
        server.kill()
        server.wait()


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
