"""A study's sampler and pruner as the scheduler of its trials."""

import logging
from collections.abc import Callable
from importlib import import_module

import optuna
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.engine.contracts import Claim, Decision, Member, Reported, Work
from lightning_sweeps.searches.engine.not_run import KnownError, RefusedError
from lightning_sweeps.searches.engine.outcome import Finished, Outcome, State, told_of
from lightning_sweeps.searches.store.optunas import id_of, is_stopped, let_samplers_stop, storage_of
from lightning_sweeps.searches.study.duplicates import same_as
from lightning_sweeps.searches.study.first_objective import by_the_first_objective, report_and_judge
from lightning_sweeps.searches.study.informed import imports_of
from lightning_sweeps.searches.study.trouble import STORAGE_TROUBLE

log = logging.getLogger(__name__)


class StudyScheduler:
    """Proposes each claimed trial once, as a whole, and prunes.

    Args:
        compose: samples a trial's parameters and composes its config; the flag says that it is run again.
        reuses: a trial with the parameters of a complete one has its values, and is not run.
    """

    def __init__(self, study: optuna.Study, compose: Callable[[Trial, bool], Member], *, reuses: bool = False) -> None:
        self.study = study
        self.reuses = reuses
        self.compose = compose
        several, nop = len(study.directions) > 1, isinstance(study.pruner, optuna.pruners.NopPruner)
        self._view = by_the_first_objective(study) if several else None
        self._prunes = not several or not nop  # without need Optuna keeps reports of a single objective only
        self._has_warned = nop
        self._imports = [*imports_of(study.sampler)]
        let_samplers_stop(study)  # else ``study.stop``, which samplers call, raises

    @property
    def exhausted(self) -> str:
        return "its sampler, which has nothing more to try" if is_stopped(self.study) else ""

    def propose(self, claim: Callable[[], Claim | None]) -> Work | None:
        if (claimed := claim()) is None:
            return None
        trial: Trial = claimed.handle
        try:
            member = self.compose(trial, claimed.resumed)
        except (HydraException, OmegaConfBaseException, ConfigError) as error:  # a missing file's is an OSError too
            reason = f"cannot be composed: {' '.join(str(error).split())}"
            raise RefusedError(claimed.trial, reason) from error
        except STORAGE_TROUBLE:
            raise
        except (Exception, SystemExit) as error:
            log.debug("no parameters", exc_info=True)
            raise RefusedError(claimed.trial, told_of("its parameters", error)) from error
        if self.reuses and not claimed.resumed and (other := same_as(self.study, trial)) is not None:
            raise KnownError(claimed.trial, other.number)
        return Work((member,))

    def prepare(self) -> None:
        """Import what its sampler would import in the middle of its first draw; torch takes seconds."""
        while self._imports:
            import_module(self._imports.pop())

    def on_report(self, report: Reported) -> Decision:
        trial: Trial = report.member.handle
        if not self._prunes:
            return Decision.CONTINUE
        if report.step in storage_of(self.study).get_trial(id_of(trial)).intermediate_values:
            return Decision.CONTINUE  # it was reported before the trial was interrupted
        try:
            if self._view is not None:
                behind = report_and_judge(self._view, id_of(trial), report.value, report.step)
                return Decision.STOP if behind else Decision.CONTINUE
            trial.report(report.value, report.step)
            return Decision.STOP if trial.should_prune() else Decision.CONTINUE
        except UpdateFinishedTrialError:  # this machine was cut off, and another one has run the trial
            return Decision.STOP

    def on_end(self, member: Member, outcome: Outcome) -> Outcome:
        return outcome

    def on_lost(self, trial: int) -> None:
        """Nothing is kept of a trial."""

    def on_finished(self, finished: Finished) -> None:
        """Warn once if the first complete trial has reported nothing, so that the pruner has nothing to judge by."""
        if self._has_warned or finished.state is not State.COMPLETE:
            return
        self._has_warned = True
        if finished.step is None:
            log.warning(
                "trial %s has reported nothing, so %s has nothing to prune by. Report from the program, "
                "lightning_sweeps.current_trial().report(value, step), or choose hydra/sweeper/pruner=none",
                finished.number,
                type(self.study.pruner).__name__,
            )
