"""This machine: its name beyond doubt, and the cores that this process may use."""

import os
import socket
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux has one; elsewhere the time of the start is as good


def identity() -> str:
    """Its name and its start, since two machines may have one name."""
    try:
        boot = BOOT_ID.read_text().strip()
    except OSError:
        import psutil

        boot = f"{psutil.boot_time():.0f}"
    return f"{socket.gethostname()} {boot}"


def usable_cores() -> list[int]:
    """The numbers of the CPU cores that this process may run on; all of them on systems that bind no process to any."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def bind_to(cores: list[int]) -> None:
    """Keep this process, and those that it will start, to these cores, if the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
