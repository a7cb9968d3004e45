"""Machines of a test: network namespaces on a network of their own, which nothing else reaches."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

NETWORK = "10.213.77"


class Machine:
    """One of them; what it runs shares the disk with the others."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.link = f"{name}-h"  # its end of the cable to the hub
        self.address = f"{NETWORK}.{number}"
        # A prefix for its commands. It has a name of its own, by which two machines are told apart.
        self.inside = ["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$@"', "sh"]

    def cut_off(self) -> None:
        """Pull its cable out."""
        ip("link", "set", self.link, "down", at=hub())

    def bring_back(self) -> None:
        """Put it in again."""
        ip("link", "set", self.link, "up", at=hub())


def hub() -> str:
    """The namespace with the bridge, where servers run."""
    return f"ls{os.getpid()}"


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """So many machines and, first, the hub. Skips without the rights."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and the command ip, to make network namespaces")
    with ExitStack() as stack:
        try:
            add(stack, hub())
        except subprocess.CalledProcessError as error:
            pytest.skip(f"cannot make a network namespace: {error.stderr.strip()}")
        ip("link", "add", "bridge", "type", "bridge", at=hub())
        found = [Machine(hub(), 254)]
        ip("address", "add", f"{found[0].address}/24", "dev", "bridge", at=hub())
        ip("link", "set", "bridge", "up", at=hub())
        for number in range(1, count + 1):
            machine = Machine(f"{hub()}-{number}", number)
            add(stack, machine.name)
            ip("link", "add", machine.link, "type", "veth", "peer", "name", "eth0", "netns", machine.name, at=hub())
            ip("link", "set", machine.link, "master", "bridge", "up", at=hub())
            ip("address", "add", f"{machine.address}/24", "dev", "eth0", at=machine.name)
            ip("link", "set", "eth0", "up", at=machine.name)
            found.append(machine)
        yield found


def add(stack: ExitStack, name: str) -> None:
    """Make a namespace with its loopback; it goes with the test, and what still runs in it as well."""
    ip("netns", "add", name)
    stack.callback(remove, name)
    ip("link", "set", "lo", "up", at=name)


def remove(name: str) -> None:
    """Take a namespace away."""
    for pid in ip("netns", "pids", name).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), 9)
    ip("netns", "delete", name)


def ip(*arguments: str, at: str | None = None) -> str:
    """What the command ip prints."""
    inside = ["-n", at] if at else []
    return subprocess.run(["ip", *inside, *arguments], check=True, capture_output=True, text=True).stdout
