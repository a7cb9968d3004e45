"""Speed of one run, as ratios within one sitting: ``python benchmarks/run.py [--rounds 3]``.

The rows of a table are measured in turn, round by round, so that a slow minute of the machine hits all of them; the
figures are medians over the rounds.
"""

import argparse
import json
import os
import platform
import pty
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
NETS = {
    "dense": ["model=mlp", "model.net.width=[64,128,64]"],
    "cnn": ["model=cnn", "model.net.width=16", "model.net.dropout=0"],
}
EPOCHS = {"dense": 4, "cnn": 2}
IMPORTS = "import lightning, torchvision, os; os._exit(0)"
# Leaves at the end of the first training step; trusted by name, as a person's own callback would be.
FIRST_STEP = """
import os
from lightning.pytorch import Callback
class Leave(Callback):
    def on_train_batch_end(self, *_): os._exit(0)
"""


def on_terminal(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Run a command with a terminal for its output, as a person does; its seconds and peak memory in MiB."""
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, {**os.environ, **(environment or {})})
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass  # the terminal closes with the process
    _, status, usage = os.wait4(pid, 0)
    os.close(terminal)
    if status:
        sys.exit(f"failed: {' '.join(command)} (in {folder})")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def ours(folder: Path, data: Path, net: str, *overrides: str) -> dict:
    """``python -m lightning_sweeps`` with everything on: metrics, logger, checkpoints, pictures, progress bar."""
    run_dir = Path(tempfile.mkdtemp(dir=folder)) / "run"
    command = [sys.executable, "-m", "lightning_sweeps", "datamodule=mnist", f"datamodule.data_dir={data}", *NETS[net]]
    command += [
        "optimizer=adam",
        "test=false",
        f"trainer.max_epochs={EPOCHS[net]}",
        f"hydra.run.dir={run_dir}",
        *overrides,
    ]
    _, peak = on_terminal(command, folder)
    header, *rows = [line.split(",") for line in (run_dir / "metrics.csv").read_text().splitlines()]
    ends = [0.0, *(float(row[header.index("seconds")]) for row in rows)]
    return {"seconds": [later - earlier for earlier, later in zip(ends, ends[1:], strict=False)], "peak_mib": peak}


def other(name: str, folder: Path, data: Path, net: str) -> dict:
    """A loop of ``loops.py``."""
    command = [sys.executable, str(HERE / "loops.py"), name, str(data), str(EPOCHS[net]), net]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def throughput(net: str, names: list[str], rounds: int, folder: Path, data: Path) -> None:
    """Images per second of the epochs after the first, and peak memory."""
    epochs: dict[str, list[float]] = {name: [] for name in names}
    peaks: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            measured = ours(folder, data, net) if name == "lightning_sweeps" else other(name, folder, data, net)
            epochs[name] += measured["seconds"][1:]
            peaks[name].append(measured["peak_mib"])
    seconds = {name: statistics.median(values) for name, values in epochs.items()}
    memory = {name: statistics.median(values) for name, values in peaks.items()}
    print(f"\n{net} net, batch 128, 55,000 images, median of {len(epochs[names[0]])} epochs in {rounds} processes\n")
    print("| how | images/s | of the plain loop | peak memory | of the plain loop |")
    print("|---|---|---|---|---|")
    for name in names:
        print(
            f"| {name} | {55_000 / seconds[name]:,.0f} | {seconds['plain'] / seconds[name]:.2f} "
            f"| {memory[name]:,.0f} MiB | {memory[name] / memory['plain']:.2f} |"
        )


def startup(rounds: int, folder: Path) -> None:
    """From the command to the end of the first training step, against importing the libraries alone."""
    (folder / "leaving.py").write_text(FIRST_STEP)
    environment = {"LIGHTNING_SWEEPS_TRUST": "leaving", "PYTHONPATH": str(folder)}
    commands = {
        "import lightning, torchvision": [sys.executable, "-c", IMPORTS],
        "lightning_sweeps, first step": [
            sys.executable,
            "-m",
            "lightning_sweeps",
            "+callbacks.leave._target_=leaving.Leave",
        ],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            seconds[name].append(on_terminal(command, folder, environment)[0])
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}  # the first fills the caches
    base = medians["import lightning, torchvision"]
    print(f"\nstart, median of {rounds}\n\n| what | seconds | ratio |\n|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value:.2f} | {value / base:.2f} |")


def machine() -> str:
    """Hardware and versions, for the table's heading."""
    import torch

    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").open() if line.startswith("model name")), ""
    )
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    packages = " ".join(f"{name} {version(name)}" for name in ("torch", "lightning", "torchvision", "hydra-core"))
    return (
        f"{os.cpu_count()} cores of {model or platform.machine()}{gpu}; Python {platform.python_version()}, {packages}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["dense", "cnn", "startup"])
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE))
    from mnist_files import write_mnist

    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_mnist(folder / "data")
        if arguments.only in (None, "startup"):
            startup(arguments.rounds + 2, folder)
        if arguments.only in (None, "dense"):
            throughput("dense", ["plain", "lightning_sweeps", "tutorial"], arguments.rounds, folder, folder / "data")
        if arguments.only in (None, "cnn"):
            throughput("cnn", ["plain", "lightning_sweeps"], arguments.rounds, folder, folder / "data")


if __name__ == "__main__":
    main()
