"""The GPUs of this machine, found without starting CUDA in this process, and which of them other searches hold."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lightning_sweeps.errors import ConfigError

LISTED = re.compile(r"^(\s*)(?:GPU|MIG) .*\(UUID: ([^)]+)\)")  # a line of nvidia-smi -L
WHOLE = re.compile(r"(?:GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a MIG instance, which is a device of its own."""

    name: str  # in CUDA_VISIBLE_DEVICES
    uuid: str | None  # None where it is known by an index only, which means another one in another job of a cluster


@dataclass(frozen=True)
class Gpus:
    """What this search may use."""

    names: tuple[str, ...] = ()
    held: tuple[str, ...] = ()  # those that others hold, and who
    shared: bool = False  # with those others


def visible_gpus() -> list[Gpu]:
    """All that are here, or those that ``CUDA_VISIBLE_DEVICES`` names."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return [gpu for gpus in _listed() for gpu in gpus[1:] or gpus]
    names: list[str] = []
    for name in map(str.strip, given.split(",")):
        if name in ("", "-1"):  # CUDA sees nothing of what comes after it either
            break
        names.append(name)
    listed = [] if all(map(WHOLE.fullmatch, names)) else _listed()
    return [Gpu(name, _uuid(name, listed)) for name in dict.fromkeys(names)]


def _listed() -> list[list[Gpu]]:
    """Each GPU of this machine, with its MIG instances behind it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    found: list[list[Gpu]] = []
    for line in filter(None, map(LISTED.match, listed.stdout.splitlines())):
        indent, uuid = line.groups()
        if indent and found:
            found[-1].append(Gpu(uuid, uuid))
        else:
            found.append([Gpu(str(len(found)), uuid)])
    return found


def _uuid(name: str, listed: list[list[Gpu]]) -> str | None:
    """CUDA takes an index, or the beginning of a UUID."""
    whole = [gpu.uuid for gpus in listed for gpu in gpus if gpu.name == name or str(gpu.uuid).startswith(name)]
    return whole[0] if whole else None if name.isdigit() else name


@contextmanager
def hold(wanted: int | None) -> Iterator[Gpus]:
    """Hold up to so many of the visible GPUs, or all, which no other search of this user gets meanwhile.

    The system lets them go when this process ends, however it ends. Where ``CUDA_VISIBLE_DEVICES`` names only GPUs that
    others hold, they are shared: whoever set it, a person or a cluster, has said so.

    Raises:
        ConfigError: others hold all GPUs.
    """
    gpus = visible_gpus()
    mine: list[str] = []
    held: list[str] = []
    descriptors: list[int] = []
    try:
        for gpu in gpus:
            if len(mine) == wanted:
                break
            descriptor, holder = _lock(gpu)
            if descriptor is not None:
                descriptors.append(descriptor)
            if holder is None:
                mine.append(gpu.name)
            else:
                held.append(f"GPU {gpu.name} by process {holder}")
        if mine or not gpus:
            yield Gpus(tuple(mine), tuple(held))
        elif "CUDA_VISIBLE_DEVICES" in os.environ:
            yield Gpus(tuple(gpu.name for gpu in gpus), shared=True)
        else:
            raise ConfigError(
                f"other searches hold all GPUs here: {', '.join(held)}.\n"
                "Wait for them, or say which one to share with CUDA_VISIBLE_DEVICES=0, or use none with trainer=cpu"
            )
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _lock(gpu: Gpu) -> tuple[int | None, str | None]:
    """The lock of a GPU, if it could be had, or else who has it."""
    if gpu.uuid is None:
        return None, None
    folder = Path(tempfile.gettempdir()) / f"lightning_sweeps-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise ConfigError(f"{folder} belongs to another user, and is where searches note which GPUs they hold")
    descriptor = os.open(folder / gpu.uuid.replace("/", "_"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode()
        os.close(descriptor)
        return None, holder
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor, None
