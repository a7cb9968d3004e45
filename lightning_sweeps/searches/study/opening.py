"""A study, new or to go on with."""

import functools
import time

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, json_to_distribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.space.space import Space

SPACE = "space"  # an attribute of the study
SECONDS_TO_BEGIN = 1.0  # after which who has created a study, and may be about to begin, has noted its space


def open_study(
    storage: BaseStorage,
    name: str,
    directions: list[str],
    sampler: optuna.samplers.BaseSampler,
    pruner: optuna.pruners.BasePruner,
    space: Space,
) -> tuple[optuna.Study, bool]:
    """Create the study, or go on with the one of that name.

    Returns:
        The study, and whether it is new: of several supervisors that open it at once one is told so.

    Raises:
        ConfigError: its directions or its space are others; shows the difference.
    """
    create = functools.partial(
        optuna.create_study,
        storage=storage,
        study_name=name,
        directions=directions,  # type: ignore[arg-type]
        sampler=sampler,
        pruner=pruner,
    )
    try:
        study = create()
    except DuplicatedStudyError:
        study = create(load_if_exists=True)
        if SPACE not in study.user_attrs:
            time.sleep(SECONDS_TO_BEGIN)
    untouched = SPACE not in study.user_attrs and not study.get_trials(deepcopy=False)
    before = [direction.name.lower() for direction in study.directions]
    if before != directions:
        raise ConfigError(f"the study '{name}' has direction {before}, not {directions}; a study keeps its direction")
    described, known = space.described(), study.user_attrs.get(SPACE)
    conditions = {name: [one.text for one in those] for name, those in space.conditions.items()}
    if known is None:
        study.set_user_attr("conditions", conditions)
        study.set_user_attr(SPACE, described)
    elif known != described:
        names = [key for key in {**known, **described} if known.get(key) != described.get(key)]
        shown = "; ".join(f"{key} was {typed(known.get(key))}, now {typed(described.get(key))}" for key in names)
        raise ConfigError(
            f"the study '{name}' has another search space; a study keeps its space.\nChanged: {shown}. "
            "Search in another folder, or in a study of another name"
        )
    elif (noted := study.user_attrs.get("conditions", {})) != conditions:
        raise ConfigError(
            f"the study '{name}' has the conditions {noted}, not {conditions}; a study keeps its space.\n"
            "Search in another folder, or in a study of another name"
        )
    return study, untouched


def typed(noted: str | None) -> str:
    """A distribution as the user types it."""
    if noted is None:
        return "not there"
    distribution = json_to_distribution(noted)
    if isinstance(distribution, CategoricalDistribution):
        return f"choice({','.join(map(str, distribution.choices))})"
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101 (for the type checker)
    step = f",step={distribution.step}" if distribution.step not in (None, 1) else ""
    text = f"interval({distribution.low},{distribution.high}{step})"
    text = f"int({text})" if isinstance(distribution, IntDistribution) else text
    return f"tag(log,{text})" if distribution.log else text
