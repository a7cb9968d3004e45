"""Speed of a search: ``python benchmarks/search.py [--rounds 3] [--only PART] [--mnist DATA]``; parts as below.

What is compared takes turns, so that a slow minute of the machine hits all; the figures are medians. ``DATA`` has the
real MNIST in ``MNIST/raw``, as torchvision leaves it; without it ASHA is tried on made-up images of noise.
"""

import argparse
import csv
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

from own_work import PROGRAM
from run import machine

from lightning_sweeps.searches.execute.gpus import visible_gpus

HERE = Path(__file__).parent
APP = """
import json, time
from pathlib import Path
import hydra
from lightning_sweeps import current_trial

@hydra.main(config_path=None)
def objective(cfg):
    started = time.time()
    time.sleep(cfg.long if current_trial().number % 4 == 3 else cfg.short)
    with open("worked", "a") as file:
        file.write(json.dumps([current_trial().number, started, time.time()]) + "\\n")
    return cfg.x ** 2

if __name__ == "__main__":
    objective()
"""
SIX_TRIALS = [
    *("model=mlp", "model.net.batch_norm=true", "datamodule=mnist", "datamodule.batch_size=128", "optimizer=adam"),
    *("trainer.max_epochs=2", "test=false"),
]
WIDTHS, RATES = "[32,128,64],[64,128,64],[128,128,64]", "0.001,0.01"
STOCK = [
    *("hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=6"),
    *(f"model.net.width=choice({WIDTHS})", f"optimizer.lr=choice({RATES})"),
]
ONE_BATCH = ["model=mlp", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "test=false"]


def timed(command: Sequence[object], folder: Path, **environment: str) -> float:
    """Run a command to its end; seconds."""
    started = time.perf_counter()
    variables = {**os.environ, "PYTHONPATH": str(HERE), **environment}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"failed: {command}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def sweeps(*overrides: object) -> list[object]:
    """The package's command under ``-m``."""
    return [sys.executable, "-m", "lightning_sweeps", "-m", *overrides]


def table(rounds: int, folder: Path) -> None:
    """Six trials of two epochs, the whole command, against the same work done in other ways."""
    other = [sys.executable, HERE / "six_trials.py"]
    two = "trials_per_device=2" if visible_gpus() else "n_jobs=2"
    rows = {
        "plain PyTorch loops, data in memory (the limit)": [*other, "plain", "data"],
        "lightning_sweeps, one slot": sweeps(*SIX_TRIALS, f"model.net.width={WIDTHS}", f"optimizer.lr={RATES}"),
        "lightning_sweeps, two slots": sweeps(
            *SIX_TRIALS, f"model.net.width={WIDTHS}", f"optimizer.lr={RATES}", f"hydra.sweeper.{two}"
        ),
        "stock hydra-optuna-sweeper, basic launcher, the same app": sweeps(*SIX_TRIALS, *STOCK),
        "Optuna study.optimize, Lightning, data in memory": [*other, "optuna", "data"],
    }
    if importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher"):
        rows["stock hydra-optuna-sweeper, joblib launcher x2, the same app"] = sweeps(
            *SIX_TRIALS, *STOCK, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_jobs=2"
        )
    if importlib.util.find_spec("ray"):
        rows["Ray Tune, Lightning, data in memory, 1 CPU a trial"] = [*other, "ray", "data"]
    rows["Optuna study.optimize, Lightning, DataLoader and ToTensor per image"] = [*other, "tutorial", "data"]
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for turn in range(rounds):
        for name, command in rows.items():
            if "ToTensor" in name and turn:
                continue  # minutes; one is enough
            (folder / "study.journal").unlink(missing_ok=True)
            seconds[name].append(timed(command, folder))
    limit = seconds[next(iter(rows))]
    print("\n| six trials of two epochs | seconds | times the loops (range) | n |\n|---|---|---|---|")
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, limit, strict=False)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {name} | {statistics.median(values):.1f} | {spread} | {len(values)} |", flush=True)


def app(folder: Path) -> Path:
    """A Hydra app without torch, which only waits."""
    file = folder / "app.py"
    file.write_text(APP)
    return file


def told(folder: Path) -> list[tuple[float, float]]:
    """When each trial of a search was asked for, and when it was told, in the order of numbers."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    trials = optuna.load_study(study_name=None, storage=storage).trials
    return [(trial.datetime_start.timestamp(), trial.datetime_complete.timestamp()) for trial in trials]


def trials(folder: Path, count: int = 1_000) -> None:
    """Trials that do nothing: seconds a trial, at the beginning and at the end of a long study, and the memory."""
    print(f"\n| {count} trials that do nothing, one slot | ms a trial, 50th to 150th | ms, last 100 | MiB then | MiB |")
    print("|---|---|---|---|---|")
    for sampler in ("random", "tpe"):
        name = folder / f"trials_{sampler}"
        options = ["hydra/sweeper=study", f"hydra/sweeper/sampler={sampler}", "hydra.sweeper.sampler.seed=0"]
        search = [*options, "+x=interval(-5.0,5.0)", "+short=0", "+long=0", f"hydra.sweeper.n_trials={count}"]
        with Memory() as memory:
            timed([sys.executable, app(folder), "-m", *search, f"hydra.sweep.dir={name}"], folder)
        ends = [end for _, end in told(name)]
        gaps = [1000 * (b - a) for a, b in pairwise(ends)]
        early, late = statistics.median(gaps[50:150]), statistics.median(gaps[-100:])
        print(f"| {sampler} | {early:.0f} | {late:.0f} | {memory.at(ends[100]):.0f} | {memory.at(ends[-1]):.0f} |")


class Memory:
    """Watches the resident memory of this process's only child, the supervisor, while inside."""

    def __enter__(self) -> Self:
        self.seen: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def at(self, moment: float) -> float:
        """MiB at this time."""
        return next((size for when, size in reversed(self.seen) if when <= moment), self.seen[0][1])

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            try:
                (child, *_) = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split() or [""]
                lines = Path(f"/proc/{child}/status").read_text().splitlines()
            except OSError:
                continue
            size = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0)
            self.seen.append((time.time(), size))


def runs(folder: Path, count: int = 50) -> None:
    """Lightning runs of one batch: from the free slot to the first step and from the last step to told."""
    stamp = "+callbacks.stamps={_target_: stamps.Stamps, file: '${hydra:runtime.output_dir}/stamps'}"
    seeds = f"seed=range({count})"
    where = folder / "runs"
    with Memory() as memory:
        timed(sweeps(*ONE_BATCH, stamp, seeds, f"hydra.sweep.dir={where}"), folder, LIGHTNING_SWEEPS_TRUST="stamps")
    moments = told(where)
    spent = []
    for number in range(1, count):
        first, last = map(float, (where / str(number) / "stamps").read_text().split())
        free, end = moments[number - 1][1], moments[number][1]
        spent.append(1000 * ((first - free) + (end - last)))
    lines = subprocess.run(
        [sys.executable, HERE / "one_after_another.py", "12", *ONE_BATCH, stamp],
        cwd=folder,
        env={**os.environ, "LIGHTNING_SWEEPS_TRUST": "stamps"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    own = [1000 * seconds for seconds in json.loads(lines[-1])]
    median, base = statistics.median(spent), statistics.median(own)
    print(f"\n| {count} runs of one batch, one slot | ms, median |\n|---|---|")
    print(f"| slot free to first step, and last step to told | {median:.0f} |")
    print(f"| the run's own part of it, in a process that has done it before | {base:.0f} |")
    print(f"| overhead of a trial | {median - base:.0f} |")
    early, late = memory.at(moments[9][1]), memory.at(moments[-1][1])
    print(f"\nsupervisor's memory after 10 trials {early:.0f} MiB, after {count} trials {late:.0f} MiB", flush=True)


def programs(rounds: int, folder: Path, count: int = 12) -> None:
    """Lightning runs of two steps in a user's own program, which imports lightning at its top, one slot."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    print("\n| a trial of a user's own Lightning program, from told to told | ms, median | n |\n|---|---|---|")
    gaps = []
    for number in range(rounds):
        where = folder / f"programs{number}"
        options = ["hydra/sweeper=study", "hydra.sweeper.n_jobs=1", f"+x=range({count})", f"hydra.sweep.dir={where}"]
        timed([sys.executable, program, "-m", *options], folder)
        gaps += [1000 * (b - a) for (_, a), (_, b) in pairwise(told(where))]
    print(f"| | {statistics.median(gaps):.0f} | {len(gaps)} |", flush=True)


def slots(folder: Path, count: int = 40) -> None:
    """Four slots and trials of 1, 1, 1 and 5 seconds: how much of the slots' time is work, while there are trials."""
    search = ["hydra/sweeper=study", "hydra/sweeper/sampler=random", "+x=interval(-5.0,5.0)", "+short=1", "+long=5"]
    options = ["hydra.sweeper.n_jobs=4", f"hydra.sweeper.n_trials={count}", f"hydra.sweep.dir={folder / 'slots'}"]
    timed([sys.executable, app(folder), "-m", *search, *options], folder)
    worked = [json.loads(line)[1:] for line in (folder / "worked").read_text().splitlines()]
    begin = min(start for start, _ in worked)
    end = max(start for start, _ in told(folder / "slots"))  # from here on there is nothing left to start
    busy = sum(max(0.0, min(b, end) - max(a, begin)) for a, b in worked)
    print(f"\nfour slots, {count} trials of 1/1/1/5 s: busy {100 * busy / (4 * (end - begin)):.1f} % of the time")


def asha(rounds: int, folder: Path, data: Path) -> None:
    """The search of ``conf/search/mnist_mlp``, 30 trials of up to 9 epochs, with and without ASHA."""
    print("\n| 30 trials of up to 9 epochs | best without | best with ASHA | trial-epochs, of those without | n |")
    print("|---|---|---|---|---|")
    gains, shares, bests = [], [], []
    for seed in range(rounds):
        found = {}
        for pruner in ("none", "asha"):
            where = folder / f"{pruner}{seed}"
            options = ["hydra.sweeper.n_trials=30", f"hydra.sweeper.sampler.seed={seed}", "hydra.sweeper.n_jobs=2"]
            settings = ["trainer.max_epochs=9", f"datamodule.data_dir={data}", f"hydra/sweeper/pruner={pruner}"]
            timed(sweeps("search=mnist_mlp", *settings, *options, f"hydra.sweep.dir={where}"), folder)
            with (where / "trials.csv").open() as file:
                rows = list(csv.DictReader(file))
            best = max(float(row["value"]) for row in rows if row["state"] == "COMPLETE")
            found[pruner] = best, sum(int(row["epochs"]) for row in rows)
        gains.append(found["asha"][0] - found["none"][0])
        shares.append(found["asha"][1] / found["none"][1])
        bests.append([found[pruner][0] for pruner in ("none", "asha")])
    for (none, best), share in zip(bests, shares, strict=True):
        print(f"| | {100 * none:.2f} % | {100 * best:.2f} % | {100 * share:.0f} % | 1 |")
    print(
        f"| median | | {100 * statistics.median(gains):+.2f} points "
        f"| {100 * statistics.median(shares):.0f} % | {rounds} |"
    )


def report(rounds: int, folder: Path, count: int = 1_000) -> None:
    """The report of a long study: the whole command, its size, and how long a browser takes to open it."""
    import optuna

    sys.path.insert(0, str(HERE.parent / "tests"))  # how the tests start a browser
    from browser import chromium

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("optimizer.lr", 1e-4, 1e-1, log=True)
        width = trial.suggest_int("model.net.width", 16, 256)
        drop = trial.suggest_float("model.net.dropout", 0.0, 0.5) * (trial.suggest_categorical("model", "cm") == "c")
        for step in range(10):
            trial.report(rate * step + width / 1000, step)
            if trial.number % 20 == step:
                raise optuna.TrialPruned
        return rate * 9 + width / 1000 - drop

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = f"sqlite:///{folder / 'long.db'}"
    made = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    made.optimize(objective, count)
    optuna.create_study(storage=url, study_name="long", direction="maximize").add_trials(made.trials)
    command, opened = [sys.executable, "-m", "lightning_sweeps.report", url], []
    written = [timed(command, folder) for _ in range(rounds)]
    file = folder / "report-long.html"
    for _ in range(rounds):
        with chromium() as window:
            window.get(file.as_uri())
            opened.append(
                window.execute_script("return performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
            )
    print(f"\n| report of {count} trials | median | range | n |\n|---|---|---|---|")
    for name, seconds in (("written, the whole command", written), ("opened in headless Chromium", opened)):
        print(f"| {name} | {statistics.median(seconds):.1f} s | {min(seconds):.1f} to {max(seconds):.1f} | {rounds} |")
    print(f"| size | {file.stat().st_size / 1e6:.1f} MB | | 1 |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["table", "trials", "runs", "programs", "slots", "asha", "report"])
    parser.add_argument("--mnist", type=Path)
    arguments = parser.parse_args()

    def wanted(name: str) -> bool:
        return arguments.only in (None, name)

    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write = "from mnist_files import *; write_mnist(Path('data')); write_mnist(Path('hard'), signal=0.13)"
        timed([sys.executable, "-c", write], folder)
        if wanted("table"):
            table(arguments.rounds, folder)
        if wanted("runs"):
            runs(folder)
        if wanted("programs"):
            programs(arguments.rounds, folder)
        if wanted("trials"):
            trials(folder)
        if wanted("slots"):
            slots(folder)
        if wanted("report"):
            report(arguments.rounds, folder)
        if wanted("asha"):
            asha(arguments.rounds, folder, arguments.mnist.resolve() if arguments.mnist else Path("hard"))


if __name__ == "__main__":
    main()
