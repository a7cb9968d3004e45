"""Optuna's tables, read and written many rows at a time.

Optuna's own storage makes an object of each row and asks for a trial's state before it writes each attribute. A search
of many supervisors spends most of its time on that. The tables are Optuna's, and so is every format in them.
"""

import copy
import functools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb.models import (
    StudyModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Integer, Table, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from lightning_sweeps.searches.store.hands import Hands

MOST_IDS = 1000  # in one query
distribution_of = functools.lru_cache(maxsize=1000)(json_to_distribution)


@dataclass
class Noted:
    """What is to be written of a trial: parameters as Optuna stores them, and user attributes."""

    params: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)


def read_trials(session: Session, study_id: int, included: Sequence[int], after: int) -> list[FrozenTrial]:
    """The study's trials in the order of their ids.

    Args:
        included: the ids of those up to ``after`` that are wanted.
        after: of those with a larger id all are wanted.

    Raises:
        KeyError: there is no such study.
    """
    columns = (
        *(TrialModel.trial_id, TrialModel.number, TrialModel.state),
        *(TrialModel._datetime_start_utc, TrialModel._datetime_complete_utc),  # noqa: SLF001
    )
    conditions: list[ColumnElement[bool]] = [TrialModel.trial_id > after]
    conditions += [_among(TrialModel.trial_id, ids) for ids in _portions(included)]
    question = select(*columns).where(TrialModel.study_id == study_id, or_(*conditions)).order_by(TrialModel.trial_id)
    trials = session.execute(question).all()
    if not trials and session.get(StudyModel, study_id) is None:
        raise KeyError(f"there is no study {study_id}")
    ids = [row[0] for row in trials]
    values = _rows(session, TrialValueModel, ids, "objective", "value", "value_type")
    reports = _rows(session, TrialIntermediateValueModel, ids, "step", "intermediate_value", "intermediate_value_type")
    params = _rows(session, TrialParamModel, ids, "param_name", "param_value", "distribution_json")
    user = _rows(session, TrialUserAttributeModel, ids, "key", "value_json")
    system = _rows(session, TrialSystemAttributeModel, ids, "key", "value_json")
    return [
        FrozenTrial(
            number=number,
            state=state,
            value=None,
            values=[TrialValueModel.stored_repr_to_value(*rest) for _, *rest in sorted(values[trial_id])] or None,
            datetime_start=_local(started),
            datetime_complete=_local(ended),
            params={name: distribution_of(kind).to_external_repr(value) for name, value, kind in params[trial_id]},
            distributions={name: distribution_of(kind) for name, _, kind in params[trial_id]},
            user_attrs={key: json.loads(value) for key, value in user[trial_id]},
            system_attrs={key: json.loads(value) for key, value in system[trial_id]},
            intermediate_values={
                step: TrialIntermediateValueModel.stored_repr_to_intermediate_value(*rest)
                for step, *rest in reports[trial_id]
            },
            trial_id=trial_id,
        )
        for trial_id, number, state, started, ended in trials
    ]


def create_trial(session: Session, study_id: int, limit: int, template: FrozenTrial) -> FrozenTrial | None:
    """Create a trial like the template; None if the study has ``limit`` trials.

    Args:
        template: a running trial with user attributes at most.
    """
    session.execute(select(StudyModel.study_id).where(StudyModel.study_id == study_id).with_for_update()).one()
    table, started = _table(TrialModel), template.datetime_start
    row = {"study_id": study_id, "state": template.state, "datetime_start": started and _utc(started)}
    inserted: Any = session.execute(insert(table).values(row))  # before all else, since SQLite locks itself with it
    (trial_id,) = inserted.inserted_primary_key
    earlier = select(func.count()).where(TrialModel.study_id == study_id, TrialModel.trial_id < trial_id)
    number = session.execute(earlier).scalar_one()
    if number >= limit:
        session.rollback()
        return None
    session.execute(update(table).where(TrialModel.trial_id == trial_id).values(number=number))
    attributes = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in template.user_attrs.items()
    ]
    if attributes:
        session.execute(insert(_table(TrialUserAttributeModel)), attributes)
    created = copy.deepcopy(template)
    created.number, created._trial_id = number, trial_id  # noqa: SLF001
    return created


def state_and_attribute(session: Session, trial_id: int, key: str) -> tuple[TrialState, Any]:
    """A trial's state, and one of its user attributes; None if it has none of this name."""
    question = (
        select(TrialModel.state, TrialUserAttributeModel.value_json)
        .outerjoin(
            TrialUserAttributeModel,
            (TrialUserAttributeModel.trial_id == TrialModel.trial_id) & (TrialUserAttributeModel.key == key),
        )
        .where(TrialModel.trial_id == trial_id)
    )
    state, value = session.execute(question).one()
    return state, None if value is None else json.loads(value)


def change_hands(session: Session, trial_id: int, hands: Hands, noted: Noted) -> bool:
    """Change a trial's owner, and write what is noted of it; False if the trial is not as expected."""
    table = _table(TrialModel)
    begun = {"datetime_start": datetime.now(UTC).replace(tzinfo=None)} if hands.after is TrialState.RUNNING else {}
    # Before all else, since a database lets only one at a time change a row, and SQLite locks itself with it.
    changed: Any = session.execute(
        update(table)
        .where(table.c.trial_id == trial_id, table.c.state == hands.before)
        .values(state=hands.after, **begun)
    )
    if not changed.rowcount or not hands.fit(hands.before, state_and_attribute(session, trial_id, hands.key)[1]):
        session.rollback()
        return False
    given = {} if hands.record is None else {hands.key: hands.record}
    _put_noted(session, trial_id, Noted(noted.params, noted.user_attrs | given))
    return True


def write_trial(
    session: Session,
    trial_id: int,
    noted: Noted,
    state: TrialState | None = None,
    values: Sequence[float] | None = None,
    at: datetime | None = None,
) -> None:
    """Write what is noted of a trial, and then its state. Doing it twice does no harm.

    Raises:
        UpdateFinishedTrialError: it has ended, in another way than this.
    """
    question = select(TrialModel.state).where(TrialModel.trial_id == trial_id).with_for_update()
    before = session.execute(question).scalar_one()
    if before.is_finished():
        if before is state:
            return
        raise UpdateFinishedTrialError(f"Trial#{trial_id} has already finished and can not be updated.")
    _put_noted(session, trial_id, noted)
    if values is not None:
        stored = [TrialValueModel.value_to_stored_repr(value) for value in values]
        told = [{"objective": i, "value": value, "value_type": kind} for i, (value, kind) in enumerate(stored)]
        _put(session, TrialValueModel, trial_id, "objective", told)
    if state is not None:
        changed: dict[str, Any] = {"state": state}
        if at is not None:
            changed["datetime_complete"] = _utc(at)
        session.execute(update(_table(TrialModel)).where(TrialModel.trial_id == trial_id).values(changed))


def _put_noted(session: Session, trial_id: int, noted: Noted) -> None:
    params = [
        {"param_name": name, "param_value": value, "distribution_json": distribution_to_json(distribution)}
        for name, (value, distribution) in noted.params.items()
    ]
    _put(session, TrialParamModel, trial_id, "param_name", params)
    attributes = [{"key": key, "value_json": json.dumps(value)} for key, value in noted.user_attrs.items()]
    _put(session, TrialUserAttributeModel, trial_id, "key", attributes)


def _put(session: Session, model: Any, trial_id: int, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace these rows of a trial, in SQL that every database understands."""
    if not rows:
        return
    table = _table(model)
    there = table.c[key].in_([row[key] for row in rows])
    session.execute(delete(table).where(table.c.trial_id == trial_id, there))
    session.execute(insert(table), [{"trial_id": trial_id, **row} for row in rows])


def _rows(session: Session, model: Any, ids: Sequence[int], *names: str) -> Mapping[int, list[tuple[Any, ...]]]:
    """The columns of the trials' rows, by the trial and in the order in which they were written."""
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    columns = [getattr(model, name) for name in names]
    for portion in _portions(ids):
        question = select(model.trial_id, *columns).where(_among(model.trial_id, portion))
        for trial_id, *values in session.execute(question.order_by(*_table(model).primary_key)):
            found[trial_id].append(tuple(values))
    return found


def _among(column: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    """The ids are part of the SQL text: a placeholder for each would cost a driver more than all else."""
    among: ColumnElement[bool] = column.in_(bindparam(None, ids, Integer, expanding=True, literal_execute=True))
    return among


def _portions(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS)]


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


def _utc(local: datetime) -> datetime:
    return local.astimezone(UTC).replace(tzinfo=None)


def _local(utc: datetime | None) -> datetime | None:
    """UTC, which Optuna stores, as local time, which its trials have."""
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
