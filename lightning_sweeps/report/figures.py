"""The figures of one study. Optuna draws what it can; colour-blind readers can tell the colours and the marks apart."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import optuna
import optuna.visualization as draw
from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.report.colors import BEST, COLORS
from lightning_sweeps.report.figure import Figure, complete_trials
from lightning_sweeps.report.of_parameters import contour, importance, parallel, repeats
from lightning_sweeps.report.of_time import curves, history, timeline
from lightning_sweeps.report.slices import slices


def figures(study: optuna.Study, metric: str) -> list[Figure]:
    """What can be drawn of this study, in the order in which a person asks."""
    with warnings.catch_warnings(), _quiet():  # of experimental plots, and of trials that a plot leaves out
        warnings.simplefilter("ignore")
        several = len(study.directions) > 1
        makers: list[Callable[[optuna.Study, str], Iterable[Figure]]]
        makers = [_pareto, _objectives] if several else [history, curves, importance, parallel, slices, contour]
        return [figure for maker in [*makers, repeats, timeline] for figure in maker(study, metric)]


@contextmanager
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _pareto(study: optuna.Study, metric: str) -> Iterable[Figure]:
    del metric
    if len(study.directions) <= 3 and complete_trials(study):
        drawing = draw.plot_pareto_front(study)
        drawing.update_traces(marker_showscale=False)
        drawing.data[0].update(marker={"color": COLORS[TrialState.COMPLETE], "colorscale": None})
        drawing.data[-1].update(marker={"color": BEST, "colorscale": None, "symbol": "diamond"})
        yield Figure("pareto", "Pareto front", "No trial is better than one of the front in all objectives.", drawing)


def _objectives(study: optuna.Study, metric: str) -> Iterable[Figure]:
    del metric
    if not complete_trials(study):
        return
    for index in range(len(study.directions)):
        name = study.metric_names[index] if study.metric_names else f"objective {index}"

        def target(trial: FrozenTrial, index: int = index) -> float:
            return float(trial.values[index])

        drawing = draw.plot_optimization_history(study, target=target, target_name=name)
        drawing.data[0].update(marker={"color": COLORS[TrialState.COMPLETE]})
        yield Figure(f"history{index}", f"History of {name}", "", drawing)
