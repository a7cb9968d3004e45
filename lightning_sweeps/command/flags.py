"""The command line's flags, which are Hydra's, looked at before Hydra would print its whole usage."""

import sys
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.terminal.console import say

JSON = "--json"
DETACH = "--detach"
OF_OURS = (JSON, DETACH)


@dataclass(frozen=True)
class Flags:
    """The flags that are this package's own, or that Hydra knows for a single run only; they are taken out.

    Args:
        show: what ``--cfg`` shows of a search; None without it.
        json: whether stdout is for JSON alone, and all else goes to stderr.
        prints_config: whether Hydra will print a run's config.
    """

    show: str | None = None
    json: bool = False
    prints_config: bool = False


def read_flags(arguments: list[str]) -> Flags:
    """Answer ``--version``; say which flag there is not.

    Raises:
        ConfigError: Hydra would refuse one of them.
    """
    parser: Any = get_args_parser()
    known = [*OF_OURS, *(flag for action in parser._actions for flag in action.option_strings)]  # noqa: SLF001

    def refuse(message: str) -> NoReturn:
        wrong = next((one for one in arguments if one.startswith("-") and one.partition("=")[0] not in known), None)
        if wrong is None:
            raise ConfigError(f"{message}; see --help")
        flag, _, value = wrong.partition("=")
        meant = get_close_matches(flag, known, n=1, cutoff=0.8)
        hint = (
            f"Did you mean {meant[0]}?"
            if meant
            else f"Overrides have no dashes: {flag.lstrip('-')}={value or 'VALUE'}."
        )
        raise ConfigError(f"{wrong}: no such flag. {hint} See --help")

    parser.error = refuse
    if "--version" in arguments:
        say(f"lightning_sweeps {_version('lightning_sweeps')}, {', '.join(map(_named, _BELOW))}\n")
        sys.exit(0)
    json = JSON in arguments
    arguments[:] = [one for one in arguments if one != JSON]
    detach = DETACH in arguments
    arguments[:] = [one for one in arguments if one != DETACH] + ["hydra.sweeper.detach=true"] * detach
    read = parser.parse_intermixed_args(arguments)
    if detach and not read.multirun:
        raise ConfigError("--detach is for a search: add -m")
    if not (read.multirun and read.cfg):
        return Flags(json=json, prints_config=bool(read.cfg))
    shown: str = read.cfg
    for given in (["--cfg", shown], ["-c", shown], [f"--cfg={shown}"], [f"-c{shown}"]):
        places = [index for index in range(len(arguments)) if arguments[index : index + len(given)] == given]
        if places:
            del arguments[places[0] : places[0] + len(given)]
            break
    return Flags(shown, json)


_BELOW = ("hydra-core", "optuna", "lightning", "torch")


def _named(package: str) -> str:
    return f"{package} {_version(package)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
