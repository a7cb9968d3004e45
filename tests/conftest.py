"""What the tests share: runs in this process, real commands in processes of their own, and data sets' files."""

import copy
import os
import pickle
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

# Threads of OpenMP that wait busily for each other make two programs on the same cores four times as slow.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported
# Hundreds of interpreters are started, and each would compile what it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
import torch
from filelock import FileLock
from forked_commands import Interpreter
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict, read_write
from shared_imports import OF_A_SEARCH

from lightning_sweeps.command.app import register_resolvers
from lightning_sweeps.overrides.groups import CONF

Command = Callable[..., subprocess.CompletedProcess[str]]

register_resolvers([CONF])
# A shell starts its background jobs with Ctrl-C ignored, and whatever the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The tests' networks are small: threads that wait for each other would take longer than the work.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test is in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def composed(*overrides: str, folder: Path) -> Iterator[DictConfig]:
    """The config that these overrides compose, with Hydra set up as in a run that writes into the folder."""
    with initialize_config_dir(str(CONF)):
        config = compose("config", list(overrides), return_hydra_config=True)
    with read_write(config), open_dict(config):
        config.hydra.runtime.output_dir = str(folder)
        config.hydra.job.num, config.hydra.job.id = 0, "test"
    HydraConfig.instance().set_config(copy.deepcopy(config))
    with read_write(config), open_dict(config):
        del config["hydra"]
    try:
        yield config
    finally:
        HydraConfig.instance().cfg = None


@pytest.fixture
def run_here(own_folder: Path) -> Callable[..., float | None]:
    """Compose and run in this process; everything lands in the test's folder, or in ``folder``."""

    def run(*overrides: str, folder: str = ".") -> float | None:
        from lightning_sweeps.runs.train import run as train

        target = own_folder / folder
        target.mkdir(exist_ok=True)
        with composed(*overrides, folder=target) as config:
            return train(config)

    return run


@pytest.fixture(scope="session")
def once_for_all_workers(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder of this name that the first test which asks for it has filled, whichever of xdist's workers runs it."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder = base / name
        with FileLock(base / f"{name}.lock"):
            if not folder.exists():
                folder.mkdir()
                try:
                    make(folder)
                except BaseException:
                    shutil.rmtree(folder)
                    raise
        return folder

    return made


@pytest.fixture(scope="session")
def forked_searches() -> Iterator[Interpreter]:
    """Commands that share the imports of Hydra and Optuna."""
    with closing(Interpreter(OF_A_SEARCH)) as interpreter:
        yield interpreter


@pytest.fixture(scope="session")
def forked_commands() -> Iterator[Interpreter]:
    """Commands that share the imports of torch and Lightning too."""
    with closing(Interpreter()) as interpreter:
        yield interpreter


@pytest.fixture
def forks(forked_commands: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test starts of Python is forked, and shares the imports of torch and Lightning."""
    monkeypatch.setattr(subprocess, "Popen", forked_commands.Popen)


@pytest.fixture
def forks_without_torch(forked_searches: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test starts of Python is forked, and shares the imports of Hydra and Optuna."""
    monkeypatch.setattr(subprocess, "Popen", forked_searches.Popen)


@pytest.fixture
def python(forked_commands: Interpreter) -> Command:
    """Run ``python SCRIPT ...`` or ``python -m MODULE ...`` in a process of its own, in the current folder.

    Keywords are variables of its environment.
    """
    return lambda *arguments, **more: forked_commands.run(arguments, **more)


@pytest.fixture
def python_without_torch(forked_searches: Interpreter) -> Command:
    """The same for a program that does without torch."""
    return lambda *arguments, **more: forked_searches.run(arguments, **more)


@pytest.fixture
def command(own_folder: Path, python: Command) -> Command:
    """Run ``python -m lightning_sweeps ...`` in a process of its own."""

    def run(*arguments: str, module: str = "lightning_sweeps", **more: str) -> subprocess.CompletedProcess[str]:
        return python("-m", module, *arguments, **more)

    return run


def only_run(folder: Path) -> Path:
    """The folder of the only run below ``outputs/runs``."""
    (run,) = (folder / "outputs" / "runs").glob("*/*")
    return run


def write_idx(folder: Path, train: int = 60, test: int = 20) -> None:
    """Files of MNIST's own format, where torchvision looks for them, with random images and labels."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, size in (("train", train), ("t10k", test)):
        images = random.integers(0, 256, (size, 28, 28), dtype=np.uint8)
        labels = np.arange(size, dtype=np.uint8) % 10
        (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, size, 28, 28) + images.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, size) + labels.tobytes())


def write_cifar10(folder: Path, monkeypatch: pytest.MonkeyPatch, per_file: int = 20) -> None:
    """Files of CIFAR-10's own format. Their checksums replace the real ones, since torchvision compares them."""
    import hashlib

    import torchvision.datasets

    folder.mkdir(parents=True)
    random = np.random.default_rng(0)

    def write(name: str, content: object) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data, usedforsecurity=False).hexdigest()

    def batch() -> dict[str, object]:
        images = random.integers(0, 256, (per_file, 3072), dtype=np.uint8)
        return {"data": images, "labels": (np.arange(per_file) % 10).tolist()}

    cifar = torchvision.datasets.CIFAR10
    train = [[name, write(name, batch())] for name, _ in cifar.train_list]
    test = [[name, write(name, batch())] for name, _ in cifar.test_list]
    meta = write("batches.meta", {"label_names": list("0123456789")})
    monkeypatch.setattr(cifar, "train_list", train)
    monkeypatch.setattr(cifar, "test_list", test)
    monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": meta})


@pytest.fixture
def data_files(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``data/`` with small files of every data set that would be downloaded."""
    write_idx(own_folder / "data" / "MNIST" / "raw")
    write_idx(own_folder / "data" / "FashionMNIST" / "raw")
    write_cifar10(own_folder / "data" / "cifar-10-batches-py", monkeypatch)
    return own_folder / "data"


# A Hydra app without torch, so that hundreds of trials take seconds.
APP = """
import logging, os, signal, subprocess, sys, threading, time
from pathlib import Path
import hydra
from lightning_sweeps import current_trial

@hydra.main(config_path="conf", config_name="config")
def objective(cfg):
    trial = current_trial()
    with open("pids", "a") as file:
        file.write(f"{os.getpid()}\\n")
    with open("gpus", "a") as file:
        file.write(f"{os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
    fault = None if trial.number is None else cfg.faults.get(trial.number)
    if fault == "raise": raise ValueError("a bad day")
    if fault == "notanumber": return float("nan")
    if fault == "text": return "good"
    if fault == "nothing": return None
    if fault == "exit": os._exit(3)
    if fault == "parent":
        Path("child").write_text(str(subprocess.Popen(["sleep", "600"]).pid))
        os._exit(3)
    if fault == "killed": os.kill(os.getpid(), signal.SIGKILL)
    if fault == "once" and not trial.restarted: os.kill(os.getpid(), signal.SIGKILL)
    if fault == "terminated": os.kill(os.getpid(), signal.SIGTERM)
    if fault == "stubborn": signal.signal(signal.SIGINT, signal.SIG_IGN)
    if fault in ("hang", "stubborn"):
        Path("hanging").touch()
        time.sleep(600)
    if cfg.talk: logging.getLogger(__name__).info("trial %s speaks", trial.number)
    if fault == "lingers": threading.Thread(target=time.sleep, args=(2,)).start()
    for step in range(1, cfg.steps + 1):
        trial.report(cfg.x ** 2 + 1 / step, step)
        if trial.should_prune(): return None
    time.sleep(cfg.sleep)
    return cfg.x ** 2 + cfg.y

if __name__ == "__main__":
    objective()
"""
CONFIG = """
defaults:
  - override hydra/sweeper: study
x: 1.0
y: 0
sleep: 0.0
steps: 0
faults: {}
talk: false
hydra:
  sweeper:
    report: false # a third of a second
"""


def write_app(folder: Path) -> Path:
    """``app.py`` with its config in the folder."""
    (folder / "conf").mkdir()
    (folder / "conf" / "config.yaml").write_text(CONFIG)
    (folder / "app.py").write_text(APP)
    return folder / "app.py"


@pytest.fixture
def app(own_folder: Path) -> Path:
    """``app.py`` in the test's folder."""
    return write_app(own_folder)


@pytest.fixture
def sweep(app: Path, python_without_torch: Command) -> Command:
    """Run ``python app.py -m ... hydra.sweep.dir=s`` to its end."""
    return lambda *overrides: python_without_torch(str(app), "-m", "hydra.sweep.dir=s", *overrides)
