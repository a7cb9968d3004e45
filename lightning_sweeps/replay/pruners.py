"""The pruners that a command line names: one, or every combination of what is typed with commas."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from optuna.pruners import BasePruner

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.searches.config import PRUNERS
from lightning_sweeps.searches.space.chosen import build_pruner

GROUP = "hydra/sweeper/pruner"
OPTION = "hydra.sweeper.pruner."


@dataclass(frozen=True)
class Named:
    """A pruner, and what was typed for it."""

    typed: str
    pruner: BasePruner


def pruners(overrides: Sequence[str]) -> list[Named]:
    """The pruners of ``hydra/sweeper/pruner=asha,median hydra.sweeper.pruner.reduction_factor=2,3``.

    An argument goes to the pruners that have it.

    Raises:
        ConfigError: there is no such pruner, or none with such an argument, or Optuna refuses a value.
    """
    names, columns = _read(overrides)
    if not names:
        raise ConfigError(f"name the pruner to try: {GROUP}=asha, or several: {GROUP}=median,asha,hyperband")
    known = {name: {one.name for one in fields(PRUNERS[name])} for name in names}
    for key in columns:
        if not any(key in those for those in known.values()):
            hint = nearest(key, set().union(*known.values()))
            raise ConfigError(f"{OPTION}{key}: no argument of {' or '.join(names)}.{hint}")
    found = []
    for name in names:
        own = {key: values for key, values in columns.items() if key in known[name]}
        for point in itertools.product(*own.values()):
            given = dict(zip(own, point, strict=True))
            shown = " ".join([f"{GROUP}={name}", *(f"{OPTION}{key}={value}" for key, value in given.items())])
            default = PRUNERS[name]()
            node = {one.name: getattr(default, one.name) for one in fields(default)} | given
            found.append(Named(shown, build_pruner(node)))
    return found


def _read(overrides: Sequence[str]) -> tuple[list[str], dict[str, list[Any]]]:
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    names: list[str] = []
    columns: dict[str, list[Any]] = {}
    for one in parsed:
        values = list(one.sweep_iterator()) if one.is_sweep_override() else [one.value()]
        if one.key_or_group == GROUP:
            names = [str(value) for value in values]
        elif one.key_or_group.startswith(OPTION):
            columns[one.key_or_group.removeprefix(OPTION)] = values
        else:
            raise ConfigError(f"{one.input_line}: only the pruner can be another one, {GROUP}= and {OPTION}...=")
    for name in names:
        if name not in PRUNERS:
            raise ConfigError(f"{GROUP}={name}: it is one of {', '.join(PRUNERS)}.{nearest(name, PRUNERS)}")
    return names, columns
