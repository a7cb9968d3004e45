"""What was typed to start this program: how Python was told to run it, and the options before and among overrides."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "LIGHTNING_SWEEPS_PROGRAM"  # what was typed, if a cluster's own program is the one that runs
OPTIONS_OF_PYTHON_WITH_A_VALUE = ("-W", "-X", "--check-hash-based-pycs")
OPTIONS_OF_HYDRA_WITH_A_VALUE = ("--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd")
MULTIRUN = ("-m", "--multirun")


def command() -> list[str]:
    """All that was typed: ``python train.py --config-name=other -m model=cnn``."""
    return [*_start(), *arguments()]


def program() -> list[str]:
    """What was typed but for overrides and ``-m``: ``python train.py --config-name=other``."""
    return [*_start(), *options()]


def _start() -> list[str]:
    if PROGRAM in os.environ:
        return shlex.split(os.environ[PROGRAM])
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name and not spec.name.startswith(("pytest", "_pytest")):
        return ["python", "-m", spec.name.removesuffix(".__main__").removesuffix(".resume").removesuffix(".join")]
    script = Path(sys.argv[0]) if sys.argv else Path()
    if script.suffix == ".py":
        return ["python", from_here(script)]
    if script.name in ("", "-c", "lightning_sweeps") or not script.is_file():
        return ["python", "-m", "lightning_sweeps"]
    return [from_here(script)]  # an installed command


def start_of(noted: Sequence[str]) -> list[str]:
    """What starts the program that was noted so, with this Python."""
    first, *rest = noted
    return [sys.executable if first == "python" else first, *rest]


def options() -> list[str]:
    """Hydra's and the program's own options, such as ``--config-name=other``, without ``-m``."""
    kept: list[str] = []
    for argument in arguments():
        is_value = bool(kept) and kept[-1] in OPTIONS_OF_HYDRA_WITH_A_VALUE
        if is_value or not (_is_override(argument) or argument in MULTIRUN):
            kept.append(argument)
    return kept


def arguments() -> list[str]:
    """All that was typed behind the program's name, even if the program has taken its own part from ``sys.argv``."""
    if PROGRAM in os.environ:
        return sys.argv[1:]
    given, typed = sys.argv[1:], _behind_the_program(sys.orig_argv)
    if typed[len(typed) - len(given) :] == given and not _is_option(typed[: len(typed) - len(given)]):
        return given  # what comes before is another program, which runs this one
    rest = iter(typed)
    return typed if all(argument in rest for argument in given) else given


def from_here(path: Path) -> str:
    """The path as one would type it: relative where it is below the working folder."""
    absolute = os.path.abspath(path)  # noqa: PTH100 (resolve() would follow links)
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith("..") else relative


def _is_option(before: Sequence[str]) -> bool:
    return bool(before) and before[0].startswith("-")


def _is_override(argument: str) -> bool:
    return not argument.startswith("-") and ("=" in argument or argument.startswith("~"))


def _behind_the_program(command: Sequence[str]) -> list[str]:
    """What Python passes on of its command line, which names a file or a module."""
    index = 1
    while index < len(command) and command[index].startswith("-") and command[index] != "-":
        option = command[index]
        index += 1
        if option in OPTIONS_OF_PYTHON_WITH_A_VALUE:
            index += 1
        elif not option.startswith("--") and option[-1] in "mc" and option[1] not in "WX":  # also -Im
            return list(command[index + 1 :])
        elif not option.startswith("--") and option[1] in "mc":  # -mpackage
            return list(command[index:])
    return list(command[index + 1 :])
