"""``python -m lightning_sweeps.rerun FOLDER [overrides]``: a trial of a search once more, as a run of its own.

Anything may be changed: more epochs, other data, other seeds. With nothing changed the same comes out.
"""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from lightning_sweeps.command.run_folder import new_folder
from lightning_sweeps.errors import ConfigError, SweepsError
from lightning_sweeps.rerun.experiment import write_experiment
from lightning_sweeps.rerun.recipe import Recipe, choose
from lightning_sweeps.rerun.repeat import Once, OneTrial, Seeds, Told, program
from lightning_sweeps.searches.record.saved import Saved, open_saved
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.ctrl_c import Interruptible
from lightning_sweeps.terminal.parser import Parser


def main() -> None:
    """Read the command line and do it; leaves with exit code 1 if a run failed, 130 after Ctrl-C."""
    parser = Parser("python -m lightning_sweeps.rerun", __doc__)
    parser.add_argument("search", help="the search's folder, or latest")
    parser.add_argument("overrides", nargs="*", help="what to change: trainer.max_epochs=50 seed=1 test=true")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--trial", type=int, metavar="N", help="this trial instead of the best")
    which.add_argument("--top", type=_count, metavar="K", help="the K best, one after the other")
    which.add_argument("--front", action="store_true", help="of a search with several objectives: its Pareto front")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--seeds", type=_count, metavar="S", help="with S new seeds: mean and standard deviation")
    what.add_argument("--to-experiment", metavar="NAME", help="run nothing; write conf/experiment/NAME.yaml")
    parser.add_argument("--json", action="store_true", help="what came of it to the screen as JSON, all else to stderr")
    parser.add_argument("--storage", metavar="URL", help="of the study, if it has a password")
    parser.add_argument("--trust", action="store_true", help="even if somebody else has started the search")
    arguments = parser.parse_intermixed_args()
    try:
        code = _write(arguments) if arguments.to_experiment else _run(arguments)
    except SweepsError as error:
        sys.exit(f"error: {error}")
    if code:
        sys.exit(code)


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _open(arguments: argparse.Namespace) -> Saved:
    if "://" in arguments.search:
        raise ConfigError(
            f"{arguments.search}: name the search's folder; a storage does not say how trials were composed"
        )
    return open_saved(arguments.search, arguments.storage)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.json:
        sys.stdout = sys.stderr  # what people read
    saved = _open(arguments)
    recipes = choose(saved, arguments.trial, arguments.top or 1, front=arguments.front)
    if Path(saved.config.hydra.runtime.cwd).is_dir():
        os.chdir(saved.config.hydra.runtime.cwd)  # relative paths of the config, such as data_dir, mean what they meant
    command = program(saved, arguments.trust)
    alone = OneTrial(command) if all(OneTrial.suits(recipe) for recipe in recipes) else Once(command)
    again = Seeds(command, arguments.seeds) if arguments.seeds else alone
    ours = any(recipe.result() for recipe in recipes)
    folder, changed = new_folder(again.kind, arguments.overrides, None if ours else saved.folder)
    told: list[Told] = []
    try:
        for recipe in recipes:
            told.append(again(recipe, changed, folder / f"trial_{recipe.number}"))  # noqa: PERF401 (an exception leaves those before it)
    except SystemExit as left:  # Ctrl-C
        told.append(Told("", int(left.code or 0), folder / f"trial_{recipes[len(told)].number}", "interrupted"))
    if not any(folder.iterdir()):
        folder.rmdir()
    say("\n".join(["", *(one.said for one in told if one.said), ""]))
    if arguments.json:
        sys.stdout = sys.__stdout__
        say(json.dumps([_as_json(*both) for both in zip(recipes, told, strict=False)], indent=2) + "\n")
    return max(one.code for one in told)


def _as_json(recipe: Recipe, told: Told) -> dict[str, Any]:
    """See docs/json.md."""
    return {
        "trial": recipe.number,
        "metric": recipe.metric,
        "values_in_the_search": list(recipe.values),
        "values": list(told.values),
        "status": told.status,
        "folder": str(told.folder),
    }


def _write(arguments: argparse.Namespace) -> int:
    if arguments.top or arguments.front or arguments.overrides or arguments.json:
        raise ConfigError("--to-experiment writes one trial as it was; change the file afterwards")
    saved = _open(arguments)
    (recipe,) = choose(saved, arguments.trial, 1)
    file, text = write_experiment(
        recipe,
        shlex.join("python" if part == sys.executable else part for part in program(saved, trusted=True)),  # is not run
        arguments.to_experiment,
    )
    say(f"{text}\nwritten to {file}\n")
    return 0


if __name__ == "__main__":
    with Interruptible():
        main()
