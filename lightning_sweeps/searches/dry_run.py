"""``hydra.sweeper.dry_run=true``: what a search would do and cost, without doing it."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.storages import InMemoryStorage
from rich.console import Console
from rich.table import Table

from lightning_sweeps.errors import ConfigError, SweepsError
from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.searches.execute.processes import Processes
from lightning_sweeps.searches.execute.rehearsal import MEASURE
from lightning_sweeps.searches.execute.rehearsing import Rehearsing
from lightning_sweeps.searches.plan import Plan
from lightning_sweeps.searches.record.words import clock, number_of, numbered, shown
from lightning_sweeps.searches.space.direction import described
from lightning_sweeps.searches.space.samplers import Exhaustive
from lightning_sweeps.searches.store.journal import JOURNAL
from lightning_sweeps.terminal.console import say

DATA = "LIGHTNING_SWEEPS_DRY_RUN"  # names the file in which a Python program wants the same as data
HANDFUL = 5  # trials of a sampled space
MOST_MEASURED = 16  # kinds of trials of which batches are trained
LEFT_OUT = None, {"unmeasured": f"only {MOST_MEASURED} kinds of trials are measured"}  # the answer for the others


def wants_dry_run(option: bool, task_function: Any, config: DictConfig) -> bool:
    """Whether it was asked for: by the sweeper's option, or by ``dry_run=true`` in this package's own configs."""
    return option or (hasattr(task_function, "measure") and bool(OmegaConf.select(config, "dry_run")))


def dry_run(plan: Plan, config: DictConfig, processes: Processes | None, task_function: Any, slots: int) -> None:
    """Compose what the search would run, try each kind of it, and print a table.

    Raises:
        ConfigError: trials cannot be composed or built; the first of them is named.
    """
    if (folder := Path(str(config.hydra.sweep.dir)) / JOURNAL).is_file():
        raise ConfigError(
            f"hydra.sweeper.dry_run: there is a search in {folder.parent} already; a dry run is for a new one."
            f"\nIts state: python -m lightning_sweeps.status {folder.parent}"
        )
    points = _points(plan)
    kinds: dict[str, Mapping[str, Any]] = {}
    found, problems = [], []
    with closing(Rehearsing(processes, MEASURE)) if processes is not None else _Nobody() as asked:
        for number, point in enumerate(points):
            overrides = plan.space.overrides(point)
            told: dict[str, Any] = {"number": number, "params": dict(point), "overrides": overrides}
            try:
                composed = plan.compose.numbered(overrides)
            except (HydraException, OmegaConfBaseException, SweepsError) as error:
                problems.append(f"trial {number} ({shown(point)}): {' '.join(str(error).split())}")
                found.append(told)
                continue
            kind = _kind(composed)
            if kind not in kinds and hasattr(task_function, "measure"):
                refusal, kinds[kind] = asked.ask(composed) if len(kinds) < MOST_MEASURED else LEFT_OUT
                if refusal is not None:
                    problems.append(f"trial {number} ({shown(point)}): {refusal}")
            found.append(told | dict(kinds.get(kind, {})))
    said = _whole(plan, config, found, slots)
    if (file := os.environ.get(DATA)) is not None:
        write_atomically(Path(file), json.dumps(said | {"problems": problems}, default=str) + "\n")
    else:
        _show(plan, said, hasattr(task_function, "measure"))
    if problems:
        more = f"\nand {len(problems) - 1} more" if len(problems) > 1 else ""
        raise ConfigError(f"{problems[0]}{more}")


class _Nobody(AbstractContextManager["_Nobody"]):
    """In place of a process, where there is none."""

    def __exit__(self, *_: object) -> None:
        return

    def ask(self, _: Any) -> tuple[str | None, dict[str, Any]]:
        return None, {"unmeasured": "trials without processes of their own are not measured"}


def _points(plan: Plan) -> Sequence[Mapping[str, Any]]:
    """The parameters of every trial of a finite space, or of the first trials that the sampler draws."""
    if isinstance(plan.sampler, Exhaustive):
        return plan.sampler.combinations
    study = plan.open(InMemoryStorage(), "dry run")
    drawn = []
    for _ in range(min(HANDFUL, plan.budget.n_trials)):
        trial = study.ask()
        plan.compose.draw(trial)
        drawn.append(dict(trial.params))
    return drawn


def _kind(config: DictConfig) -> str:
    """What a trial's cost depends on: its model, data and trainer, and neither rates nor seeds."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    return json.dumps(
        {name: plain.get(name) for name in ("model", "datamodule", "trainer")}, default=str, sort_keys=True
    )


def _whole(plan: Plan, config: DictConfig, found: list[dict[str, Any]], slots: int) -> dict[str, Any]:
    """The trials, and what they come to."""
    times = [one["seconds"] for one in found if one.get("seconds") is not None]
    parts = plan.parts.count if plan.parts is not None else 1
    each = sum(times) / len(times) if times else None
    trials = plan.budget.n_trials
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    there = next(one for one in (folder, *folder.parents) if one.is_dir())
    return {
        "objective": described(plan.directions, config),
        "sampler": plan.why,
        "pruner": type(plan.pruner).__name__,
        "n_trials": trials,
        "n_jobs": slots,
        "parts": parts,
        "folder": str(config.hydra.sweep.dir),
        "free_bytes": shutil.disk_usage(there).free,
        "seconds": round(each * trials * parts / slots, 1) if each is not None else None,
        "trials": found,
    }


def _show(plan: Plan, said: Mapping[str, Any], measures: bool) -> None:
    trials = said["trials"]
    each = f", each the {plan.parts}" if plan.parts is not None else ""
    say(f"dry run: {said['objective']}\n")
    say(f"{said['sampler']}, {number_of(said['n_trials'])}{each}, {said['n_jobs']} at a time\n")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("trial", *(("parameters", "batches", "epochs", "time") if measures else ())):
        table.add_column(name, justify="right")
    table.add_column("overrides", overflow="fold")
    for one in trials:
        cells = [f"{one['parameters']:,}" if one.get("parameters") is not None else "-"]
        cells += ["-" if one.get(name) is None else str(one[name]) for name in ("batches", "epochs")]
        cells.append("-" if one.get("seconds") is None else clock(one["seconds"]))
        table.add_row(str(one["number"]), *(cells if measures else ()), shown(one["params"]))
    Console(highlight=False).print(table)
    if len(trials) < said["n_trials"]:
        say("the sampler draws the others when it knows what these have given\n")
    unmeasured: dict[str, list[int]] = {}
    for one in trials:
        if "unmeasured" in one:
            unmeasured.setdefault(one["unmeasured"], []).append(one["number"])
    for why, numbers in unmeasured.items():
        say(f"{number_of(len(numbers))} not measured: {why} ({numbered(numbers)})\n")
    if said["seconds"] is not None:
        say(f"about {clock(said['seconds'])} in all, told from two batches of each kind, and without pruning\n")
    elif not measures:
        say("this program does not say what its trials cost\n")
    say(f"{said['free_bytes'] / 1e9:.1f} GB are free for {said['folder']}; nothing was written\n")
