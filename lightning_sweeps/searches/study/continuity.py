"""Check that a resumed search is the one that began: same study, same objective, same fixed overrides."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.safety.passwords import masked

ALLOW = "hydra.sweeper.allow_changes=true"
OBJECTIVE, FIXED = "objective", "fixed"  # attributes of the study


def require_study(folder: Path, storage: BaseStorage | None, name: str) -> None:
    """Refuse to begin anew in a folder whose trials are in another study, or in one that is lost.

    Args:
        storage: None if there is none yet.

    Raises:
        ConfigError: the study has fewer trials than the folder's table.
    """
    table = folder / "trials.csv"
    if not table.is_file():
        return
    with table.open(encoding="utf-8") as file:
        there = sum(1 for _ in csv.DictReader(file))
    try:
        known = 0 if storage is None else storage.get_n_trials(storage.get_study_id_from_name(name))
    except KeyError:
        known = 0
    if known < there:
        raise ConfigError(
            f"{folder}: its trials.csv has {there} trials, but the study '{name}' has {known}: it is another one, "
            "or it was lost.\nGive its storage and its study_name, put it back, or name another folder"
        )


def require_same(
    study: optuna.Study, config: DictConfig, fixed: Sequence[str], *, allow_changes: bool, join: bool
) -> list[str]:
    """Refuse to mix trials of another objective into a study, and of other fixed overrides unless that is meant.

    Args:
        join: beside those who are at work on it; theirs stay the study's.

    Returns:
        What has changed, for people; empty if nothing has.

    Raises:
        ConfigError: something has changed that may not, or that nobody has allowed.
    """
    objective: Any = OmegaConf.select(config, "objective")
    objective = OmegaConf.to_container(objective, resolve=False) if OmegaConf.is_config(objective) else objective
    fixed = [masked(line) for line in fixed]
    noted, before = study.user_attrs.get(OBJECTIVE), study.user_attrs.get(FIXED)
    trials = study.get_trials(deepcopy=False)  # those that failed have nothing that could be compared
    begun = any(trial.state is not TrialState.FAIL and "folder" in trial.user_attrs for trial in trials)
    changed = [f"+ {line}" for line in fixed if line not in (before or [])]
    changed += [f"- {line}" for line in before or [] if line not in fixed]
    if begun and noted is not None and noted != objective:
        raise ConfigError(
            f"the study '{study.study_name}' has the objective {noted}, not {objective}: "
            "their values cannot be compared.\nName another folder, and another study_name if a storage is shared"
        )
    if begun and before is not None and changed and not allow_changes:
        raise ConfigError(
            f"the study '{study.study_name}' has trials with other fixed overrides: {', '.join(changed)}.\n"
            f"Type those of before, or {ALLOW} if the trials can be compared all the same"
        )
    if noted != objective and not (join and noted is not None):
        study.set_user_attr(OBJECTIVE, objective)
    if before != fixed and not (join and before is not None):
        study.set_user_attr(FIXED, fixed)
    return changed if begun and before is not None else []
