"""The command line's flags, which are Hydra's, looked at before Hydra would print its whole usage."""

import sys
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.terminal.console import say


def read_flags(arguments: list[str]) -> str | None:
    """Answer ``--version``; say which flag there is not.

    Returns:
        What ``--cfg`` shall show of a search. Hydra knows ``--cfg`` for a single run only, so it is taken out.

    Raises:
        ConfigError: Hydra would refuse one of them.
    """
    parser: Any = get_args_parser()
    known = [flag for action in parser._actions for flag in action.option_strings]  # noqa: SLF001

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
    read = parser.parse_intermixed_args(arguments)
    if not (read.multirun and read.cfg):
        return None
    shown: str = read.cfg
    for given in (["--cfg", shown], ["-c", shown], [f"--cfg={shown}"], [f"-c{shown}"]):
        places = [index for index in range(len(arguments)) if arguments[index : index + len(given)] == given]
        if places:
            del arguments[places[0] : places[0] + len(given)]
            break
    return shown


_BELOW = ("hydra-core", "optuna", "lightning", "torch")


def _named(package: str) -> str:
    return f"{package} {_version(package)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
