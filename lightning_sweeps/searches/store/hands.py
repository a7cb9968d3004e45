"""The change of a trial's owner: a supervisor takes the trial, or puts it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState

ANYBODY = "anybody"


@dataclass(frozen=True)
class Hands:
    """A change of owner, which takes place only if the trial is still as it was seen.

    Args:
        key: the attribute that names the owner, by its ``id``.
        before: the state that it must have.
        owner: whose it must be; None: nobody's.
        after: the state that it gets.
        record: the attribute that it gets; None: it keeps its own.
    """

    key: str
    before: TrialState
    owner: str | None
    after: TrialState
    record: Mapping[str, Any] | None = None

    def fit(self, state: TrialState, owner: Mapping[str, Any] | None) -> bool:
        """Whether the trial is as the change expects it."""
        return state is self.before and self.owner in (ANYBODY, (owner or {}).get("id"))
