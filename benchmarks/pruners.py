"""What pruners cost and save: ``python benchmarks/pruners.py [--seeds 30] [--epochs 540]``.

Searches go through recorded curves: Optuna's TPE draws, the nearest configuration of a table answers with the curve of
one of its seeds, epoch by epoch, and a pruner may end it. A trial's value is its best epoch, and the search's result is
its best complete trial, as in ``search=``. Pruners are compared with none by Wilcoxon's signed-rank test over pairs of
the same table and seed, with Holm's correction.

On the four small tables of ``curves.npz`` (``make_curves.py`` says what they are) there are two questions: how good is
the best trial after the same number of epochs in all, and after the same number of trials, and how many epochs did
those take? The figure is that configuration's regret: the mean of its three seeds' best epochs, on a scale on which the
best configuration of the table is 0 and the median one, and whatever is worse, is 1.

On MNIST (``make_mnist_curves.py``) it is how many points of accuracy the best of 30 trials loses: by its own value, and
by the mean of its configuration's seeds, which owes nothing to luck.
"""

import argparse
import itertools
import json
import math
import os
import platform
import statistics
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import make_curves
import make_mnist_curves as mnist
import numpy as np
import optuna
from make_curves import EPOCHS, OPTIMIZERS, TABLES
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
MNIST_SPACE: dict[str, BaseDistribution] = {
    "width": CategoricalDistribution(mnist.WIDTHS),
    "batch_size": CategoricalDistribution(mnist.BATCH_SIZES),
    "lr": FloatDistribution(mnist.LOWEST, mnist.HIGHEST, log=True),
}
MNIST = "mnist"
MNIST_TRIALS = 30


def asha(factor: int, first: int = 1) -> Callable[[int], BasePruner]:
    """By the number of epochs of a trial, as the others are."""
    return lambda _: SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)


PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "none": lambda _: NopPruner(),
    "median": lambda _: MedianPruner(),
    **{f"asha {factor}": asha(factor) for factor in (2, 3, 4)},
    **{f"asha {factor} from {first}": asha(factor, first) for first in (2, 3) for factor in (2, 3, 4)},
    "hyperband 3": lambda epochs: HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3),
}
BASELINE = "none"


@dataclass(frozen=True)
class Table:
    """Recorded curves.

    Args:
        space: what a configuration is drawn from.
        rows: the configurations.
        curves: (configurations, seeds, epochs), the lower the better.
    """

    space: Mapping[str, BaseDistribution]
    rows: Sequence[Mapping[str, Any]]
    curves: np.ndarray

    @cached_property
    def means(self) -> np.ndarray:
        """Of every configuration: the mean of its seeds' best epochs."""
        means: np.ndarray = self.curves.min(2).mean(1)
        return means

    @cached_property
    def regrets(self) -> np.ndarray:
        """Of every configuration; what is worse than the median one counts as that, or single losses would decide."""
        means = self.means
        return np.minimum(1.0, (means - means.min()) / (np.median(means) - means.min()))

    def nearest(self, params: Mapping[str, Any]) -> int:
        """The row that is nearest to what was drawn."""
        return int(np.abs(self._places - self._place(params)).sum(1).argmin())

    @cached_property
    def _places(self) -> np.ndarray:
        return np.array([self._place(one) for one in self.rows])

    def _place(self, params: Mapping[str, Any]) -> list[float]:
        """Of each parameter: between 0 and 1, on its own scale, or the number of its choice."""
        found = []
        for name, one in self.space.items():
            if isinstance(one, CategoricalDistribution):
                found.append(float(one.choices.index(params[name])))
            elif isinstance(one, FloatDistribution | IntDistribution):
                scale = math.log if one.log else float
                found.append((scale(params[name]) - scale(one.low)) / (scale(one.high) - scale(one.low)))
        return found


@cache
def table(name: str) -> Table:
    """A table by its name."""
    if name == MNIST:
        kinds = itertools.product(mnist.WIDTHS, mnist.BATCH_SIZES, mnist.RATES)
        with np.load(mnist.FILE) as file:
            wrong = 1 - file["right"] / mnist.VALIDATION
        return Table(MNIST_SPACE, [dict(zip(MNIST_SPACE, kind, strict=True)) for kind in kinds], wrong)
    with np.load(make_curves.FILE) as file:
        curves = file[name].astype(np.float64)
    return Table(SPACE, make_curves.configurations(len(curves)), curves)


class Found(NamedTuple):
    """What a search has found.

    Args:
        value: of its best complete trial; infinite without one.
        regret: of that trial's configuration.
        mean: of that configuration's seeds.
        epochs: of all trials.
        trials: how many there were, of which the last one may have been cut.
    """

    value: float
    regret: float
    mean: float
    epochs: int
    trials: int


def search(data: Table, pruner: str, seed: int, trials: float, epochs: float) -> Found:
    """Search a table for so many trials or epochs."""
    drawing = np.random.default_rng(seed)
    _, seeds, longest = data.curves.shape
    best, found, used, count = math.inf, None, 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(seed=seed)
        study = optuna.create_study(study_name="s", sampler=sampler, pruner=PRUNERS[pruner](longest))
        while count < trials and used < epochs:
            trial = study.ask(dict(data.space))
            row = data.nearest(trial.params)
            curve = data.curves[row, drawing.integers(seeds)]
            count += 1
            pruned = False
            for epoch in range(longest):
                if used == epochs:
                    break
                used += 1
                trial.report(curve[epoch], epoch + 1)
                if epoch + 1 < longest and (pruned := trial.should_prune()):
                    break
            else:
                epoch = longest
            value = float(curve.min())
            if pruned:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            elif epoch == longest:
                study.tell(trial, value)
                if value < best:
                    best, found = value, row
    if found is None:
        return Found(best, 1.0, math.inf, used, count)
    return Found(best, float(data.regrets[found]), float(data.means[found]), used, count)


Key = tuple[str, str, int, str]  # table, pruner, seed, what is equal


def measure(asked: tuple[Key, int]) -> tuple[Key, Found]:
    """One search with so many epochs or trials."""
    (name, pruner, seed, equal), amount = asked
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits = {"trials": (amount, math.inf), "epochs": (math.inf, amount)}[equal]
    return (name, pruner, seed, equal), search(table(name), pruner, seed, *limits)


def by_pruner(found: Mapping[Key, Found], equal: str, names: Sequence[str]) -> dict[str, dict[tuple[str, int], Found]]:
    """What was found in some tables, by the pruner and then by table and seed."""
    sorted_out: dict[str, dict[tuple[str, int], Found]] = defaultdict(dict)
    for (name, pruner, seed, what), one in found.items():
        if what == equal and name in names:
            sorted_out[pruner][name, seed] = one
    return sorted_out


def show(all_found: Mapping[Key, Found], equal: str, amount: int) -> None:
    """A table of the pruners, over the small tables."""
    found = by_pruner(all_found, equal, TABLES)
    pairs = sorted(found[BASELINE])
    columns = {name: np.array([one[pair].regret for pair in pairs]) for name, one in found.items()}
    base = columns[BASELINE]
    p = holm({name: wilcoxon(one, base).pvalue for name, one in columns.items() if name != BASELINE})
    print(f"\n{amount} {equal}; n = {len(pairs)} pairs of table and seed\n")
    heads = ["pruner", "regret", *TABLES, f"better than {BASELINE}", f"worse than {BASELINE}", "p (Holm)"]
    heads += ["epochs", "trials"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    tables = np.array([name for name, _ in pairs])
    for name, one in sorted(columns.items(), key=lambda item: item[1].mean()):
        cells = [name, f"{one.mean():.3f}", *(f"{one[tables == each].mean():.3f}" for each in TABLES)]
        other = name != BASELINE
        cells += [f"{(one < base).mean():.0%}" * other, f"{(one > base).mean():.0%}" * other]
        cells += [f"{p[name]:.2g}" if other else ""]
        cells += [f"{statistics.fmean(found[name][pair].epochs for pair in pairs):.0f}"]
        cells += [f"{statistics.fmean(found[name][pair].trials for pair in pairs):.0f}"]
        print("| " + " | ".join(cells) + " |")


def show_mnist(all_found: Mapping[Key, Found]) -> None:
    """The pruners on MNIST, compared with none of the same seed."""
    found = by_pruner(all_found, "trials", [MNIST])
    base = [one for _, one in sorted(found[BASELINE].items())]
    print(f"\nMNIST, {MNIST_TRIALS} trials; n = {len(base)} seeds\n")
    print("| pruner | points of the best value | of its configuration | p (Holm) | epochs, of those without |")
    print("|---|---|---|---|---|")
    gains, shares = {}, {}
    for name, by_seed in found.items():
        pairs = list(zip(base, (one for _, one in sorted(by_seed.items())), strict=True))
        of_value = np.array([100 * (a.value - b.value) for a, b in pairs])
        of_mean = np.array([100 * (a.mean - b.mean) for a, b in pairs])
        gains[name] = of_value, of_mean
        shares[name] = statistics.fmean(b.epochs / a.epochs for a, b in pairs)
    p = holm({name: wilcoxon(of_mean).pvalue for name, (_, of_mean) in gains.items() if name != BASELINE})
    for name, (of_value, of_mean) in sorted(gains.items(), key=lambda item: -shares[item[0]]):
        error = of_mean.std(ddof=1) / math.sqrt(len(of_mean))
        cells = [name, f"{of_value.mean():+.2f}", f"{of_mean.mean():+.2f} ± {error:.2f}"]
        cells += [f"{p[name]:.2g}" if name in p else "", f"{shares[name]:.0%}"]
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--mnist-seeds", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=20 * EPOCHS)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--file", type=Path, help="where the figures are kept too")
    given = parser.parse_args()
    amounts = {"epochs": given.epochs, "trials": given.trials}
    wanted = [
        ((name, pruner, seed, equal), amount)
        for equal, amount in amounts.items()
        for seed in range(given.seeds)
        for name in TABLES
        for pruner in PRUNERS
    ]
    wanted += [
        ((MNIST, pruner, seed, "trials"), MNIST_TRIALS) for seed in range(given.mnist_seeds) for pruner in PRUNERS
    ]
    with get_context("fork").Pool(given.processes) as pool:
        found = dict(pool.imap_unordered(measure, wanted))
    if given.file is not None:
        given.file.write_text(json.dumps([[*key, *one] for key, one in found.items()]))
    packages = ", ".join(f"{name} {version(name)}" for name in ("optuna", "numpy", "scipy"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}")
    for equal, amount in amounts.items() if given.seeds else ():
        show(found, equal, amount)
    if given.mnist_seeds:
        show_mnist(found)


if __name__ == "__main__":
    main()
