"""One search, from Python."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, overload

from lightning_sweeps.api.command import Program, start_of
from lightning_sweeps.api.overrides import typed
from lightning_sweeps.api.study import Study, dry_run_with, search_with
from lightning_sweeps.command.run_folder import folder_named, new_folder
from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.text import override_value


@overload
def search(
    searched: Sequence[str] | Callable[..., Any],
    *,
    space: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    n_trials: int | None = None,
    n_jobs: int | None = None,
    overrides: Sequence[str] = (),
    program: Program | None = None,
    show: bool = True,
    dry_run: Literal[True],
) -> dict[str, Any]: ...


@overload
def search(
    searched: Sequence[str] | Callable[..., Any],
    *,
    space: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    n_trials: int | None = None,
    n_jobs: int | None = None,
    overrides: Sequence[str] = (),
    program: Program | None = None,
    show: bool = True,
    dry_run: Literal[False] = False,
) -> Study: ...


def search(
    searched: Sequence[str] | Callable[..., Any],
    *,
    space: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    n_trials: int | None = None,
    n_jobs: int | None = None,
    overrides: Sequence[str] = (),
    program: Program | None = None,
    show: bool = True,
    dry_run: bool = False,
) -> Study | dict[str, Any]:
    """Do what ``python -m lightning_sweeps -m OVERRIDES`` does, in a process of its own, and wait for its end.

    Ctrl-C, and a notebook's stop button, stop the running trials in order, and the study that is returned can be
    resumed. Nothing of the search stays in this process: no handlers of signals or logs, no state of Hydra's.

    Returns:
        The ``Study``; with ``dry_run`` a dict of what the search would run and cost, see docs/dry_run.md.

    Args:
        searched: overrides as they are typed, ``["model=mlp", "optimizer.lr=tag(log,interval(1e-4,1e-1))"]``; or a
            function ``objective(config, trial)``, which returns the trial's value, or None if it has reported some.
            It may be defined in a notebook's cell, and use classes that are; it is pickled with what it uses, and each
            trial calls it in a process of its own.
        space: for a function: its parameters, ``{"lr": "tag(log,interval(1e-4,1e-1))", "optimizer.name": ["sgd",
            "adam"]}``, as lists of choices, Optuna's distributions, or in the words of Hydra's overrides.
        config: for a function: what else its config holds.
        n_trials: the budget, ``hydra.sweeper.n_trials``.
        n_jobs: slots, ``hydra.sweeper.n_jobs``.
        overrides: further ones, ``["hydra/sweeper/pruner=median", "hydra.sweep.dir=FOLDER"]``. If they name the folder
            of a search that is there, the search goes on with that one, as the same command would.
        program: what Python runs instead, if it is your own Hydra program: ``"train.py"``,
            ``["-m", "my_package"]``. Its config has ``override hydra/sweeper: study``.
        show: whether to print what the search prints; in a notebook a bar counts its trials.
        dry_run: compose and try what would be run, and leave nothing behind.

    Raises:
        ConfigError: the arguments contradict each other, or the function cannot be pickled.
        CommandError: the search could not begin, or ended by failures; the message is what it said.
    """
    budget = {"hydra.sweeper.n_trials": n_trials, "hydra.sweeper.n_jobs": n_jobs}
    others = [*typed(overrides), *(f"{name}={number}" for name, number in budget.items() if number is not None)]
    if callable(searched):
        _require_one_way(program, searched)
        if space is not None and not isinstance(space, Mapping):
            raise ConfigError(f"space is a mapping, {{'lr': 'tag(log,interval(1e-4,1e-1))'}}, and not {space!r}")
        from lightning_sweeps.api.objective import pack

        packed = pack(searched, space or {}, config)
        folder, others = new_folder("sweep", others)
        program = packed.write(folder)
    else:
        if space is not None or config is not None:
            raise ConfigError("space and config are a function's; write them as overrides")
        named, others = folder_named("sweep", [*typed(searched), *others])
        folder, others = (named.absolute(), others) if named else new_folder("sweep", others)
    command = [*start_of(program), "-m", *others, f"hydra.sweep.dir={override_value(folder)}"]
    return dry_run_with(command, folder) if dry_run else search_with(command, folder, show=show)


def _require_one_way(program: Program | None, objective: Callable[..., Any]) -> None:
    if program is not None:
        raise ConfigError("a function is a program of its own: give either that or program=")
    try:
        inspect.signature(objective).bind(None, None)
    except TypeError as error:
        raise ConfigError(f"the objective is called as objective(config, trial): {error}") from error
    except ValueError:
        return  # a builtin does not say
