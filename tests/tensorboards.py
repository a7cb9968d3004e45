"""A TensorBoard server of its own for a test."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ports import free_ports

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(address: str, body: Any = None) -> Any:
    """The answer of a server to a question, as JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"} if data else {})
    with _OPENER.open(request, timeout=60) as answer:
        return json.loads(answer.read())


def wait_for(address: str, ready: Callable[[Any], bool], body: Any = None, seconds: float = 120.0) -> Any:
    """Ask until the answer is what is waited for."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = ask(address, body)
        except (urllib.error.URLError, ConnectionError) as error:
            answer = error
        else:
            if ready(answer):
                return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)


@contextmanager
def tensorboard(arguments: list[str], folder: Path, runs: set[str]) -> Iterator[str]:
    """Start it in the folder and wait until it has read these runs; gives its address."""
    (port,) = free_ports(1)
    program = Path(sys.executable).parent / "tensorboard"
    server = subprocess.Popen(
        [str(program), *arguments, "--host", "127.0.0.1", "--port", str(port), "--reload_interval", "1"],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "*"},
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/data/runs", lambda answer: runs <= set(answer))
        yield address
    finally:
        server.terminate()
        server.wait()
