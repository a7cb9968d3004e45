"""What pruners cost and save: ``python benchmarks/pruners.py [--seeds 30] [--epochs 540]``.

Searches go through the recorded curves of ``curves.npz`` (``make_curves.py`` says what they are): Optuna's TPE draws,
the nearest of a table's 1,000 configurations answers with the curve of one of its seeds, epoch by epoch, and a pruner
may end it. Two questions: how good is the best trial after the same number of epochs in all, and after the same number
of trials, and how many epochs did those take?

A trial's value is its best epoch, and the search's result is its best complete trial, as in ``search=``. The figure
is that configuration's regret: the mean of its three seeds' best epochs, on a scale on which the best configuration of
the table is 0 and the median one, and whatever is worse, is 1. Pruners are compared with none by Wilcoxon's signed-rank
test over pairs of the same table and seed, with Holm's correction.
"""

import argparse
import json
import math
import os
import platform
import statistics
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from make_curves import EPOCHS, FILE, OPTIMIZERS, SEEDS, TABLES, configurations
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from quality import holm
from scipy.stats import wilcoxon

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "width": IntDistribution(4, 128, log=True),
    "depth": IntDistribution(1, 3),
    "batch_size": IntDistribution(16, 256, log=True),
    "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
    "optimizer": CategoricalDistribution(OPTIMIZERS),
}
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": NopPruner,
    "median": MedianPruner,
    "asha 2": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    "asha 3": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "asha 4": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
    "asha 2 from 3": lambda: SuccessiveHalvingPruner(min_resource=3, reduction_factor=2),
    "asha 3 from 3": lambda: SuccessiveHalvingPruner(min_resource=3, reduction_factor=3),
    "asha 4 from 3": lambda: SuccessiveHalvingPruner(min_resource=3, reduction_factor=4),
    "hyperband 3": lambda: HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
}
BASELINE = "none"


def _place(name: str, value: Any) -> float:
    """Between 0 and 1, on the parameter's own scale."""
    one: Any = SPACE[name]
    if isinstance(one, CategoricalDistribution):
        return float(one.choices.index(value))
    scale = math.log if one.log else float
    return (scale(value) - scale(one.low)) / (scale(one.high) - scale(one.low))


@cache
def places() -> np.ndarray:
    """Of every configuration: (configurations, parameters)."""
    count = len(curves("digits"))
    return np.array([[_place(name, one[name]) for name in SPACE] for one in configurations(count)])


@cache
def curves(table: str) -> np.ndarray:
    """(configurations, seeds, epochs), the lower the better."""
    with np.load(FILE) as file:
        return file[table].astype(np.float64)


@cache
def regrets(table: str) -> np.ndarray:
    """Of every configuration; whatever is worse than the median one counts as that, or single losses would decide."""
    means = curves(table).min(2).mean(1)
    return np.minimum(1.0, (means - means.min()) / (np.median(means) - means.min()))


def search(table: str, pruner: str, seed: int, trials: float, epochs: float) -> tuple[float, int, int]:
    """The regret of the best complete trial, and how many epochs and trials there were, of which an end may be cut."""
    drawing = np.random.default_rng(seed)
    best, found, used, count = math.inf, 1.0, 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(seed=seed)
        study = optuna.create_study(study_name="s", sampler=sampler, pruner=PRUNERS[pruner]())
        while count < trials and used < epochs:
            trial = study.ask(SPACE)
            point = [_place(name, trial.params[name]) for name in SPACE]
            row = int(np.abs(places() - point).sum(1).argmin())
            curve = curves(table)[row, drawing.integers(SEEDS)]
            count += 1
            pruned = False
            for epoch in range(EPOCHS):
                if used == epochs:
                    break
                used += 1
                trial.report(curve[epoch], epoch + 1)
                if epoch + 1 < EPOCHS and (pruned := trial.should_prune()):
                    break
            else:
                epoch = EPOCHS
            value = float(curve.min())
            if pruned:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            elif epoch == EPOCHS:
                study.tell(trial, value)
                if value < best:
                    best, found = value, float(regrets(table)[row])
    return found, used, count


Key = tuple[str, str, int, str]  # table, pruner, seed, what is equal


def measure(asked: tuple[Key, int]) -> tuple[Key, tuple[float, int, int]]:
    """One search with so many epochs or trials."""
    (table, pruner, seed, equal), amount = asked
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits = {"trials": (amount, math.inf), "epochs": (math.inf, amount)}[equal]
    return (table, pruner, seed, equal), search(table, pruner, seed, *limits)


def show(found: Mapping[Key, Sequence[float]], equal: str, amount: int) -> None:
    """A table of the pruners."""
    by_pruner: dict[str, dict[tuple[str, int], Sequence[float]]] = defaultdict(dict)
    for (table, pruner, seed, what), one in found.items():
        if what == equal:
            by_pruner[pruner][table, seed] = one
    pairs = sorted(set.intersection(*(set(one) for one in by_pruner.values())))
    columns = {name: np.array([one[pair][0] for pair in pairs]) for name, one in by_pruner.items()}
    base = columns[BASELINE]
    p = holm({name: wilcoxon(one, base).pvalue for name, one in columns.items() if name != BASELINE})
    print(f"\n{amount} {equal}; n = {len(pairs)} pairs of table and seed\n")
    heads = ["pruner", "regret", *TABLES, f"better than {BASELINE}", f"worse than {BASELINE}", "p (Holm)"]
    heads += ["epochs", "trials"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    tables = np.array([table for table, _ in pairs])
    for name, one in sorted(columns.items(), key=lambda item: item[1].mean()):
        cells = [name, f"{one.mean():.3f}", *(f"{one[tables == table].mean():.3f}" for table in TABLES)]
        other = name != BASELINE
        cells += [f"{(one < base).mean():.0%}" * other, f"{(one > base).mean():.0%}" * other]
        cells += [f"{p[name]:.2g}" if other else ""]
        cells += [f"{statistics.fmean(by_pruner[name][pair][place] for pair in pairs):.0f}" for place in (1, 2)]
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=20 * EPOCHS)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--file", type=Path, help="where the figures are kept too")
    given = parser.parse_args()
    amounts = {"epochs": given.epochs, "trials": given.trials}
    wanted = [
        ((table, pruner, seed, equal), amount)
        for equal, amount in amounts.items()
        for seed in range(given.seeds)
        for table in TABLES
        for pruner in PRUNERS
    ]
    with get_context("fork").Pool(given.processes) as pool:
        found = dict(pool.imap_unordered(measure, wanted))
    if given.file is not None:
        given.file.write_text(json.dumps([[*key, *one] for key, one in found.items()]))
    packages = ", ".join(f"{name} {version(name)}" for name in ("optuna", "numpy", "scipy"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}")
    for equal, amount in amounts.items():
        show(found, equal, amount)


if __name__ == "__main__":
    main()
