"""``python -m lightning_sweeps.resume FOLDER [overrides]``: go on with the search that is in the folder.

Typing the search's command again with ``hydra.sweep.dir=FOLDER`` does the same.
"""

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.files.latest import search_folder
from lightning_sweeps.overrides.text import key_of, override_value, replaced
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.ctrl_c import Held

USAGE = """usage: python -m lightning_sweeps.resume FOLDER [overrides] [--failed[=REASON]] [--trust]
hydra.sweeper.n_trials=40 raises the budget; --failed also runs again what has failed, or those whose reason has this
regular expression in it; --trust takes a search of another user or machine, whose program is shown without it"""
TRUST = "--trust"
FAILED = "--failed"


def main() -> None:
    """Go on with the search that was typed."""
    again = [argument for argument in sys.argv[1:] if argument.partition("=")[0] == FAILED]
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument not in again]
    for argument in sys.argv[1:]:
        flag = argument.partition("=")[0]
        if flag not in (TRUST, "--help") and (near := get_close_matches(flag, [FAILED, TRUST], n=1, cutoff=0.75)):
            sys.exit(f"error: {flag}: no such flag. Did you mean {near[0]}?")
    if again:
        from lightning_sweeps.searches.again import note_pattern

        try:
            note_pattern(again[-1].partition("=")[2])
        except ConfigError as error:
            sys.exit(f"error: {error}")
    start_again(USAGE)


def start_again(usage: str, *more: str) -> None:
    """Read what was typed, put the new overrides in their places, and start the search again in its folder."""
    given = [argument for argument in sys.argv[1:] if argument != TRUST]
    if {"-h", "--help"} & {*given}:
        say(f"{usage}\n")
        sys.exit(0)
    if not given:
        sys.exit(usage)
    if "://" in given[0]:
        sys.exit(
            "error: a storage URL can be reported, replayed and asked for its status; "
            "to go on, name the search's folder"
        )
    try:
        folder, changed = Path(search_folder(given[0])).absolute(), given[1:]
    except ConfigError as error:
        sys.exit(f"error: {error}")
    if any(key_of(override) == "hydra.sweep.dir" for override in changed):
        sys.exit(
            "error: hydra.sweep.dir: a search goes on in its folder, which is named first.\nTo move it, move the folder"
        )
    file = folder / "multirun.yaml"
    if not file.is_file():
        sys.exit(f"error: {given[0]}: no search here (it has no multirun.yaml).\n{usage.splitlines()[0]}")
    from lightning_sweeps.overrides.again import typed
    from lightning_sweeps.searches.store.search_folder import read_saved_config

    try:
        saved = read_saved_config(file).hydra
    except ConfigError as error:
        sys.exit(f"error: {error}")
    overrides = ["-m", *replaced(typed(saved), [*changed, f"hydra.sweep.dir={override_value(folder)}", *more])]
    if Path(saved.runtime.cwd).is_dir():
        os.chdir(saved.runtime.cwd)  # relative paths of the config, such as data_dir, mean what they meant
    _become_the_program(folder, overrides, changed, trusted=TRUST in sys.argv)


def _become_the_program(folder: Path, overrides: list[str], changed: list[str], *, trusted: bool) -> NoReturn:
    """Start it in this process. A program that takes no overrides from its command line finds them noted."""
    from lightning_sweeps.errors import ConfigError
    from lightning_sweeps.overrides.again import note_what_to_go_on_with
    from lightning_sweeps.searches.record.provenance import program_of

    try:
        program = program_of(folder, str(Path.cwd()), trusted)
    except ConfigError as error:
        sys.exit(f"error: {error}")
    if program is None:
        sys.exit(
            f"error: {folder}: nothing says which program's search it was.\n"
            f"Type its command again with hydra.sweep.dir={folder}"
        )
    note_what_to_go_on_with(folder, changed)
    with Held(program):
        os.execvp(program[0], [*program, *overrides])  # noqa: S606


if __name__ == "__main__":
    main()
