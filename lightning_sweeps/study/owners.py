"""Which supervisor runs a trial, where several share a study, and whose supervisor is gone."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from lightning_sweeps.errors import FolderError
from lightning_sweeps.study.lock import FolderLock

OWNER = "supervisor"


def sign_new_trials(study: optuna.Study, folder: Path) -> None:
    """Have every trial that this study object creates name its owner from its first moment, also after a kill."""
    owner = {"host": socket.gethostname(), "folder": str(folder)}
    storage: BaseStorage = study._storage  # noqa: SLF001
    create: Any = storage.create_new_trial

    def create_signed(study_id: int, template_trial: FrozenTrial | None = None) -> int:
        if template_trial is None:
            template_trial = create_trial(state=TrialState.RUNNING, user_attrs={OWNER: owner})
        return int(create(study_id, template_trial))

    storage.create_new_trial = create_signed  # type: ignore[method-assign]


@contextmanager
def interrupted_trials(study: optuna.Study, folder: Path) -> Iterator[list[FrozenTrial]]:
    """The trials that count as running although their supervisor is gone.

    A supervisor holds a lock on its folder until it is gone; the folders of those that are gone are locked while
    inside, so that nobody else takes over the same trials. One on another machine is taken to be alive.
    """
    found = []
    with ExitStack() as locks:
        alive: dict[str, bool] = {str(folder): False}
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            owner = trial.user_attrs.get(OWNER, {})
            of = owner.get("folder", str(folder))
            if of not in alive:
                alive[of] = owner.get("host") != socket.gethostname() or not _locked(Path(of), locks)
            if not alive[of]:
                found.append(trial)
        yield found


def _locked(folder: Path, locks: ExitStack) -> bool:
    if not folder.is_dir():
        return True
    try:
        locks.callback(FolderLock(folder).release)
    except FolderError:
        return False
    return True
