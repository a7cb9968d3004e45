"""The figures of one study; colour-blind readers can tell the colours and the marks apart."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import optuna

from lightning_sweeps.report.contour import contour
from lightning_sweeps.report.figure import Figure
from lightning_sweeps.report.objectives import Objective, objectives_of
from lightning_sweeps.report.of_parameters import importance, repeats
from lightning_sweeps.report.of_time import curves, history, timeline
from lightning_sweeps.report.parallel import parallel
from lightning_sweeps.report.pareto import pareto
from lightning_sweeps.report.slices import slices

Maker = Callable[[optuna.Study, Sequence[Objective]], Iterable[Figure]]
MAKERS: tuple[Maker, ...] = (pareto, history, curves, importance, parallel, slices, contour, repeats, timeline)


def figures(study: optuna.Study, metric: str) -> list[Figure]:
    """What can be drawn of this study, in the order in which the user asks."""
    objectives = objectives_of(study, metric)
    with warnings.catch_warnings(), _quiet():  # of experimental plots, and of trials that a plot leaves out
        warnings.simplefilter("ignore")
        return [figure for maker in MAKERS for figure in maker(study, objectives)]


@contextmanager
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
