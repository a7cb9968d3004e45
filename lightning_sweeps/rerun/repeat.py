"""Running a trial again, as if its command had been typed."""

import os
import shlex
import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException
from yaml import YAMLError

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.again import ONE_RUN
from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.overrides.text import override_value, replaced
from lightning_sweeps.rerun.composition import drift
from lightning_sweeps.rerun.recipe import Recipe
from lightning_sweeps.runs.result import read_result
from lightning_sweeps.searches.record.provenance import program_of
from lightning_sweeps.searches.record.saved import Saved, open_saved
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.ctrl_c import Held

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SHOWN_CHANGES = 5
OF_THE_SEARCH = ("storage", "custom_search_space", "timeout", "target", "patience")  # which its config may name


class Once:
    """One run with the trial's own seed.

    Args:
        program: the command up to the overrides.
    """

    kind = "run"

    def __init__(self, program: Sequence[str]) -> None:
        self.program = program

    def __call__(self, recipe: Recipe, changed: Sequence[str], folder: Path) -> tuple[str, int]:
        """Run in the folder, which does not exist yet. Returns a line about the result, and the exit code."""
        overrides = replaced(recipe.overrides, [*_drift(recipe), *changed, f"hydra.run.dir={override_value(folder)}"])
        code = _run([*self.program, *overrides], recipe, ONE_RUN)
        name = f"trial {recipe.number}"
        if not folder.is_dir():
            return f"{name}: not begun", code or 1
        result = read_result(folder)
        if code or result.get("status", "completed") != "completed":
            return f"{name}: {result.get('status', 'failed')}; {from_here(folder)}", code or 1
        if (value := result.get("objective")) is None:
            return f"{name}: ran; its program writes no result.json to compare; {from_here(folder)}", 0
        if value == recipe.value:
            compared = ", the same to the last bit as in the search"
        else:
            compared = "" if recipe.value is None else f"; in the search {recipe.value:.6g}"
        return f"{name}: {recipe.metric} {value:.6g}{compared}; {from_here(folder)}", code


class Seeds(Once):
    """A search over nothing but the seed."""

    kind = "sweep"

    def __init__(self, program: Sequence[str], count: int) -> None:
        super().__init__(program)
        self.count = count

    def __call__(self, recipe: Recipe, changed: Sequence[str], folder: Path) -> tuple[str, int]:
        if "seed" not in (recipe.config() or {"seed": None}):
            raise ConfigError("--seeds: this program's config has no key 'seed'")
        first = (recipe.result().get("seed") or 0) + 1  # not the seed that it was chosen with
        seeds = ",".join(str(first + index) for index in range(self.count))
        whole = [
            *("hydra/sweeper=study", "hydra/sweeper/sampler=auto", "hydra/sweeper/pruner=none"),
            *(f"hydra.sweeper.{option}=null" for option in OF_THE_SEARCH),
            *(f"hydra.sweeper.n_trials={self.count}", f"hydra.sweep.dir={override_value(folder)}", f"seed={seeds}"),
        ]
        overrides = replaced(replaced(recipe.overrides, whole), [*_drift(recipe), *changed])
        folder.mkdir()
        code = _run([*self.program, "-m", *overrides], recipe)
        try:
            trials = open_saved(str(folder)).study.trials
        except ConfigError:
            return f"trial {recipe.number}: the search over its seeds failed", code or 1
        values = [trial.values[0] for trial in trials if trial.values]
        if not values:
            return f"trial {recipe.number}: no seed gave a value; {from_here(folder)}", code or 1
        return f"trial {recipe.number}: {recipe.metric} {_told(recipe, values, first, self.count)}", code


def _told(recipe: Recipe, values: Sequence[float], first: int, count: int) -> str:
    spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    seeds = f"{len(values)} seeds" if len(values) == count else f"{len(values)} of {count} seeds"
    was = "" if recipe.value is None else f"; in the search, which chose it for that, {recipe.value:.6g}"
    return f"{statistics.mean(values):.6g}{spread} (mean ± standard deviation of {seeds} from {first} on){was}"


def program(saved: Saved, trusted: bool) -> list[str]:
    """What starts the program whose search it was, in the current folder.

    Args:
        trusted: whether it may be another user's.

    Raises:
        ConfigError: nobody knows, or it is not trusted.
    """
    found = program_of(saved.folder, str(Path.cwd()), trusted) if saved.folder is not None else None
    if found is None:
        raise ConfigError(f"{saved.folder}: nothing says which program's search it was; type its command")
    return found


def _drift(recipe: Recipe) -> list[str]:
    """Overrides for what has changed in the config files since the trial; says so."""
    config = recipe.config()
    if config is None:
        sys.stderr.write(
            f"The composed config of trial {recipe.number} is gone, or was not kept (hydra.output_subdir): it is run "
            "with the config files as they are now\n"
        )
        return []
    if recipe.primary.folder is None or not recipe.primary.folder.is_dir():
        return []
    try:
        changes = drift(config, recipe.primary, recipe.overrides)
    except (HydraException, YAMLError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(
            f"trial {recipe.number} cannot be composed any more: {said}\nIts config lies in {recipe.folder}/.hydra"
        ) from error
    if changes:
        shown = shlex.join(changes[:SHOWN_CHANGES]) + (" ..." if len(changes) > SHOWN_CHANGES else "")
        sys.stderr.write(f"The config files have changed since trial {recipe.number}; it is run as it was: {shown}\n")
    return changes


def _run(command: Sequence[str], recipe: Recipe, *noted: str) -> int:
    """Run a command with the trial's number of threads; Ctrl-C is the command's own, and ends this one after it.

    Args:
        noted: variables that the command finds in its environment.
    """
    environment = os.environ | dict.fromkeys(noted, "1")
    if threads := recipe.result().get("threads"):
        environment |= dict.fromkeys(THREADS, str(threads))  # another number may round a sum otherwise
    shown = ["python" if part == sys.executable else part for part in command]
    say(f"{shlex.join(shown)}\n")
    sys.stdout.flush()
    with Held(list(command)):
        child = subprocess.Popen(command, env=environment)  # noqa: S603
        # A handler, not SIG_IGN, which the child would have inherited.
        signal.signal(signal.SIGINT, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda caught, _: child.send_signal(caught))
    code = child.wait()
    if code == 130 or code < 0:
        sys.exit(130)
    return code
