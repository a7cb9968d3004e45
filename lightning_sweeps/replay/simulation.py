"""Go through stored curves with a pruner, in the order in which slots would have run them."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.trial import Trial, TrialState

from lightning_sweeps.replay.curves import Curve, Stored

END: Any = object()  # of a curve


@dataclass(frozen=True)
class Replayed:
    """What a pruner would have done.

    Args:
        steps: that all trials would have taken.
        pruned: the numbers of the trials that it would have pruned.
        unknown: trials that it would not have pruned where the stored search did; how they go on nobody knows.
        best: the number of the best trial that would have come to its end; None if there is none.
        value: of that trial.
    """

    steps: int
    pruned: list[int]
    unknown: list[int]
    best: int | None
    value: float | None


def replay(stored: Stored, pruner: BasePruner) -> Replayed:
    """Run the trials again from their curves. They have the parameters that they had.

    A real search with another pruner may draw others, since its sampler learns from what was pruned.
    """
    study = optuna.create_study(
        study_name=stored.name,  # on which Hyperband's brackets depend
        direction="maximize" if stored.maximize else "minimize",
        pruner=pruner,
    )
    steps, pruned, unknown, complete = 0, [], [], []
    waiting = iter(stored.curves)
    running: list[tuple[float, int, Trial, Curve, Iterator[tuple[int, float] | None]]] = []

    def begin(now: float) -> None:
        curve = next(waiting, None)
        if curve is not None:
            heapq.heappush(running, (now + curve.seconds, curve.number, study.ask(), curve, iter(curve.steps)))

    for _ in range(stored.n_jobs):
        begin(0.0)
    while running:
        now, number, trial, curve, reports = heapq.heappop(running)
        report = next(reports, END)
        if report is not END:
            steps += 1
            if report is not None:
                trial.report(report[1], report[0])
            if report is None or not trial.should_prune():
                heapq.heappush(running, (now + curve.seconds, number, trial, curve, reports))
                continue
            pruned.append(number)
            study.tell(trial, state=TrialState.PRUNED)
        elif curve.value is None:
            unknown.append(number)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            complete.append(curve)
            study.tell(trial, curve.value)
        begin(now)
    sign = -1 if stored.maximize else 1
    best = min(complete, key=lambda one: (sign * (one.value or 0.0), one.number), default=None)
    found = (best.number, best.value) if best is not None else (None, None)
    return Replayed(steps, sorted(pruned), sorted(unknown), *found)
