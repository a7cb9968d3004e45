"""``hydra.sweeper.warm_start``: what the first trials of a search are."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.text import key_of, written
from lightning_sweeps.searches.history import OPTION, history, is_history
from lightning_sweeps.searches.point import inside, point_of, point_of_values, same, value_of
from lightning_sweeps.searches.record.saved import open_saved
from lightning_sweeps.searches.record.trials_csv import COLUMNS, ranked
from lightning_sweeps.searches.space.compose import Composer
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.store.optunas import contains
from lightning_sweeps.searches.study.opening import typed

CONFIG = "config"
AUTO = "auto"
BEST = 3  # trials of an earlier search, unless a number is given
OURS = {*COLUMNS, "value_std", "value_parts"}  # columns of trials.csv that are no parameters


class _NoPointError(ConfigError):
    """The config has no value of its own for a parameter."""


class _OutsideError(_NoPointError):
    """The config's value of a parameter is none of the space's."""


@dataclass(frozen=True)
class WarmStart:
    """Points of the space that the first trials have; a parameter that a point lacks is drawn.

    Args:
        said: what they are, for people; empty if there are none.
        history: trials of an earlier search, which the sampler knows.
    """

    points: Sequence[Mapping[str, Any]] = ()
    said: str = ""
    history: Sequence[FrozenTrial] = ()

    def put_into(self, study: optuna.Study) -> None:
        """Let the points wait in a new study."""
        for point in self.points:
            study.enqueue_trial(dict(point), skip_if_exists=True)


def warm_start(
    given: Any, space: Space, compose: Composer, n_trials: int, directions: Sequence[str], *, samples: bool
) -> WarmStart:
    """Read what was asked for.

    Args:
        given: ``auto``, or one of the following or a list of them: ``config`` for the config's own values, a mapping or
            a list of overrides, a CSV file, a search's folder or URL, ``{from: FOLDER, best: 3}``, or
            ``{from: FOLDER, history: true}``, which are no trials of this search but its sampler knows them.
        samples: whether a sampler draws trials. If every combination is run, their order is all that could change.

    Raises:
        ConfigError: there is no such thing, or it is outside the space.
    """
    if given is None or given == [] or not space.distributions:
        return WarmStart()
    if given == AUTO:
        if not samples:
            return WarmStart()
        try:
            point = _of_the_config(space, compose)
        except _OutsideError as error:
            return WarmStart(said=f"the first trial does not have the config's own values: {error}")
        except _NoPointError:
            return WarmStart()
        return WarmStart([point], "the first one has the config's own values") if point else WarmStart()
    if not samples:
        raise ConfigError(f"{OPTION}: every combination of this space is run, so there is nothing to begin with")
    parts = given if OmegaConf.is_list(given) or isinstance(given, list | tuple) else [given]
    parts = [list(parts)] if parts and all(isinstance(one, str) and "=" in one for one in parts) else list(parts)
    known = [trial for part in parts if is_history(part) for trial in history(part, space, directions)]
    points = [point for part in parts if not is_history(part) for point in _points(part, space, compose)]
    if len(points) > n_trials:
        raise ConfigError(f"{OPTION} has {len(points)} points, and the budget is {n_trials} trials: raise n_trials")
    first = "the first one is that" if len(points) == 1 else f"the first {len(points)} are those"
    said = [f"{first} of warm_start"] * bool(points) + [f"its sampler knows {len(known)} earlier trials"] * bool(known)
    return WarmStart(points, "; ".join(said), known)


def _points(part: Any, space: Space, compose: Composer) -> Iterator[dict[str, Any]]:
    if part == CONFIG:
        try:
            point = _of_the_config(space, compose)
        except _NoPointError as error:
            raise ConfigError(f"{OPTION}=config: {error}") from None
        yield point
    elif isinstance(part, Mapping) and "from" in part:
        if unknown := sorted(set(part) - {"from", "best", "study"}):
            raise ConfigError(f"{OPTION}: {unknown[0]}: an earlier search is {{from: FOLDER, best: 3, study: NAME}}")
        yield from _of_a_search(str(part["from"]), part.get("best", BEST), part.get("study"), space)
    elif isinstance(part, Mapping):
        yield point_of_values(part, OPTION, space)
    elif isinstance(part, str) and part.endswith(".csv"):
        yield from _of_a_table(Path(part), space)
    elif isinstance(part, str) and "=" not in part:
        yield from _of_a_search(part, BEST, None, space)
    else:
        lines = [part] if isinstance(part, str) else part
        if not isinstance(lines, Sequence) or not all(isinstance(one, str) and "=" in one for one in lines):
            raise ConfigError(
                f"{OPTION}: {part}: name config, overrides as [optimizer.lr=1e-3, model.net.width=64], a CSV file, "
                "or an earlier search's folder"
            )
        yield point_of({key_of(one): one.partition("=")[2] for one in lines}, OPTION, space)


def _of_the_config(space: Space, compose: Composer) -> dict[str, Any]:
    """The point that the config holds without the search.

    Raises:
        _NoPointError: it holds none, or one that is outside of the space.
    """
    config = compose.numbered(space.overrides({}))
    point: dict[str, Any] = {}
    for name, distribution in space.distributions.items():
        if not space.has(name, point):
            continue
        if name in space.rows:
            row = _row_of_the_config(space.rows[name], config)
            if row is None:
                raise _OutsideError(f"what the config holds is outside of all values of {name}")
            point[name] = row
            continue
        key = key_of(space.key(name))
        held = _held(config, key)
        if held is None:
            raise _NoPointError(f"the config has no value of its own for {key}")
        value = value_of(key, held if isinstance(held, str) else written(held), OPTION, space, name)
        if not contains(distribution, value):
            allowed = typed(distribution_to_json(distribution))
            raise _OutsideError(f"the config's own {key}={held} is outside of {allowed}")
        point[name] = value
    return point


def _row_of_the_config(rows: Mapping[Any, Sequence[str]], config: Any) -> Any:
    """The value of a zip all of whose overrides hold in the config already."""
    for value, lines in rows.items():
        held = {line: _held(config, key_of(line)) for line in lines}
        if all(text is not None and same(line.partition("=")[2], text) for line, text in held.items()):
            return value
    return None


def _held(config: Any, key: str) -> Any:
    """The option that a config group has, else the value at the key in plain values."""
    choices = config.hydra.runtime.choices
    if key in choices:
        return str(choices[key])
    value = OmegaConf.select(config, key, throw_on_missing=False)
    plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    return plain if plain is None else written(plain)


def _of_a_table(file: Path, space: Space) -> Iterator[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:  # a spreadsheet's file begins with a mark
            reader = csv.DictReader(lines)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{OPTION}={file}: {getattr(error, 'strerror', None) or error}") from error
    if not rows:
        raise ConfigError(f"{OPTION}={file}: it has no rows; the first line names the parameters")
    names = list(reader.fieldnames or ())
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"{OPTION}={file}: two columns are named {twice}")
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise ConfigError(f"{OPTION}={file}, line {number}: it has more cells than the first line")
        named = {name.removeprefix("params_"): text for name, text in row.items() if name and text}
        texts = {name: text for name, text in named.items() if name not in OURS}
        yield point_of(texts, f"{OPTION}={file}, line {number}", space)


def _of_a_search(where: str, best: Any, study_name: str | None, space: Space) -> Iterator[dict[str, Any]]:
    if not isinstance(best, int) or isinstance(best, bool) or best < 1:
        raise ConfigError(f"{OPTION}: best={best}: it is a number of trials, at least 1")
    try:
        saved = open_saved(where, None, study_name)
    except ConfigError as error:
        raise ConfigError(f"{OPTION}={error}") from error
    several = len(saved.study.directions) > 1
    found = (saved.study.best_trials if several else ranked(saved.study))[:best]
    if not found:
        raise ConfigError(f"{OPTION}={where}: no trial of that search is complete")
    names = {key_of(name): name for name in space.distributions}
    for trial in found:
        params = {names[key]: value for name, value in trial.params.items() if (key := key_of(name)) in names}
        if not params:
            raise ConfigError(f"{OPTION}={where}: that search has none of the parameters of this one")
        yield inside(space.present(params), f"{OPTION}={where}, trial {trial.number}", space)
