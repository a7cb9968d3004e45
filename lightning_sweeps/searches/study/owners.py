"""Which supervisor owns a trial, if several share a study, and which trials belong to one that is gone."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from lightning_sweeps.machine import identity, usable_cores
from lightning_sweeps.searches.engine.not_run import NotBegunError
from lightning_sweeps.searches.engine.outcome import told_of
from lightning_sweeps.searches.store.hands import ANYBODY, Hands
from lightning_sweeps.searches.store.lock import SupervisorLock, is_gone, left_behind
from lightning_sweeps.searches.store.optunas import id_in_storage, id_of, read_anew, storage_of
from lightning_sweeps.searches.store.storage import be_patient, change_hands, create_within, forget, state_and_attribute
from lightning_sweeps.searches.study.news import finished
from lightning_sweeps.searches.study.trouble import STORAGE_TROUBLE

log = logging.getLogger(__name__)
OWNER = "supervisor"  # a trial's attribute
SIGN_OF_LIFE = "lightning_sweeps:supervisor:"  # the study's system attributes that begin so
SIGNS_IN_A_GRACE_PERIOD = 4


class Owner:
    """This supervisor among those that share the study.

    A trial belongs to the supervisor that created it, or took it while it was WAITING; a storage lets only one do that.
    An interrupted trial waits again. The trials of a supervisor that is gone are put back by another one: at once if
    its lock is on this machine, else when it has given no sign of life for its grace period. The period is measured
    by the clock of the one who waits, so that no two machines' clocks are compared.

    Args:
        folder: of the search.
        grace_period: seconds.
        slots: how many it has.
    """

    def __init__(self, study: optuna.Study, folder: Path, grace_period: float, slots: int = 1) -> None:
        self.study = study
        self.folder = folder
        self.storage = storage_of(study)
        self.grace_period = grace_period
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.lock = SupervisorLock(folder, self.id)
        self.record: dict[str, Any] = {
            "id": self.id,
            "host": socket.gethostname(),
            "machine": identity(),
            "lock": str(self.lock.file),
            "cores": _cores(),
            "slots": slots,
        }
        self.next_look = 0.0  # on the monotonic clock
        self._signs = 0
        self._said: set[str] = set()  # supervisors whose trials were reported as still running
        self._heard: dict[str, tuple[Any, float]] = {}
        self.give_sign()
        be_patient(self.storage, grace_period * 0.75)  # so that this one gives up before another takes its trials

    def give_sign(self, *, last: bool = False) -> None:
        """Say that this supervisor is alive, or that it leaves."""
        self._signs += 1
        said = {"sign": self._signs, "grace_period": 0.0 if last else self.grace_period}
        self.storage.set_study_system_attr(id_in_storage(self.study), f"{SIGN_OF_LIFE}{self.id}", said)
        self.next_look = time.monotonic() + self.grace_period / SIGNS_IN_A_GRACE_PERIOD

    def close(self) -> None:
        """Leave. Others may take over at once what still belongs to this supervisor."""
        be_patient(self.storage, 0.0)
        with suppress(*STORAGE_TROUBLE):  # without this sign the others wait for the grace period
            self.give_sign(last=True)
        self.lock.release()

    def next_trial(self, n_trials: int, trials: Sequence[FrozenTrial] | None = None) -> tuple[Trial, bool] | None:
        """A trial that waits, and whether it has run before; else a new one; none if there are ``n_trials``.

        Args:
            trials: the study's as they were read a moment ago. The storage sees to it that one that has been taken
                since is not taken again, and that no trial is one too many.
        """
        read_anew(self.study)  # as ``ask`` does
        trials = self.study.get_trials(deepcopy=False) if trials is None else trials
        for trial in trials[:n_trials]:
            if trial.state is TrialState.WAITING and self._take(trial):
                return self._begin(id_of(trial)), "folder" in trial.user_attrs
        if len(trials) >= n_trials:
            return None
        # The trial names its owner from its first moment: this process may be killed in the next one.
        template = create_trial(state=TrialState.RUNNING, user_attrs={OWNER: self.record})
        trial_id = create_within(self.study, n_trials, template)
        return None if trial_id is None else (self._begin(trial_id), False)

    def _begin(self, trial_id: int) -> Trial:
        """Let the sampler begin the trial; if it raises, the trial has failed."""
        try:
            return Trial(self.study, trial_id)
        except STORAGE_TROUBLE:
            raise
        except (Exception, SystemExit) as error:
            self.storage.set_trial_user_attr(trial_id, "reason", told_of("its parameters", error))
            self.storage.set_trial_state_values(trial_id, TrialState.FAIL)
            raise NotBegunError(finished(self.storage.get_trial(trial_id))) from error

    def others_here(self, trials: Sequence[FrozenTrial]) -> int:
        """How many slots of other supervisors work on the same cores."""
        owners = [trial.user_attrs.get(OWNER, {}) for trial in trials if trial.state is TrialState.RUNNING]
        return sum(
            {
                owner["id"]: int(owner.get("slots", 1))
                for owner in owners
                if owner.get("machine") == self.record["machine"]
                and owner["id"] != self.id
                and int(self.record["cores"], 16) & int(owner.get("cores", "0"), 16)
            }.values()
        )

    def owns(self, trial: Trial) -> bool:
        """Whether the trial is still ours: another supervisor may have taken us for gone."""
        owned = self._belongs_to(id_of(trial), self.id)
        if not owned:
            forget(self.study, id_of(trial))
        return owned

    def release(self, trial: Trial) -> None:
        """Put back a trial that was interrupted."""
        self._put_back(id_of(trial), self.id)
        forget(self.study, id_of(trial))

    def put_back(self, running: Collection[int], patience: float = 0.0) -> None:
        """Put back the trials of supervisors that are gone.

        Args:
            patience: seconds to wait for the trials of one that has just gone.
            running: the numbers of our own trials. A trial of ours that is not among them was created by a call
                whose reply got lost; it is put back too.
        """
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        owners = {owner.get("id"): owner for trial in trials if (owner := trial.user_attrs.get(OWNER, {}))}
        left, silent = self._silent()
        gone: dict[Any, bool] = {None: True, self.id: False}
        for trial in trials:
            name = trial.user_attrs.get(OWNER, {}).get("id")
            if name == self.id and trial.number not in running:
                self._put_back(id_of(trial), name)
            if name not in gone:
                gone[name] = name in left or self._is_gone(owners[name], silent, patience)
            if gone[name]:
                self._put_back(id_of(trial), name)

    def _put_back(self, trial_id: int, owner: str | None) -> bool:
        return change_hands(self.study, trial_id, Hands(OWNER, TrialState.RUNNING, owner, TrialState.WAITING))

    def _is_gone(self, owner: Mapping[str, Any], silent: Collection[str], patience: float) -> bool:
        if owner.get("machine") == self.record["machine"]:
            gone = is_gone(Path(owner["lock"]), patience)
            if gone is False:
                self._say_who_is_left(owner)
            if gone is not None:
                return gone
        return owner["id"] in silent

    def _say_who_is_left(self, owner: Mapping[str, Any]) -> None:
        if owner["id"] in self._said or (who := left_behind(Path(owner["lock"]))) is None:
            return
        self._said.add(owner["id"])
        log.warning("a trial of a supervisor that is gone has not ended%s; until then it is not run again", who)

    def _silent(self) -> tuple[set[str], set[str]]:
        """Who has said that it leaves, and who has given no sign for too long.

        Of the living supervisors only the first by name puts back the silent ones' trials, so that no two do.
        """
        said = self.storage.get_study_system_attrs(id_in_storage(self.study))
        now = time.monotonic()
        silent = set()
        names = {key.removeprefix(SIGN_OF_LIFE): value for key, value in said.items() if key.startswith(SIGN_OF_LIFE)}
        for name, value in names.items():
            if name not in self._heard or self._heard[name][0] != value["sign"]:
                self._heard[name] = (value["sign"], now)
            if now - self._heard[name][1] >= value["grace_period"]:
                silent.add(name)
        left = {name for name, value in names.items() if not value["grace_period"]} - {self.id}
        first = min(names.keys() - silent | {self.id})
        return left, silent - {self.id} if self.id == first else set()

    def _belongs_to(self, trial_id: int, name: str | None) -> bool:
        state, owner = state_and_attribute(self.study, trial_id, OWNER)
        return state is TrialState.RUNNING and (owner or {}).get("id") == name

    def _take(self, trial: FrozenTrial) -> bool:
        taken = Hands(OWNER, TrialState.WAITING, ANYBODY, TrialState.RUNNING, self.record)
        return change_hands(self.study, id_of(trial), taken)


def _cores() -> str:
    """The cores that this process may use, a bit for each."""
    return f"{sum(1 << core for core in usable_cores()):x}"
