"""Speed of one run, as ratios within one sitting: ``python benchmarks/run.py [--rounds 3] [--only dense]``.

What is compared takes turns, so that a slow minute of the machine hits both; the figures are medians.
"""

import argparse
import json
import os
import platform
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("torch", "lightning", "torchvision", "hydra-core", "optuna")
NETS = {
    "dense": ["model=mlp", "model.net.width=[64,128,64]"],
    "cnn": ["model=cnn", "model.net.width=8", "model.net.dropout=0"],
}
EPOCHS = {"dense": 8, "cnn": 3}
IMPORTS = "import lightning, torchvision, os; os._exit(0)"
# Leaves at the end of the first training step.
LEAVING = """
import os
from lightning.pytorch import Callback
class Leave(Callback):
    def on_train_batch_end(self, *_): os._exit(0)
"""


def on_terminal(command: list[str], folder: Path, **environment: str) -> float:
    """Run a command with a terminal for its output, as the user does; its seconds."""
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, {**os.environ, **environment})
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown = (shown + chunk)[-2000:]
    except OSError:
        pass  # the terminal closes with the process
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    if status:
        sys.exit(f"failed: {' '.join(command)}\n{shown.decode(errors='replace')}")
    return time.perf_counter() - started


def run_ours(folder: Path, net: str, *overrides: str) -> None:
    """``python -m lightning_sweeps`` with everything on: metrics, logger, checkpoints, pictures, progress bar."""
    command = [sys.executable, "-m", "lightning_sweeps", "datamodule=mnist", "optimizer=adam", "test=false"]
    on_terminal(
        [*command, *NETS[net], f"trainer.max_epochs={EPOCHS[net]}", *overrides],
        folder,
        LIGHTNING_SWEEPS_TRUST="plain",
        PYTHONPATH=str(HERE),
    )


def throughput(net: str, rounds: int, folder: Path, *overrides: str) -> float:
    """Epochs of a run against epochs by hand in the same process; images per second of ours."""
    file = folder / "seconds.json"
    ours, plain = [], []
    for _ in range(rounds):
        callback = f"+callbacks.plain={{_target_: plain.PlainEpochs, net: {net}, file: {file}}}"
        run_ours(folder, net, callback, *overrides)
        measured = json.loads(file.read_text())
        ours += measured["ours"][1:]
        plain += measured["plain"][1:]
    ratios = [a / b for a, b in zip(plain, ours, strict=True)]
    quarter = statistics.quantiles(ratios, n=4)
    name = " ".join([net, *overrides])
    print(
        f"| {name} | {55_000 / statistics.median(plain):,.0f} | {55_000 / statistics.median(ours):,.0f} "
        f"| {statistics.median(ratios):.2f} ({quarter[0]:.2f} to {quarter[2]:.2f}) | {len(ratios)} |",
        flush=True,
    )
    return 55_000 / statistics.median(ours)


def memory(net: str, folder: Path) -> None:
    """Peak memory of a whole run and of the loop alone."""
    file = folder / "peak"
    run_ours(folder, net, f"+callbacks.peak={{_target_: plain.PeakMemory, file: {file}}}")
    ours = float(file.read_text())
    command = [sys.executable, str(HERE / "plain.py"), "data", "2", net]
    plain = float(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)
    print(f"\npeak memory, {net}: by hand {plain:,.0f} MiB, lightning_sweeps {ours:,.0f} MiB, ratio {ours / plain:.2f}")


def tutorial(folder: Path, rounds: int, ours: float) -> None:
    """The same net as a tutorial trains it."""
    seconds = []
    for _ in range(rounds):
        command = [sys.executable, str(HERE / "tutorial.py"), "data", "2"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        seconds.append(json.loads(done.stdout.splitlines()[-1])[-1])
    theirs = 55_000 / statistics.median(seconds)
    print(f"\nDataLoader and ToTensor per image: {theirs:,.0f} images/s; ours is {ours / theirs:.1f} times that")


def startup(rounds: int, folder: Path) -> None:
    """From the command to the end of the first training step, against importing the libraries alone."""
    (folder / "leaving.py").write_text(LEAVING)
    commands = {
        "import lightning, torchvision": [sys.executable, "-c", IMPORTS],
        "lightning_sweeps to the end of the first training step": [
            *(sys.executable, "-m", "lightning_sweeps"),
            "+callbacks.leave._target_=leaving.Leave",
        ],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            taken = on_terminal(command, folder, LIGHTNING_SWEEPS_TRUST="leaving", PYTHONPATH=str(folder))
            seconds[name].append(taken)
    base, run = ([*values[1:]] for values in seconds.values())  # the first round fills the caches
    ratios = [b / a for a, b in zip(base, run, strict=True)]
    print(f"\n| start, median of {rounds} | seconds |\n|---|---|")
    for name, values in zip(commands, (base, run), strict=True):
        print(f"| {name} | {statistics.median(values):.2f} |")
    print(f"\nratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def machine() -> str:
    """Hardware and versions, for the table's heading."""
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    question = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU')"
    gpu = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=True).stdout.strip()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cpu = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores of {cpu}, {gpu}; Python {platform.python_version()}, {packages}"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["startup", "dense", "cnn", "bf16"])
    arguments = parser.parse_args()
    wanted = {arguments.only} if arguments.only else {"startup", "dense", "cnn"}
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: the arrays must not count as this one's memory.
        write = "from mnist_files import *; write_mnist(Path('data'))"
        subprocess.run(
            [sys.executable, "-c", write], cwd=folder, env={**os.environ, "PYTHONPATH": str(HERE)}, check=True
        )
        if "startup" in wanted:
            startup(arguments.rounds + 2, folder)
        print("\n| batch 128, 55,000 images | by hand, images/s | ours, images/s | ratio (quartiles) | epochs |")
        print("|---|---|---|---|---|")
        if "bf16" in wanted:
            throughput("cnn", arguments.rounds, folder, "trainer.precision=bf16-mixed")
        if "cnn" in wanted:
            throughput("cnn", arguments.rounds, folder)
        if "dense" in wanted:
            ours = throughput("dense", arguments.rounds, folder)
            tutorial(folder, arguments.rounds, ours)
            memory("dense", folder)


if __name__ == "__main__":
    main()
