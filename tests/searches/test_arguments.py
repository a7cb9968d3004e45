"""Arguments of Optuna's classes, by their annotations."""

import inspect

import optuna
import pytest

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.arguments import require_kinds

CLASSES = [
    one for module in (optuna.samplers, optuna.pruners) for one in vars(module).values() if isinstance(one, type)
]


@pytest.mark.parametrize("built", CLASSES, ids=lambda built: built.__name__)
def test_their_own_defaults_fit(built):
    parameters = inspect.signature(built).parameters.values()
    require_kinds(
        "x", built, {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
    )


@pytest.mark.parametrize(
    ("built", "given", "wanted"),
    [
        (optuna.samplers.TPESampler, {"gamma": 5}, "a Callable, which a config gives by its _target_"),
        (optuna.samplers.TPESampler, {"n_startup_trials": "ten"}, "a whole number"),
        (optuna.samplers.TPESampler, {"multivariate": 1}, "true or false"),
        (optuna.pruners.MedianPruner, {"n_startup_trials": 1.5}, "a whole number"),
        (optuna.pruners.PatientPruner, {"wrapped_pruner": 3}, "a BasePruner, which a config gives by its _target_"),
        (optuna.pruners.ThresholdPruner, {"lower": "low"}, "a number"),
    ],
)
def test_another_kind_is_refused(built, given, wanted):
    with pytest.raises(ConfigError) as error:
        require_kinds("hydra.sweeper.part", built, given)
    (name, value), *_ = given.items()
    assert str(error.value) == f"hydra.sweeper.part.{name}={value}: this must be {wanted}"


def test_a_function_and_a_config_of_one_fit():
    require_kinds("x", optuna.samplers.TPESampler, {"gamma": len, "weights": {"_target_": "a.b"}, "seed": None})


def test_a_class_without_annotations_takes_anything():
    class Own:
        def __init__(self, size, kind: "Nowhere" = None):  # noqa: F821
            pass

    require_kinds("x", Own, {"size": "any", "kind": 3, "more": []})
