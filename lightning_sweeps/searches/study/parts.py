"""The scheduler of trials that are run several times, with other seeds or on other folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.engine.contracts import Claim, Decision, Member, Reported, Work
from lightning_sweeps.searches.engine.not_run import RefusedError
from lightning_sweeps.searches.engine.outcome import Finished, Outcome, checked, with_reported
from lightning_sweeps.searches.space.repeats import Parts
from lightning_sweeps.searches.store.optunas import id_of, storage_of
from lightning_sweeps.searches.study.first_objective import by_the_first_objective, report_and_judge
from lightning_sweeps.searches.study.scheduler import StudyScheduler

PARTS = "parts"  # an attribute of the study: how its trials are divided; and of a trial: part -> values
FIRST_PART = "first_part"  # an attribute of a trial: the overrides of its first part
REPORT = "lightning_sweeps:report:"  # a trial's system attributes that begin so: part:step -> value


@dataclass
class Divided:
    """A trial of ours, and how far its parts have come."""

    whole: Member
    waiting: list[int]
    values: dict[int, list[float]]
    reports: dict[int, dict[int, float]] = field(default_factory=dict)


class PartsScheduler:
    """Runs each trial in parts; its value is made of theirs, and a pruner may spare it the rest of them.

    Between the parts a pruner hears of them: a WilcoxonPruner of each part's value, with the part's number as the step,
    so that it compares the same seeds and folds; another one of the value so far, after one, two, three parts.

    Args:
        part_of: composes a part of a trial.
    """

    def __init__(
        self,
        study: optuna.Study,
        compose: Callable[[Trial, bool], Member],
        part_of: Callable[[Member, int], Member],
        parts: Parts,
        *,
        reuses: bool = False,
    ) -> None:
        self.study = study
        self.parts = parts
        self._part_of = part_of
        self._whole = StudyScheduler(study, compose, reuses=reuses)
        self._maximized = [one is StudyDirection.MAXIMIZE for one in study.directions]
        self._view = by_the_first_objective(study) if len(study.directions) > 1 else None
        self._divided: dict[int, Divided] = {}

    @property
    def exhausted(self) -> str:
        return self._whole.exhausted

    def propose(self, claim: Callable[[], Claim | None]) -> Work | None:
        """The parts of trials that have begun come before new trials."""
        for trial, divided in self._divided.items():
            if divided.waiting:
                return self._work(trial, divided)
        if (work := self._whole.propose(claim)) is None:
            return None
        (whole,) = work.members
        self._divided[whole.trial] = divided = self._begun(whole)
        return self._work(whole.trial, divided)

    def _begun(self, whole: Member) -> Divided:
        """What earlier processes have left of the trial."""
        trial: FrozenTrial = storage_of(self.study).get_trial(id_of(whole.handle))
        values = {int(part): list(those) for part, those in trial.user_attrs.get(PARTS, {}).items()}
        if (
            len(values) == self.parts.count
        ):  # all have ended, and nobody was there to say so: the last one says it again
            values.popitem()
        reports: dict[int, dict[int, float]] = {}
        for name, value in trial.system_attrs.items():
            if name.startswith(REPORT):
                part, step = map(int, name.removeprefix(REPORT).split(":"))
                reports.setdefault(part, {})[step] = value
        waiting = [part for part in range(self.parts.count) if part not in values]
        return Divided(whole, waiting, values, reports)

    def _work(self, trial: int, divided: Divided) -> Work:
        part = divided.waiting.pop(0)
        try:
            return Work((self._part_of(divided.whole, part),))
        except ConfigError as error:
            self.on_lost(trial)
            raise RefusedError(trial, f"part {part}: {error}") from error

    def prepare(self) -> None:
        self._whole.prepare()

    def on_report(self, report: Reported) -> Decision:
        member = report.member
        if (divided := self._divided.get(member.trial)) is None:
            return Decision.STOP
        reports = divided.reports.setdefault(member.part, {})
        if report.step not in reports:
            reports[report.step] = report.value
            storage, trial_id = storage_of(self.study), id_of(member.handle)
            storage.set_trial_system_attr(trial_id, f"{REPORT}{member.part}:{report.step}", report.value)
        return Decision.CONTINUE

    def on_end(self, member: Member, outcome: Outcome) -> Outcome | None:
        divided = self._divided[member.trial]
        outcome = with_reported(outcome, divided.reports.get(member.part, {}), maximized=self._maximized[0])
        outcome = checked(outcome, self._maximized)
        if outcome.how == "failed":
            outcome.reason = f"part {member.part}: {outcome.reason}"
        ended = self._after(member, divided, outcome.values) if outcome.how == "done" else outcome
        if ended is not None:
            self.on_lost(member.trial)
        return ended

    def _after(self, member: Member, divided: Divided, values: list[float]) -> Outcome | None:
        """What becomes of the trial after a part with these values."""
        trial: Trial = member.handle
        divided.values[member.part] = values
        ended = dict(sorted(divided.values.items()))
        trial.set_user_attr(PARTS, {str(part): those for part, those in ended.items()})
        so_far = self._aggregated(list(ended.values()))
        if len(ended) == self.parts.count:
            return Outcome("done", so_far)
        wilcoxon = isinstance(self.study.pruner, optuna.pruners.WilcoxonPruner)
        value, step = (values[0], member.part) if wilcoxon else (so_far[0], len(ended))
        if self._view is not None:
            behind = report_and_judge(self._view, id_of(trial), value, step)
            return Outcome("pruned") if behind else None
        trial.report(value, step)
        return Outcome("pruned") if trial.should_prune() else None

    def _aggregated(self, values: Sequence[Sequence[float]]) -> list[float]:
        columns = zip(*values, strict=True)
        return [self.parts.value(one, maximized=up) for one, up in zip(columns, self._maximized, strict=True)]

    def on_lost(self, trial: int) -> None:
        self._divided.pop(trial, None)

    def on_finished(self, finished: Finished) -> None:
        self._whole.on_finished(finished)


def parts_noted(study: optuna.Study) -> Parts | None:
    """How the study's trials are divided; None if they are not."""
    noted = dict(study.user_attrs.get(PARTS) or {})
    if not noted:
        return None
    aggregate = str(noted.pop("aggregate", "mean"))
    ((kind, count),) = noted.items()
    return Parts(kind, int(count), aggregate)


def best_part(parts: Mapping[str, Sequence[float]], *, maximized: bool) -> int:
    """The part with the best value of the first objective."""
    return int((max if maximized else min)(parts, key=lambda part: parts[part][0]))


def require_same_parts(study: optuna.Study, parts: Parts | None) -> None:
    """Note how the study's trials are divided.

    Raises:
        ConfigError: those that it has are divided in another way.
    """
    described = parts.described() if parts is not None else {}
    noted: Any = study.user_attrs.get(PARTS)
    begun = bool(study.get_trials(deepcopy=False))
    if begun and (noted or {}) != described:
        shown = [
            ", ".join(f"{name}={value}" for name, value in one.items()) or "none" for one in (noted or {}, described)
        ]
        raise ConfigError(
            f"the study '{study.study_name}' has trials with {shown[0]}, not {shown[1]}: "
            "their values cannot be compared.\n"
            "Go on with the same repeats, folds and aggregate, or search in another folder"
        )
    if not begun and noted != described and described:
        study.set_user_attr(PARTS, described)
