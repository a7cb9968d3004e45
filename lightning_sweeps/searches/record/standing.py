"""Whether a search runs."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from lightning_sweeps.machine import identity
from lightning_sweeps.searches.record.saved import Saved
from lightning_sweeps.searches.store.lock import is_locked


def standing(saved: Saved, trials: Sequence[FrozenTrial]) -> tuple[str, list[str]]:
    """``running``, ``stopped`` with trials that have not ended, or ``ended``; and on which other machines it runs."""
    owners = [trial.user_attrs.get("supervisor", {}) for trial in trials if trial.state is TrialState.RUNNING]
    here = saved.folder is not None and is_locked(saved.folder)
    elsewhere = sorted({str(one["host"]) for one in owners if one and one.get("machine") != identity()})
    if here or elsewhere:
        return "running", elsewhere
    begun = saved.study.user_attrs.get("space") is not None
    return ("stopped" if any(not one.state.is_finished() for one in trials) or (begun and not trials) else "ended"), []
