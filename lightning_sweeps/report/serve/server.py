"""The server on loopback."""

import socket
from pathlib import Path

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.terminal.console import say

LOOPBACK = "127.0.0.1"
PORT = 8321
LARGEST_PORT = 2**16 - 1


def serve(root: Path, port: int) -> None:
    """Answer until Ctrl-C.

    Args:
        root: a search's folder, or one with searches below it.
        port: 0 for any that is free.

    Raises:
        ConfigError: the extra is not installed, there is no such folder, or the port is taken.
    """
    try:
        import uvicorn

        from lightning_sweeps.report.serve.app import make_app
    except ImportError as error:
        raise ConfigError("--serve needs starlette and uvicorn: pip install 'lightning_sweeps[serve]'") from error
    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder")
    if not 0 <= port <= LARGEST_PORT:
        raise ConfigError(f"--port {port}: a port is a number from 0, for any that is free, to {LARGEST_PORT}")
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, port))
            listening.listen()
        except OSError as error:
            raise ConfigError(f"port {port}: {error.strerror}; name another one with --port") from error
        say(f"http://{LOOPBACK}:{listening.getsockname()[1]}/ (Ctrl-C ends it)\n")
        config = uvicorn.Config(make_app(root), log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listening])
