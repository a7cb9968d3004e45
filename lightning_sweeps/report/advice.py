"""What the numbers of a search suggest, each with the command that follows from it."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.overrides.text import key_of, override_value, replaced
from lightning_sweeps.report.facts import distributions_of, rerun_command, saved_by_pruning, seconds_of
from lightning_sweeps.report.table import shown
from lightning_sweeps.searches.record.provenance import starts_of
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.record.trials_csv import ranked
from lightning_sweeps.searches.record.words import number_of

FEWEST = 8  # complete trials, before a border says anything
BORDER = 0.05  # of the range, on its own scale
WIDER = 0.5  # of the range, added at the side where the best trial is
NEARLY = 0.005  # of the best value
CHEAPER = 0.67  # of the best trial's time
FEWEST_FAILED = 2


@dataclass(frozen=True)
class Advice:
    """A sentence, and what to type; no command if there is nothing to type."""

    said: str
    command: str = ""


def advice(saved: Saved) -> list[Advice]:
    """What follows from this search."""
    trials = saved.study.get_trials(deepcopy=False)
    return [*_borders(saved), *_cheapest(saved), *_shared_by_failures(saved, trials), *_pruning(trials)]


def _borders(saved: Saved) -> Iterator[Advice]:
    if len(saved.study.directions) > 1 or len(ranking := ranked(saved.study)) < FEWEST:
        return
    spaces = distributions_of(saved)
    for name, value in ranking[0].params.items():
        one = spaces.get(name)
        if not isinstance(one, FloatDistribution | IntDistribution) or one.single():
            continue
        place = _place(one, value)
        if BORDER < place < 1 - BORDER:
            continue
        low, high = _widened(one, upwards=place >= 1 - BORDER)
        if (low, high) == (one.low, one.high):
            continue
        border = f"The best {name}={shown(value)} is at the border of its range, {shown(one.low)} to {shown(one.high)}."
        command = _again(saved, {name: _range(one, low, high)})
        yield Advice(f"{border} Search a wider one{':' if command else '.'}", command)


def _place(one: FloatDistribution | IntDistribution, value: float) -> float:
    low, high, at = (_scaled(one, number) for number in (one.low, one.high, value))
    return (at - low) / (high - low)


def _scaled(one: FloatDistribution | IntDistribution, number: float) -> float:
    return math.log(number) if one.log else float(number)


def _widened(one: FloatDistribution | IntDistribution, *, upwards: bool) -> tuple[float, float]:
    low, high = _scaled(one, one.low), _scaled(one, one.high)
    more = (high - low) * WIDER
    low, high = (low, high + more) if upwards else (low - more, high)
    if one.log:
        low, high = math.exp(low), math.exp(high)
    if one.low >= 0:
        low = max(0.0, low)  # a width, a rate or a share is not negative
        high = min(1.0, high) if one.high <= 1 else high  # nor is a share more than one
    low, high = (one.low, _round(high)) if upwards else (_round(low), one.high)
    if isinstance(one, IntDistribution):
        low, high = (math.floor(low) if not one.log else max(1, math.floor(low))), math.ceil(high)
        low, high = (one.low, one.low + (high - one.low) // one.step * one.step) if upwards else (low, high)
    return low, high


def _round(number: float) -> float:
    return float(f"{number:.2g}")


def _range(one: FloatDistribution | IntDistribution, low: float, high: float) -> str:
    """As it is written on the command line."""
    if isinstance(one, IntDistribution) and not one.log:
        step = f",{one.step}" if one.step != 1 else ""
        return f"range({low},{high + 1}{step})"
    if isinstance(one, FloatDistribution) and one.step is not None:
        return f"range({low},{high},{one.step})"
    tags = ["int"] * isinstance(one, IntDistribution) + ["log"] * one.log
    interval = f"interval({low},{high})"
    return f"tag({','.join(tags)},{interval})" if tags else interval


def _cheapest(saved: Saved) -> Iterator[Advice]:
    if len(saved.study.directions) > 1 or len(ranking := ranked(saved.study)) < 2 or saved.folder is None:
        return
    best = ranking[0]
    longest = seconds_of(best)
    near = [
        trial
        for trial in ranking[1:]
        if abs((trial.value or 0.0) - (best.value or 0.0)) <= NEARLY * abs(best.value or 0.0)
    ]
    cheap = min(near, key=seconds_of, default=None)
    if cheap is None or not longest or seconds_of(cheap) > CHEAPER * longest:
        return
    share = f"{100 * seconds_of(cheap) / longest:.0f} %"
    said = f"Trial {cheap.number} is within {100 * NEARLY:g} % of the best, and took {share} of its time."
    yield Advice(said, rerun_command(saved.folder, cheap.number))


def _shared_by_failures(saved: Saved, trials: Sequence[FrozenTrial]) -> Iterator[Advice]:
    """Values that all failed trials have, and no trial that came to an end."""
    failed = [trial for trial in trials if trial.state is TrialState.FAIL and trial.params]
    if len(failed) < FEWEST_FAILED:
        return
    ended = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    for name, value in failed[0].params.items():
        if any(trial.params.get(name) != value for trial in failed) or value in [one.params.get(name) for one in ended]:
            continue
        said = f"All {len(failed)} failed trials share {name}={value}, and no other trial has it."
        choices = getattr(distributions_of(saved).get(name), "choices", ())
        others = [override_value(one) for one in choices if one != value]
        without = f"choice({','.join(others)})" if len(others) > 1 else "".join(others)
        command = _again(saved, {name: without}) if others else ""
        yield Advice(f"{said} Search without it:" if command else said, command)


def _pruning(trials: Sequence[FrozenTrial]) -> Iterator[Advice]:
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    if pruned and (saving := saved_by_pruning(trials)) is not None:
        yield Advice(f"Pruning {number_of(len(pruned))} saved {saving}.")


def _again(saved: Saved, changed: Mapping[str, str]) -> str:
    """The search's command with other overrides, into a new folder; empty if nobody noted it."""
    starts = starts_of(saved.study)
    if not starts:
        return ""
    words = [word for word in shlex.split(starts[-1]["command"]) if key_of(word) != "hydra.sweep.dir"]
    return shlex.join(replaced(words, [f"{name}={value}" for name, value in changed.items()]))
