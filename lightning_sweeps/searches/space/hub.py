"""``hydra/sweeper/sampler=hub/NAME``: OptunaHub's samplers and pruners, from the registry on this machine.

What the user has put there they trust; nothing is downloaded here. Imported at every start of Hydra, so the rest is
imported when one is named.
"""

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REGISTRY = "LIGHTNING_SWEEPS_HUB"  # a clone of the registry; not in a config, which could name any code
KINDS = {"sampler": "samplers", "pruner": "pruners"}
PACKAGE = "_hub_"  # the key that names it, among the arguments


def registry() -> Path:
    """The folder with ``samplers/`` and ``pruners/``: of the clone that was named, else where OptunaHub keeps them."""
    if clone := os.environ.get(REGISTRY):
        return Path(clone, "package")
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    home = os.environ.get("OPTUNAHUB_CACHE_HOME") or Path(cache, "optunahub")
    return Path(home, "github.com/optuna/optunahub-registry/main/package")


def nodes(part: str) -> Mapping[str, dict[str, Any]]:
    """By name, the configs of the samplers, or pruners, that are there."""
    found = sorted(registry().glob(f"{KINDS[part]}/*/__init__.py"))
    target = {"_target_": f"{__name__}.build_{part}"}
    more = {"seed": None} if part == "sampler" else {}
    return {file.parent.name: {**target, PACKAGE: file.parent.name, **more} for file in found}


def build_sampler(_hub_: str, seed: int | None = None, **arguments: Any) -> Any:
    """The sampler of a package, with its arguments, and with the seed if it takes one.

    Raises:
        ImportError: the package or something that it needs is not installed.
        ValueError: it holds no sampler.
    """
    from optuna.samplers import BaseSampler

    kind = _class_in(_hub_, "sampler", BaseSampler)
    takes = inspect.signature(kind).parameters
    return kind(**({"seed": seed} if "seed" in takes and seed is not None else {}), **arguments)


def build_pruner(_hub_: str, **arguments: Any) -> Any:
    """The pruner of a package, with its arguments.

    Raises:
        ImportError: the package or something that it needs is not installed.
        ValueError: it holds no pruner.
    """
    from optuna.pruners import BasePruner

    return _class_in(_hub_, "pruner", BasePruner)(**arguments)


def _class_in(name: str, part: str, base: type) -> Any:
    try:
        import optunahub
    except ModuleNotFoundError as error:
        raise ImportError('hub/... needs OptunaHub: pip install "lightning_sweeps[hub]"') from error
    if name not in nodes(part):
        raise ValueError(f"hub/{name} is not in {registry()}")
    module = optunahub.load_local_module(f"{KINDS[part]}/{name}", registry_root=str(registry()))
    public = getattr(module, "__all__", None) or [one for one in vars(module) if not one.startswith("_")]
    found = [getattr(module, one) for one in public]
    for one in found:
        if isinstance(one, type) and issubclass(one, base) and one is not base:
            return one
    raise ValueError(f"hub/{name} has no {part} in it")
