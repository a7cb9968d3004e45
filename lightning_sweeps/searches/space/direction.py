"""What a search optimizes, and in which direction."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.metric_names import says_the_contrary
from lightning_sweeps.overrides.again import typed
from lightning_sweeps.overrides.text import key_of
from lightning_sweeps.trial import DIRECTIONS


def metric_of(config: Any) -> str | None:
    """The name of what is optimized, if the config tells; ``optimized_metric`` is a template's word for it."""
    name = OmegaConf.select(config, "objective.metric") or OmegaConf.select(config, "optimized_metric")
    return str(name) if isinstance(name, str) else None


def also_of(config: Any) -> Mapping[str, Any]:
    """The further objectives of this package's own configs, each with its mode."""
    also = OmegaConf.select(config, "objective.also")
    return also if isinstance(also, Mapping) else {}


def directions(given: Any, config: DictConfig) -> list[str]:
    """``minimize`` or ``maximize`` for each objective.

    Args:
        given: ``hydra.sweeper.direction``; None if it follows ``objective.mode``.

    Raises:
        ConfigError: it is neither, contradicts ``objective.mode``, or nobody has said what looks like a mistake.
    """
    mode = DIRECTIONS.get(str(OmegaConf.select(config, "objective.mode")))
    if given is None:
        direction = mode or "minimize"
        _ask(config, direction, mode)
        return [direction, *(DIRECTIONS.get(str(one), "minimize") for one in also_of(config).values())]
    several = OmegaConf.is_list(given) or isinstance(given, list | tuple)
    many = [str(getattr(one, "name", one)) for one in (given if several else [given])]
    for one in many or ["[]"]:
        if one not in ("minimize", "maximize"):
            raise ConfigError(f"hydra.sweeper.direction={one}: it is minimize or maximize, or a list of them")
    if mode is not None and len(many) == 1 and many[0] != mode:
        raise ConfigError(
            f"hydra.sweeper.direction={many[0]}, but objective.mode means {mode}: they contradict each other."
            "\nLeave the direction out; it follows objective.mode"
        )
    return many


def described(directions: list[str], config: DictConfig) -> str:
    """For the first line of a search."""
    metric = metric_of(config)
    unsaid = config.hydra.sweeper.direction is None and OmegaConf.select(config, "objective.mode") is None
    hint = " (for the other way: hydra.sweeper.direction=maximize)" if unsaid else ""
    if also := also_of(config):
        return ", ".join(f"{way} {name}" for way, name in zip(directions, [metric, *also], strict=False))
    return f"{' and '.join(directions)} {metric or 'what the program returns'}{hint}"


def _ask(config: DictConfig, direction: str, mode: str | None) -> None:
    """Ask for a direction if nobody has typed one and the metric's name suggests the other."""
    if any(key_of(line) == "objective.mode" for line in typed(config.hydra)):
        return
    metric = metric_of(config) or ""
    if not says_the_contrary(metric, direction):
        return
    ways = "objective.mode=min or objective.mode=max"
    if mode is None:
        ways = "hydra.sweeper.direction=minimize or hydra.sweeper.direction=maximize"
    raise ConfigError(
        f"This search would {direction} {metric}, whose name says the contrary.\nSay what is meant: {ways}"
    )
