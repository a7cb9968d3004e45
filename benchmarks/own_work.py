"""A user's own Lightning program under ``-m``: ``python benchmarks/own_work.py [--rounds 5] [--start-method fork]``.

It imports lightning at its top and trains two steps of ``BoringModel``. The whole command, with one trial and with
eight, is compared with a plain run of the program and with the stock sweeper, whose trials run one after another in the
program itself. What is compared takes turns; ratios are those of the same round.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

from run import machine

PROGRAM = """
import hydra
import lightning.pytorch as pl
from lightning.pytorch.demos.boring_classes import BoringModel

@hydra.main(config_path=None)
def train(cfg):
    trainer = pl.Trainer(max_epochs=1, limit_train_batches=2, limit_val_batches=0, accelerator="cpu")
    trainer.fit(BoringModel())
    return cfg.x

if __name__ == "__main__":
    train()
"""
VALUES = [f"{number}.0" for number in range(8)]
FOLDERS = ["hydra.sweep.dir=out", "hydra.run.dir=out"]


def commands(start_method: str) -> dict[str, list[str]]:
    """What is compared, by name; the plain run comes first."""
    ours = ["-m", "hydra/sweeper=study", f"hydra.sweeper.start_method={start_method}"]
    stock = ["-m", "hydra/sweeper=optuna", "hydra/sweeper/sampler=grid"]
    return {
        "plain run": [f"+x={VALUES[0]}"],
        "1 trial, lightning_sweeps": [*ours, f"+x={VALUES[0]}"],
        "1 trial, stock sweeper, basic launcher": [*stock, "hydra.sweeper.n_trials=1", f"+x=choice({VALUES[0]})"],
        "8 trials, lightning_sweeps": [*ours, f"+x={','.join(VALUES)}"],
        "8 trials, stock sweeper, basic launcher": [
            *stock,
            "hydra.sweeper.n_trials=8",
            f"+x=choice({','.join(VALUES)})",
        ],
    }


def measure(arguments: list[str], folder: Path) -> tuple[float, float, float, float]:
    """Seconds of wall and CPU of the whole command, and MiB of what it started: memory of its own, and as listed."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "program.py", *arguments, *FOLDERS]
    with (
        subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child,
        Memory(child.pid) as memory,
    ):
        output, _ = child.communicate()
    if child.returncode:
        sys.exit(f"failed: {command}\n{output.decode()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu, memory.proportional, memory.resident


class Memory:
    """Watches what the processes below one take together, at most, while inside.

    Attributes:
        proportional: MiB, a page that several share counted in parts (PSS).
        resident: MiB, counted whole for each (RSS).
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.proportional = self.resident = 0.0

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            sizes = [_sizes(pid) for pid in _below(self._pid)]
            proportional, resident = (sum(column) for column in zip(*sizes, strict=True)) if sizes else (0.0, 0.0)
            if proportional > self.proportional:
                self.proportional, self.resident = proportional, resident


def _below(pid: int) -> list[int]:
    try:
        children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*children, *(below for child in children for below in _below(child))]


def _sizes(pid: int) -> tuple[float, float]:
    try:
        lines = dict(line.split()[:2] for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    except OSError:
        return 0.0, 0.0
    return int(lines["Pss:"]) / 1024, int(lines["Rss:"]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--start-method", default="auto")
    arguments = parser.parse_args()
    rows = commands(arguments.start_method)
    found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in rows}
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.py").write_text(PROGRAM)
        measure(rows["1 trial, lightning_sweeps"], folder)  # the first one writes bytecode
        for _ in range(arguments.rounds):
            for row, command in rows.items():
                found[row].append(measure(command, folder))
    plain = [cpu for _, cpu, _, _ in found["plain run"]]
    print("| whole command | wall, s | CPU, s | times the plain run's CPU (range) | below it: PSS (RSS), MiB | n |")
    print("|---|---|---|---|---|---|")
    for row, values in found.items():
        wall, cpu, proportional, resident = (statistics.median(column) for column in zip(*values, strict=True))
        ratios = [value[1] / base for value, base in zip(values, plain, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        memory = f"{proportional:.0f} ({resident:.0f})" if proportional else ""
        print(f"| {row} | {wall:.1f} | {cpu:.1f} | {spread} | {memory} | {len(values)} |", flush=True)


if __name__ == "__main__":
    main()
