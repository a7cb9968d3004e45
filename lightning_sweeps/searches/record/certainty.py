"""How sure it is that the best trial is the best of those that were tried."""

import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.searches.record.trials_csv import ranked
from lightning_sweeps.searches.study.parts import PARTS

DRAWS = 4000
LAST = 4  # bends at the end of a curve tell of noise, earlier ones of what was learned
SURE = 0.9
CERTAIN = 0.99  # what is nearer to 1 would be a claim about noise that nobody has measured
BEYOND = 6.0  # so many standard deviations behind, a trial has no chance
MOST_AGAIN = 5  # trials that are worth more seeds
OF_A_NORMAL = 1.4826  # the standard deviation of a normal distribution, in median absolute deviations


@dataclass(frozen=True)
class Certainty:
    """What is known of the noise in a study's values.

    Args:
        noise: the standard deviation of a trial's value, if nothing but the seed were another.
        source: what it was estimated from: ``repeats`` or ``curves``.
        near: the numbers of the other trials whose values are nearer to the best than their differences' noise.
        probability: that the best trial is the best of those that are complete, if each true value is spread around the
            observed one with this noise.
    """

    noise: float
    source: str
    near: Sequence[int]
    probability: float

    @property
    def is_sure(self) -> bool:
        """Whether more trials are worth more than more seeds of the best ones."""
        return self.probability >= SURE or not self.near


def certainty(study: optuna.Study) -> Certainty | None:
    """Estimate it; None if the study has several objectives, or nothing tells of the noise."""
    if len(study.directions) > 1 or len(best := ranked(study)) < 2:
        return None
    if {name for trial in best for name in trial.params} == {"seed"}:  # seeds are no configurations to choose from
        return None
    found = noise_of(study)
    if found is None:
        return None
    noise, source = found
    first, *others = best
    assert first.value is not None  # noqa: S101 (it is complete)
    reach = noise * math.sqrt(2)
    near = [one.number for one in others if abs((one.value or 0.0) - first.value) <= reach]
    sign = -1 if study.direction is optuna.study.StudyDirection.MAXIMIZE else 1
    return Certainty(noise, source, near, _probability([sign * (one.value or 0.0) for one in best], noise))


def noise_of(study: optuna.Study) -> tuple[float, str] | None:
    """A value's standard deviation, and what tells of it: ``repeats`` or ``curves``; None if nothing does."""
    complete = [one for one in study.get_trials(deepcopy=False) if one.state is TrialState.COMPLETE]
    parts = [
        [values[0] for values in trial.user_attrs[PARTS].values()] for trial in complete if PARTS in trial.user_attrs
    ]
    spread = [(statistics.variance(values), len(values)) for values in parts if len(values) > 1]
    if spread:  # pooled over the trials; a mean of several values is that much less noisy
        variance = sum(one * (count - 1) for one, count in spread) / sum(count - 1 for _, count in spread)
        return math.sqrt(variance / statistics.fmean(count for _, count in spread)), "repeats"
    bends = [abs(one) for trial in complete for one in _last_bends(trial)]
    if len(bends) < LAST:
        return None
    noise = OF_A_NORMAL * statistics.median(bends) / math.sqrt(6)  # of a - 2 b + c
    return (noise, "curves") if noise > 0 else None


def _last_bends(trial: FrozenTrial) -> list[float]:
    """Second differences of a trial's last reports: a curve may still rise there, but hardly bends."""
    curve = _curve(trial.intermediate_values)
    if PARTS in trial.user_attrs or len(curve) < 2 * LAST:
        return []
    last = curve[-LAST - 2 :]
    return [a - 2 * b + c for a, b, c in zip(last, last[1:], last[2:], strict=False)]


def _curve(reports: Mapping[int, float]) -> list[float]:
    return [value for _, value in sorted(reports.items()) if math.isfinite(value)]


def _probability(values: Sequence[float], noise: float) -> float:
    """That the first of these, the smallest, is truly the smallest."""
    if noise == 0:
        return 1.0
    near = np.array([one for one in values if one - values[0] < BEYOND * noise])
    drawn = np.random.default_rng(0).normal(near, noise, (DRAWS, len(near)))  # a study always says the same
    return float((drawn.argmin(axis=1) == 0).mean())


def in_words(found: Certainty, best: int, folder: str, finished: int, *, exhausted: bool) -> list[str]:
    """What it means, and what to do next, for people.

    Args:
        best: the number of the best trial.
        folder: of the search.
        finished: trials that have ended, or that the budget is for.
        exhausted: every combination of a finite space has been run, so that there are no new trials.
    """
    within_runs = found.source == "curves"
    others = {0: "no other trial is", 1: "1 other trial is"}.get(len(found.near), f"{len(found.near)} other trials are")
    # Within one run values differ less than between seeds, so what is seen there is the least that the noise can be.
    noise = f"noise of a value about {found.noise:.2g} (from the repeats)"
    if within_runs:
        noise = f"noise of a value at least {found.noise:.2g} (from the ends of the curves; seeds mostly differ more)"
    chance = f", and trial {best} is the best of those tried with probability {_shown(found)}"
    if within_runs and found.probability > CERTAIN:
        chance = ""
    how_sure = f"{noise}: {others} within it{chance}"
    where = shlex.quote(folder)
    count = 2 if found.is_sure else min(MOST_AGAIN, len(found.near) + 1)
    again = f"python -m lightning_sweeps.rerun {where} --top {count} --seeds 3"
    more = f"python -m lightning_sweeps.resume {where} hydra.sweeper.n_trials={2 * finished}"
    if not found.is_sure:
        return [how_sure, f"new seeds tell more than new trials now: {again}"]
    if within_runs:
        seeds = f"how much seeds differ: {again}"
        return [how_sure, seeds] if exhausted else [how_sure, seeds, f"new trials: {more}"]
    return [how_sure] if exhausted else [how_sure, f"new trials tell more than new seeds now: {more}"]


def _shown(found: Certainty) -> str:
    if found.source == "curves":
        return f"{found.probability:.2f} at most"
    return f"{found.probability:.2f}" if found.probability <= CERTAIN else f"more than {CERTAIN}"
