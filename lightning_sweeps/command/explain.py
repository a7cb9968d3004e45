"""Every exception -> the one or two lines that the user reads, and the exit code."""

import errno
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from lightning_sweeps.errors import RunInterruptedError, SweepsError, nearest, unreadable
from lightning_sweeps.files.folders import unwritable
from lightning_sweeps.overrides.groups import find_groups
from lightning_sweeps.safety.passwords import masked
from lightning_sweeps.searches.space.hub import registry

_KINDS = {"integer": "a whole number", "float": "a number", "boolean": "true or false", "bool": "true or false"}
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST}


def explain(error: BaseException, folders: Sequence[Path], log_file: Path | None = None) -> tuple[str, int]:
    """The message without a traceback, and the exit code: 130 after Ctrl-C, else 1.

    Args:
        folders: the config folders, to name the nearest group or option.
        log_file: where the traceback is.
    """
    if isinstance(error, RunInterruptedError):
        return str(error), 130
    return f"error: {masked(_message(error, folders, log_file))}", 1


def _message(error: BaseException, folders: Sequence[Path], log_file: Path | None) -> str:
    if isinstance(error, SweepsError):
        return str(error)
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if isinstance(error, HydraException):
        return _config_mistake(error, folders)
    if isinstance(error, OmegaConfBaseException):
        message = f"{getattr(error, 'full_key', None) or 'config'}: {_first_line(error)}"
    elif "Config group override must be a string" in str(error):
        message = "a config group is empty: name one of its options, or none if it has that (logger=none); see --help"
    elif isinstance(error, YAMLError):
        message = unreadable(error)
    elif isinstance(error, OSError) and error.filename is None and log_file is None:  # of what Hydra prints
        message = f"stdout cannot be written: {error.strerror}"
    elif isinstance(error, OSError) and (error.errno in _UNWRITABLE or log_file is None):
        folder = log_file.parent if log_file else Path(error.filename or "outputs")
        message = str(unwritable(folder, error.strerror or str(error)))
    else:
        traceback = f"The traceback is in {log_file}" if log_file else "Set HYDRA_FULL_ERROR=1 to see the traceback"
        message = f"{type(error).__name__}: {_first_line(error)}\n{traceback}"
    return message


def _first_line(error: BaseException) -> str:
    """The first line that says something, with the next one if it ends in a colon or in mid-sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else "(no message)"
    for line in lines[1:3]:
        if said[-1] not in ":,;(" and not re.search(r"\b(the|a|of|by|in)$", said):
            break
        said += f" {line}"
    return said


def _config_mistake(error: Exception, folders: Sequence[Path]) -> str:  # noqa: PLR0911, C901 (a case each)
    """Hydra's composition errors, shortened, with the nearest right name."""
    groups = find_groups(folders)
    text = " ".join(str(error).split())

    if match := re.search(r"Could not (?:find|load) '([\w/.-]+)'", text):
        group, _, option = match.group(1).rpartition("/")
        options = groups.get(group, {}) or _options_of_hydra(group)
        if group.endswith("/hub"):
            return _not_in_the_hub(group, option, options)
        if options:
            return (
                f"{group}={option}: no such option.{nearest(option, options)}\n"
                f"Options of {group}: {', '.join(sorted(options))}"
            )
        return f"no config '{match.group(1)}' in {', '.join(map(str, folders))}"
    if match := re.search(r"Could not override '([\w/.@-]+)'\. No match in the defaults list", text):
        name = match.group(1)
        return f"{name}: no such config group.{nearest(name, groups)}\nGroups: {', '.join(groups)}"
    if (match := re.search(r"Could not delete.*? '([^']+)'", text)) and match[1] in groups:
        return f"~{match[1]}: to leave a group out, {match[1]}=none"
    if match := re.search(r"Could not (?:override|delete).*? '([^']+)'", text):
        return _unknown_key(match.group(1), error, groups)
    if match := re.search(r"Error when parsing index: \d+, string: (.*?) out of \[", text):
        return _unreadable_override(match[1], text)
    if match := re.search(r"Error merging override (\S+)", text):
        kind = re.search(r"could not be converted to (\w+)|is not a valid (bool)", f"{text} {error.__cause__}")
        wanted = _KINDS.get((kind[1] or kind[2]).lower()) if kind else None
        return f"{match[1]}: {f'this must be {wanted}' if wanted else _first_line(error.__cause__ or error)}"
    if match := re.search(r"(\S+) appears more than once in the final defaults list", text):
        return f"+{match[1]}: the group has an option already; leave out the +"
    if match := re.search(r"An item is already at '([^']+)'", text):
        return f"+{match[1]}: it is there already; leave out the +"
    if "Ambiguous value" in text:
        return f"{_first_line(error)}\nTo run with each of several values add -m; for one value with commas, quote it"
    if "Could not override ''" in text:
        return "an override has nothing before its '='; overrides are key=value"
    return _first_line(error)


def _not_in_the_hub(group: str, name: str, options: Collection[str]) -> str:
    return (
        f"{group.rpartition('/')[0]}=hub/{name}: hub/{name} is not in {registry()}.{nearest(name, options)}\n"
        "Nothing is downloaded in a search: git clone https://github.com/optuna/optunahub-registry, and have "
        "LIGHTNING_SWEEPS_HUB name that folder"
    )


def _unreadable_override(override: str, text: str) -> str:
    """What Hydra's grammar does not take."""
    if re.fullmatch(r"\w+", override):
        return (
            f"{override}: a run has overrides, key=value, and no commands; a search has -m before them\n"
            "Others: python -m lightning_sweeps.status, .resume, .join, .report, .rerun, .replay, .new and .schemas"
        )
    evaluated = re.search(r"while evaluating '(\w+)\(.*?\)': (.*?)(?: Available: (\S+))?(?: See https|$)", text)
    if evaluated is None:
        return (
            f"{override}: this is no override. They are key=value\n"
            "Put values with blanks, commas, brackets, quotes or '=' in quotes: 'key=\"a b\"'"
        )
    function, reason, available = evaluated.groups()
    hint = nearest(function, available.split(",")) if available else ""
    return (
        f"{override}: {reason}.{hint}\n"
        "Write interval(0.1,0.9), tag(log,interval(0.001,0.1)), int(interval(8,64)), range(1,5) or choice(a,b)"
    )


def _options_of_hydra(group: str) -> list[str]:
    """The options of a group that is in Python, such as ``hydra/sweeper/sampler``."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # the plugins register them
    try:
        names = ConfigStore.instance().list(group)
        return [name.removesuffix(".yaml") for name in names if name.endswith(".yaml")]  # the others are groups below
    except OSError:
        return []


def _unknown_key(key: str, error: Exception, groups: dict[str, dict[str, Path]]) -> str:
    """A dotted key that the composed config does not have."""
    cause = error.__cause__
    parent = getattr(cause, "parent_node", None)
    missing = str(getattr(cause, "key", "") or key.rpartition(".")[2])
    known = [str(name) for name in parent] if parent is not None and hasattr(parent, "keys") else []
    full = str(getattr(cause, "full_key", "") or key)
    prefix = full.rpartition(".")[0]
    if not prefix:
        known += [group for group in groups if group not in known]
    hint = nearest(missing, known)
    if hint and prefix:
        hint = hint.replace(" Did you mean '", f" Did you mean '{prefix}.", 1)
    where = prefix or "the config"
    key = full if full.startswith(f"{key}.") else key  # in a dict that was given as a whole
    return f"{key}: no such key.{hint}\nKeys of {where}: {', '.join(known)}" if known else f"{key}: no such key.{hint}"
