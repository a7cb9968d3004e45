"""The study as the ledger of its trials."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.engine.contracts import Claim, Member
from lightning_sweeps.searches.engine.outcome import Finished, News, Outcome, checked, told_of, with_reported
from lightning_sweeps.searches.space.constraints import NOTED as CONSTRAINTS
from lightning_sweeps.searches.space.constraints import Constraint, violations
from lightning_sweeps.searches.store.optunas import id_of, storage_of
from lightning_sweeps.searches.store.storage import flush
from lightning_sweeps.searches.study.informed import OUT_OF_MEMORY
from lightning_sweeps.searches.study.news import Reading, finished
from lightning_sweeps.searches.study.notes import note_lost_seconds, note_result, note_seconds, noted_numbers
from lightning_sweeps.searches.study.owners import Owner
from lightning_sweeps.searches.study.parts import FIRST_PART, PARTS, best_part
from lightning_sweeps.searches.study.trouble import STORAGE_TROUBLE

log = logging.getLogger(__name__)
REUSED = ("folder", "overrides", FIRST_PART, PARTS, "checkpoint", "epochs", "seed", CONSTRAINTS)  # of the other trial
TOLD = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}  # every other outcome is recorded as FAIL


class StudyLedger:
    """Claims, finishes and releases a study's trials for one supervisor.

    Args:
        owner: this supervisor among those that share the study.
        reading: of the same study.
        after: called with the study's trials each time that they have been read.
    """

    trouble: tuple[type[Exception], ...] = STORAGE_TROUBLE

    def __init__(
        self,
        owner: Owner,
        reading: Reading,
        after: Callable[[Sequence[FrozenTrial]], None],
        constraints: Sequence[Constraint] = (),
    ) -> None:
        self.study = owner.study
        self.owner = owner
        self.reading = reading
        self._after = after
        self._constraints = constraints
        self._maximized = [one is StudyDirection.MAXIMIZE for one in self.study.directions]
        self._trials: dict[int, Trial] = {}  # by number, those that are ours

    @property
    def next_look(self) -> float:
        return self.owner.next_look

    def claim(self, limit: int) -> Claim | None:
        found = self.owner.next_trial(limit, self.reading.trials)
        if found is None:
            return None
        trial, resumed = found
        self._trials[trial.number] = trial
        return Claim(trial.number, resumed, is_new=trial.number >= len(self.reading.trials), handle=trial)

    def begin(self, member: Member, slot: int) -> None:
        trial, whole = self._trials[member.trial], member.of or member
        trial.set_user_attr("folder", str(whole.folder))
        trial.set_user_attr("overrides", whole.again)
        if member.of is not None and member.part == 0:
            trial.set_user_attr(FIRST_PART, member.again)
        if member.resumed:
            note_lost_seconds(trial, member.folder)
        trial.set_user_attr("process", {"slot": slot, "begun": time.time()})
        flush(self.study)

    def owns(self, trial: int) -> bool:
        return self.owner.owns(self._trials[trial])

    def finish(self, member: Member, outcome: Outcome, seconds: float) -> Finished | None:
        trial = self._trials[member.trial]
        if not self.owner.owns(trial):
            del self._trials[member.trial]
            return None
        note_seconds(trial, seconds)
        folder = self._with_checkpoint(trial, member)
        note_result(trial, folder)
        if outcome.take is not None:
            reports = storage_of(self.study).get_trial(id_of(trial)).intermediate_values
            outcome = with_reported(outcome, reports, maximized=self._maximized[0])
        outcome = checked(outcome, self._maximized)
        if self._constraints and outcome.how in ("done", "pruned"):
            outcome = self._constrained(trial, folder, outcome)
        return self._tell(trial, outcome)

    def _constrained(self, trial: Trial, folder: Path, outcome: Outcome) -> Outcome:
        """Note by how much the trial violates the constraints; it has failed if it does not say."""
        try:
            found = violations(self._constraints, noted_numbers(folder))
        except ConfigError as error:
            return outcome if outcome.how == "pruned" else Outcome("failed", reason=str(error))
        trial.set_user_attr(CONSTRAINTS, found)
        storage_of(self.study).set_trial_system_attr(
            id_of(trial), "constraints", list(found.values())
        )  # as samplers do
        return outcome

    def _with_checkpoint(self, trial: Trial, member: Member) -> Path:
        """The folder that has the trial's best checkpoint: of its best part, if it has parts."""
        parts = trial.user_attrs.get(PARTS)
        if member.of is None or not parts:
            return member.folder
        return member.of.folder / str(best_part(parts, maximized=self._maximized[0]))

    def keep(self, member: Member, seconds: float) -> None:
        if self.owner.owns(trial := self._trials[member.trial]):
            note_seconds(trial, seconds)
            flush(self.study)

    def refuse(self, trial: int, reason: str) -> Finished | None:
        if not self.owner.owns(self._trials[trial]):
            del self._trials[trial]
            return None
        return self._tell(self._trials[trial], Outcome("failed", reason=reason))

    def reuse(self, trial: int, other: int) -> Finished | None:
        ours, known = self._trials[trial], storage_of(self.study).get_trial(self._id_of(other))
        if not self.owner.owns(ours):
            del self._trials[trial]
            return None
        for name in REUSED:
            if name in known.user_attrs:
                ours.set_user_attr(name, known.user_attrs[name])
        ours.set_user_attr("reused", other)
        ours.set_user_attr("reason", f"the same as trial {other}")
        return self._tell(ours, Outcome("done", list(known.values or ())))

    def _id_of(self, number: int) -> int:
        return id_of(self.study.get_trials(deepcopy=False)[number])

    def _tell(self, trial: Trial, outcome: Outcome) -> Finished:
        state = TOLD.get(outcome.how, TrialState.FAIL)
        if state is TrialState.FAIL:
            trial.set_user_attr("reason", outcome.reason)
            if outcome.out_of_memory:
                trial.set_user_attr(OUT_OF_MEMORY, True)
        told = self._tell_study(trial, state, outcome.values if state is TrialState.COMPLETE else None)
        del self._trials[trial.number]  # only now: the storage may have been in trouble, and then it is still ours
        return finished(told)

    def _tell_study(self, trial: Trial, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
        """Tell it; a sampler hears of it there, and may stop the study."""
        try:
            return self.study.tell(trial, values, state)
        except STORAGE_TROUBLE:
            raise
        except Exception as error:
            told: FrozenTrial = storage_of(self.study).get_trial(id_of(trial))
            if not told.state.is_finished():
                raise
            log.warning("trial %s is told; %s", trial.number, told_of("its sampler", error))
            return told

    def release(self, trial: int, seconds: float | None = None) -> None:
        ours = self._trials[trial]
        if seconds is not None and self.owner.owns(ours):
            note_seconds(ours, seconds, interrupted=True)
        self.owner.release(ours)
        del self._trials[trial]

    def retry(self, trial: int, most: int) -> bool:
        retries = int(self._trials[trial].user_attrs.get("retries", 0))
        if retries >= most:
            return False
        self._trials[trial].set_user_attr("retries", retries + 1)
        return True

    def renew(self, ours: Collection[int]) -> set[int]:
        self.owner.give_sign()
        self.owner.put_back(ours)
        return {trial for trial in ours if not self.owner.owns(self._trials[trial])}

    def news(self) -> News:
        news = self.reading.news()
        self._after(self.reading.trials)
        return news
