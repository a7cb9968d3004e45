"""The GPUs of this machine, found without starting CUDA in this process, and which of them other searches hold."""

import fcntl
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.searches.execute.nvml import devices
from lightning_sweeps.searches.store.locking import lock

log = logging.getLogger(__name__)
WHOLE = re.compile(r"(?:GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a MIG instance, which is a device of its own."""

    name: str  # in CUDA_VISIBLE_DEVICES
    uuid: str | None  # None if only its index is known, which in another job of a cluster means another GPU


@dataclass(frozen=True)
class Gpus:
    """What this search may use."""

    names: tuple[str, ...] = ()
    held: tuple[str, ...] = ()  # those that others hold, and by whom
    shared: bool = False  # with those others


def visible_gpus() -> list[Gpu]:
    """All GPUs of this machine, or those that ``CUDA_VISIBLE_DEVICES`` names.

    Indices are those of nvidia-smi; ``show_gpus`` makes CUDA use the same.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return [gpu for gpus in _listed() for gpu in gpus[1:] or gpus]
    names: list[str] = []
    for name in map(str.strip, given.split(",")):
        if name in ("", "-1"):  # CUDA too ignores what comes after it
            break
        names.append(name)
    listed = [] if all(map(WHOLE.fullmatch, names)) else _listed()
    return [Gpu(name, _uuid(name, listed)) for name in dict.fromkeys(names)]


def show_gpus(names: str) -> None:
    """Let this process and its children see these GPUs only. Call it before anything starts CUDA."""
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the order that these indices are in
    os.environ["CUDA_VISIBLE_DEVICES"] = names


def _listed() -> list[list[Gpu]]:
    """Each GPU of this machine, with its MIG instances behind it."""
    return [
        [Gpu(str(index), device.uuid), *(Gpu(uuid, uuid) for uuid in device.instances)]
        for index, device in enumerate(devices())
    ]


def _uuid(name: str, listed: list[list[Gpu]]) -> str | None:
    """The UUID of a name that CUDA accepts: an index, or the beginning of a UUID."""
    for gpu in (gpu for gpus in listed for gpu in gpus):
        if gpu.name == name or str(gpu.uuid).startswith(name):
            return gpu.uuid
    return None if name.isdigit() else name


def hold_for(config: DictConfig, wanted: int | None, multiple: int = 1) -> AbstractContextManager[Gpus]:
    """Hold the GPUs for a search's trials; none if their config says that they use none. See ``hold``."""
    accelerator = OmegaConf.select(config, "trainer.accelerator")
    return nullcontext(Gpus()) if accelerator == "cpu" else hold(wanted, multiple, insist=accelerator is not None)


@contextmanager
def hold(wanted: int | None, multiple: int = 1, *, insist: bool = True) -> Iterator[Gpus]:
    """Hold up to ``wanted`` of the visible GPUs, or all, so that no other search of this user gets them meanwhile.

    The system lets them go when this process ends, however it ends. If others hold all of them, they are shared if
    ``CUDA_VISIBLE_DEVICES`` names them, or if nobody said that trials use a GPU.

    Args:
        multiple: what is left over of so many at a time is not held.
        insist: the config says that trials use a GPU.

    Raises:
        ConfigError: others hold all of them, and they are not to be shared.
    """
    gpus = visible_gpus()
    locks: dict[str, int | None] = {}
    try:
        yield _hold(locks, gpus, wanted, multiple, insist and "CUDA_VISIBLE_DEVICES" not in os.environ)
    finally:
        for descriptor in locks.values():
            _close(descriptor)


def _hold(locks: dict[str, int | None], gpus: Sequence[Gpu], wanted: int | None, multiple: int, alone: bool) -> Gpus:
    held = []
    try:
        with _turn() as folder:
            for gpu in gpus:
                if len(locks) == wanted:
                    break
                descriptor, holder = _lock(folder, gpu)
                if holder is None:
                    locks[gpu.name] = descriptor
                else:
                    held.append(f"GPU {gpu.name} by process {holder}")
            while len(locks) > multiple and len(locks) % multiple:
                _close(locks.popitem()[1])
            if locks or not gpus:
                return Gpus(tuple(locks), tuple(held))
            if alone:
                raise ConfigError(
                    f"searches hold all GPUs here: {', '.join(held)}.\nWait for them, say which one to share with "
                    "CUDA_VISIBLE_DEVICES=0, or use none with trainer.accelerator=cpu"
                )
            locks |= {gpu.name: _share(folder, gpu) for gpu in gpus[:wanted]}
            return Gpus(tuple(locks), shared=True)
    except (OSError, FolderError) as error:  # a disk without locks
        log.warning("other searches may get the same GPUs: %s", error)
        return Gpus(tuple(gpu.name for gpu in gpus))


@contextmanager
def _turn() -> Iterator[Path]:
    """The folder of the locks, in which one process at a time looks for its GPUs."""
    folder = Path(tempfile.gettempdir()) / f"lightning_sweeps-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    descriptor = _open(folder / "turn")
    try:
        lock(descriptor, folder / "turn")
        yield folder
    finally:
        os.close(descriptor)


def _lock(folder: Path, gpu: Gpu) -> tuple[int | None, str | None]:
    """The lock of a GPU, if it could be had, or else who has it."""
    if gpu.uuid is None:
        return None, None
    descriptor = _open(_file(folder, gpu))
    holder = _lock_or_holder(descriptor)
    if holder is None:
        sharing = _open(_file(folder, gpu, ".shared"))
        holder = _lock_or_holder(sharing)
        os.close(sharing)
    if holder is not None:
        os.close(descriptor)
        return None, holder
    _write_pid(descriptor)
    return descriptor, None


def _share(folder: Path, gpu: Gpu) -> int | None:
    """Share a GPU with those who hold it, so that it does not count as free when they leave."""
    if gpu.uuid is None:
        return None
    descriptor = _open(_file(folder, gpu, ".shared"))
    lock(descriptor, _file(folder, gpu, ".shared"), fcntl.LOCK_SH)
    _write_pid(descriptor)
    return descriptor


def _file(folder: Path, gpu: Gpu, what: str = "") -> Path:
    return folder / f"{gpu.uuid}{what}".replace("/", "_")


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _lock_or_holder(descriptor: int) -> str | None:
    """Lock a file, or say who has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 20, 0).decode() or "?"
    return None


def _write_pid(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
