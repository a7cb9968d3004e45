"""The faster way to Optuna's Gaussian process draws what Optuna draws."""

import optuna
import pytest
import torch
from optuna.samplers import GPSampler, TPESampler
from torch.overrides import TorchFunctionMode

from lightning_sweeps.searches.space.gaussian import Direct, direct


class Asked(TorchFunctionMode):
    """Counts the operations for which torch asks Python."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        self.count += 1
        return function(*arguments, **(keywords or {}))


def drawn(sampler):
    study = optuna.create_study(sampler=sampler)
    waiting = []
    for _ in range(9):
        trial = study.ask()
        point = (trial.suggest_float("x", -5, 5), trial.suggest_categorical("y", ["a", "b"]))
        waiting.append((trial, point[0] ** 2 + (point[1] == "a")))
        if len(waiting) == 3:  # told late, as in several slots
            study.tell(*waiting.pop(0))
    return [trial.params for trial in study.trials]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_same_is_drawn_and_torch_asks_python_for_nothing():
    with Asked() as often:
        as_optuna = drawn(GPSampler(seed=1, n_startup_trials=4))
    assert often.count > 1000
    with Asked() as never:
        faster = drawn(direct(GPSampler(seed=1, n_startup_trials=4)))
    assert never.count == 0
    assert faster == as_optuna


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_it_draws_on_the_cpu_whatever_the_programs_default_device_is():
    torch.set_default_device("meta")
    try:
        found = drawn(Direct(GPSampler(seed=1, n_startup_trials=4)))
    finally:
        torch.set_default_device(None)
    assert found == drawn(GPSampler(seed=1, n_startup_trials=4))


def test_other_samplers_stay_as_they_are():
    sampler = TPESampler()
    assert direct(sampler) is sampler
