"""Running a trial again, as if its command had been typed."""

import os
import shlex
import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.errors import HydraException
from yaml import YAMLError

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.again import ONE_RUN
from lightning_sweeps.overrides.text import key_of, override_value, replaced
from lightning_sweeps.rerun.composition import drift
from lightning_sweeps.rerun.recipe import Recipe
from lightning_sweeps.runs.result import read_result
from lightning_sweeps.searches.record.provenance import program_of
from lightning_sweeps.searches.record.saved import Saved, open_saved
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.ctrl_c import Held

TYPED_IN = Path.cwd()
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SHOWN_CHANGES = 5
OF_THE_SEARCH = (  # which its config may name
    *("storage", "custom_search_space", "timeout", "target", "patience", "params", "conditions", "exclude"),
    *("constraints", "warm_start", "priors", "repeats", "folds", "detach"),
)


@dataclass(frozen=True)
class Told:
    """What came of running a trial again.

    Args:
        said: it in a line, for people.
        status: of a run; ``not begun`` if there is none.
        values: the objective's; with several seeds one for each that has ended well.
    """

    said: str
    code: int
    folder: Path
    status: str
    values: Sequence[float] = ()


class Once:
    """One run with the trial's own seed. Its value is read from its ``result.json``, if the program writes one.

    Args:
        program: the command up to the overrides.
    """

    kind = "run"

    def __init__(self, program: Sequence[str]) -> None:
        self.program = program

    def __call__(self, recipe: Recipe, changed: Sequence[str], folder: Path) -> Told:
        """Run in the folder, which does not exist yet."""
        overrides = replaced(recipe.overrides, [*_drift(recipe), *changed, f"hydra.run.dir={override_value(folder)}"])
        code = _run([*self.program, *overrides], recipe, folder)
        name = f"trial {recipe.number}"
        if not folder.is_dir():
            return Told(f"{name}: not begun", code or 1, folder, "not begun")
        result = read_result(folder)
        status = result.get("status", "failed" if code else "completed")
        if code or status != "completed":
            return Told(f"{name}: {status}; {_where(folder)}", code or 1, folder, status)
        if (value := result.get("objective")) is None:
            why = "without an objective" if result else "by a program that writes no result.json to compare"
            return Told(f"{name}: ran, {why}; {_where(folder)}", 0, folder, status)
        values = [value, *result.get("also", {}).values()]
        return Told(f"{name}: {_compared(recipe, *values)}; {_where(folder)}", 0, folder, status, values)


Found = tuple[int, list[list[float]]]  # the exit code of a search, and the values of its complete trials


class OneTrial(Once):
    """A search of one trial: so a program that writes no ``result.json`` can report, and says its value."""

    kind = "sweep"

    @staticmethod
    def suits(recipe: Recipe) -> bool:
        """Whether it is the same trial: its own number would be another, which its config must not look at."""
        return not recipe.result() and all(key_of(one) != "hydra.job.num" for one in recipe.overrides)

    def __call__(self, recipe: Recipe, changed: Sequence[str], folder: Path) -> Told:
        code, found = self._search(recipe.overrides, recipe, 1, changed, folder)
        name = f"trial {recipe.number}"
        if not found:
            return Told(f"{name}: failed; {_where(folder)}", code or 1, folder, "failed")
        said = f"{name}: {_compared(recipe, *found[0])}; {_where(folder)}"
        if not changed and tuple(found[0]) != recipe.values:
            said += "\n  a program that seeds nothing (seed_everything), a GPU or other versions give other numbers"
        return Told(said, code, folder, "completed", found[0])

    def _search(
        self, given: Sequence[str], recipe: Recipe, n_trials: int, more: Sequence[str], folder: Path
    ) -> tuple[int, list[list[float]]]:
        """Search with these overrides of the trial."""
        whole = [
            *("hydra/sweeper=study", "hydra/sweeper/sampler=auto", "hydra/sweeper/pruner=none"),
            *(f"hydra.sweeper.{option}=null" for option in OF_THE_SEARCH),
            f"hydra.sweeper.direction={_directions(recipe)}",
            *(f"hydra.sweeper.n_trials={n_trials}", f"hydra.sweep.dir={override_value(folder)}"),
        ]
        overrides = replaced(replaced(given, whole), [*_drift(recipe), *more])
        folder.mkdir()
        code = _run([*self.program, "-m", *overrides], recipe, folder)
        try:
            trials = open_saved(str(folder)).study.trials
        except ConfigError:
            return code or 1, []
        return code, [list(trial.values) for trial in trials if trial.values]


class Seeds(OneTrial):
    """A search over nothing but the seed."""

    def __init__(self, program: Sequence[str], count: int) -> None:
        super().__init__(program)
        self.count = count

    def __call__(self, recipe: Recipe, changed: Sequence[str], folder: Path) -> Told:
        if "seed" not in (recipe.config() or {"seed": None}):
            raise ConfigError("--seeds: this program's config has no key 'seed'")
        first = recipe.first_new_seed()
        seeds = ",".join(str(first + index) for index in range(self.count))
        more = [f"seed={seeds}", *recipe.folds, *changed]
        code, found = self._search(recipe.of_the_trial, recipe, self.count, more, folder)
        values = [one[0] for one in found]
        name = f"trial {recipe.number}"
        if not values:
            return Told(f"{name}: no seed gave a value; {_where(folder)}", code or 1, folder, "failed")
        spread = _spread(recipe, values, first, self.count)
        return Told(f"{name}: {recipe.metric} {spread}", code, folder, "completed", values)


def _directions(recipe: Recipe) -> str:
    """As an override; the search may have had them from its command line."""
    return recipe.directions[0] if len(recipe.directions) == 1 else f"[{','.join(recipe.directions)}]"


def _compared(recipe: Recipe, *values: float) -> str:
    if values == recipe.values:
        compared = ", the same to the last bit as in the search"
    else:
        compared = f"; in the search {_shown(recipe.values)}" if recipe.values else ""
    return f"{recipe.metric}{recipe.what} {_shown(values)}{compared}"


def _shown(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _where(folder: Path) -> str:
    """From where the command was typed, which may be another folder than the search's."""
    relative = os.path.relpath(folder, TYPED_IN)
    return str(folder) if relative.startswith("..") else relative


def _spread(recipe: Recipe, values: Sequence[float], first: int, count: int) -> str:
    spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    seeds = f"{len(values)} seeds" if len(values) == count else f"{len(values)} of {count} seeds"
    was = f"; in the search, which chose it for that, {recipe.whole[0]:.6g}" if len(recipe.whole) == 1 else ""
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
            f"trial {recipe.number} cannot be composed any more: {said}\nIts config is in {recipe.folder}/.hydra"
        ) from error
    if changes:
        shown = shlex.join(changes[:SHOWN_CHANGES]) + (" ..." if len(changes) > SHOWN_CHANGES else "")
        sys.stderr.write(f"The config files have changed since trial {recipe.number}; it is run as it was: {shown}\n")
    return changes


def _run(command: Sequence[str], recipe: Recipe, folder: Path) -> int:
    """Run a command with the trial's number of threads; Ctrl-C is the command's own, and ends this one after it.

    What it prints goes to this one's ``sys.stdout``, which may be its stderr.
    """
    environment = {**os.environ, ONE_RUN: str(folder)}
    if threads := recipe.result().get("threads"):
        environment |= dict.fromkeys(THREADS, str(threads))  # another number may round a sum otherwise
    shown = ["python" if part == sys.executable else part for part in command]
    say(f"{shlex.join(shown)}\n")
    sys.stdout.flush()
    with Held(list(command)):
        child = subprocess.Popen(command, env=environment, stdout=sys.stdout)  # noqa: S603
        # A handler, not SIG_IGN, which the child would have inherited.
        signal.signal(signal.SIGINT, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda caught, _: child.send_signal(caught))
    code = child.wait()
    if code == 130 or code < 0:
        sys.exit(130)
    return code
