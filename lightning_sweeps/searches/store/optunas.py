"""What is used of Optuna's studies and trials beside their public interface.

``ask`` creates a trial that nobody owns yet, and ``tell`` and ``optimize`` know the trials of their own process. Here a
trial has its owner's name from its first moment, may be taken over from another process, and is asked about in one call
instead of by reading the study. For that one needs the study's storage and the ids in it. Tested with Optuna 5.0; if a
release has other names, ``tests/test_private_parts.py`` says which.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState


def storage_of(study: optuna.Study) -> BaseStorage:
    """Where the study is kept."""
    return study._storage


def id_in_storage(study: optuna.Study) -> int:
    """The study's number in its storage."""
    return study._study_id


def id_of(trial: Trial | FrozenTrial) -> int:
    """A trial's number in its storage, which is another than its number in the study."""
    return trial._trial_id


def backend_of(storage: BaseStorage) -> Any:
    """What a journal or a cache writes to; None for other storages."""
    return getattr(storage, "_backend", None)


def file_of_journal(backend: Any) -> str:
    """The path of a journal file."""
    return str(backend._file_path)


def read_anew(study: optuna.Study) -> None:
    """Forget the trials that were read for the last one, as ``ask`` does."""
    study._thread_local.cached_all_trials = None


def let_samplers_stop(study: optuna.Study) -> None:
    """Make ``study.stop``, which samplers call, work as in ``optimize``; it would raise."""
    study._thread_local.in_optimize_loop = True


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a parameter may have this value, as Optuna itself checks it."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except (ValueError, TypeError):
        return False


def draw_ahead(
    trial: Trial,
    distributions: Mapping[str, BaseDistribution],
    has: Callable[[str, Mapping[str, Any]], bool],
    *,
    again: bool,
) -> dict[str, Any]:
    """What the sampler would have the trial's parameters be, without noting it.

    Args:
        has: whether a parameter is there with these values of those before it.
        again: another draw than the one that the trial began with.
    """
    study, frozen = trial.study, trial._get_latest_trial()
    relative = trial.relative_params
    if again:
        relative = study.sampler.sample_relative(study, frozen, trial.relative_search_space or {})
    drawn: dict[str, Any] = {}
    for name, distribution in distributions.items():
        if not has(name, drawn):
            continue
        if distribution.single():
            drawn[name] = distribution.to_external_repr(distribution.to_internal_repr(_only(distribution)))
        elif name in relative:
            drawn[name] = relative[name]
        else:
            drawn[name] = study.sampler.sample_independent(study, frozen, name, distribution)
    return drawn


def _only(distribution: Any) -> Any:
    return distribution.choices[0] if hasattr(distribution, "choices") else distribution.low


def is_fixed(trial: Trial) -> bool:
    """Whether parameters of the trial were given when it was put into the study."""
    return bool(trial._fixed_params)


def fix(trial: Trial, params: Mapping[str, Any]) -> None:
    """Have the trial's parameters be these."""
    trial._fixed_params = dict(params)


def is_stopped(study: optuna.Study) -> bool:
    """Whether a sampler has called ``study.stop``."""
    return bool(study._stop_flag)


Change = Callable[[Sequence[FrozenTrial]], list[FrozenTrial]]


def with_other_trials(study: optuna.Study, change: Change) -> optuna.Study:
    """The study as a sampler is to see it.

    Args:
        change: what it is to see in the place of the study's trials.
    """
    seen: Any = _OtherTrials(study, change)
    return seen  # type: ignore[no-any-return]


class _OtherTrials:
    """All of a study but for its trials."""

    def __init__(self, study: optuna.Study, change: Change) -> None:
        self._study = study
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        return self._get_trials(deepcopy, states)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = self._change(self._study._get_trials(deepcopy, None, use_cache))
        return [one for one in trials if states is None or one.state in states]
