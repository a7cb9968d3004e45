"""The loop that owns the slots of one machine: ask the study, start a process, wait, tell the study."""

import logging
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import optuna
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.search.engine.budget import Tally
from lightning_sweeps.search.engine.outcome import Outcome, told_of
from lightning_sweeps.search.engine.signals import Signals
from lightning_sweeps.search.engine.verdict import Ending, judge_ending
from lightning_sweeps.search.execute.processes import Processes
from lightning_sweeps.search.execute.ranks import Launch
from lightning_sweeps.search.execute.running import Rank, Running
from lightning_sweeps.search.execute.task import BEGUN, READY, SAVED, SAVING
from lightning_sweeps.search.record.notes import note_lost_seconds, note_result, note_seconds
from lightning_sweeps.search.record.view import View
from lightning_sweeps.search.space.job import Job
from lightning_sweeps.search.store.owners import STORAGE_TROUBLE, NotBegunError, Owner
from lightning_sweeps.search.store.storage import flush

log = logging.getLogger(__name__)
TOLD = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}  # of the others that are told, all failed
SECONDS_TO_STOP = 10.0  # after Ctrl-C a trial may end its step; then it is killed unless it is writing
SECONDS_BETWEEN_LOOKS = 0.5  # of one that has nothing to do until another's trial has ended
SECONDS_TO_LEAVE = 60.0  # a process may take this long to end after its trial: threads of the user's, a GPU's memory
SECONDS_OF_AN_ERRAND = 10.0  # so long before the end a process gets ready for what is to be done then
SECONDS_TO_FOLLOW = 5.0  # the processes of a distributed trial may take this long to fail with the first that did


class Supervisor:
    """Runs trials in slots until a budget is used; ``ending`` says which.

    Args:
        owner: this supervisor among those that share the study; has the trials to run.
        compose: samples a trial's parameters and composes its job; the flag says that it is run again.
        processes: starts a job in a slot; None where jobs run in this process.
        run_here: runs a job in this process; it is given a function that takes reports and says whether to prune.
        after: called with the study's trials when one has been told.
    """

    def __init__(
        self,
        study: optuna.Study,
        tally: Tally,
        slots: int,
        owner: Owner,
        compose: Callable[[Trial, bool], Job],
        processes: Processes | None,
        run_here: Callable[[Job, Callable[[float, int], bool]], Outcome],
        after: Callable[[Sequence[FrozenTrial]], None],
        view: View,
    ) -> None:
        self.study = study
        study._thread_local.in_optimize_loop = True  # noqa: SLF001 (else ``study.stop``, which samplers call, raises)
        self.tally = tally
        self.budget = tally.budget
        self.slots = slots
        self.owner = owner
        self.compose = compose
        self.processes = processes
        self.run_here = run_here
        self.after = after
        self.view = view
        self.running: list[Running] = []
        self._ready: Job | None = None
        self.ending = ""
        self.stopped_by: int | None = None
        self._stop_deadline = self._stop_limit = math.inf
        self._look_at_writers = 0.0
        self._pruner_is_told = False  # or somebody knows that it is not
        self._begun_once = False  # some trial's task function has been called
        self._looked = 0.0
        self._idle = False  # since nothing waits, and the budget allows no new trial

    def run(self) -> None:
        """Search. On the signals of ``Signals`` the running trials are stopped, and wait to be run again."""
        with Signals(self._interrupt) as signals:
            try:
                self.view.draw(self.running, self.tally)
                while True:
                    signals.deliver()
                    self._fill()
                    if self.ending and not self.running:
                        break
                    self._prepare()
                    self.view.draw(self.running, self.tally)
                    self._wait(signals)
            finally:
                if self._ready is not None:
                    with suppress(*STORAGE_TROUBLE):
                        self.owner.release(self._ready.trial)
                for slot in self.running:
                    slot.kill()
                if self.processes is not None:
                    self.processes.wait_until_gone([rank.process for slot in self.running for rank in slot.ranks])
                    self.processes.close()
                for slot in self.running:
                    with suppress(*STORAGE_TROUBLE):  # which may be why it ends
                        if not slot.told:
                            self.owner.release(slot.job.trial)

    @property
    def failed(self) -> bool:
        """Whether too many trials failed, or none is complete."""
        return self.ending.startswith("failures") or not self.tally.count(TrialState.COMPLETE)

    @property
    def finished_here(self) -> int:
        """Trials that ended since this start."""
        return len(self.tally.states) - self.tally.at_start

    # -- starting ---------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Give every free slot a job; compose one ahead where a process is on its way out of its slot."""
        while not self._ended():
            free = min(set(range(self.slots)) - {other.slot for other in self.running}, default=None)
            if free is None and not any(slot.outcome for slot in self.running):
                return
            self._ready = self._ready or self._next_job()
            self._idle = self._ready is None
            if self._ready is None:
                if not self.running and not self.tally.unfinished:  # nor under another supervisor, which may vanish
                    self.ending = self.ending or f"n_trials={self.budget.n_trials}"
                return
            if free is None:
                return
            job, self._ready = self._ready, None
            self._begin(job, free)

    def _next_job(self) -> Job | None:
        while (found := self._next_trial()) is not None:
            trial, restarted = found
            self.tally.unfinished += not restarted
            try:
                return self.compose(trial, restarted)
            except (HydraException, OmegaConfBaseException, ConfigError) as error:  # a missing file's is an OSError too
                self._tell(trial, Outcome("failed", reason=f"cannot be composed: {' '.join(str(error).split())}"))
            except STORAGE_TROUBLE:
                raise
            except (Exception, SystemExit) as error:
                log.debug("no parameters", exc_info=True)
                self._tell(trial, Outcome("failed", reason=told_of("its parameters", error)))
        self.tally.update()
        return None

    def _next_trial(self) -> tuple[Trial, bool] | None:
        """The next one that the sampler has begun without an error; the others have failed."""
        while not self._ended():
            try:
                return self.owner.next_trial(self.budget.n_trials, self.tally.trials)
            except NotBegunError as error:
                self.after(self.tally.update())
                self.view.told(error.trial)
        return None

    def _begin(self, job: Job, slot: int) -> None:
        job.trial.set_user_attr("folder", str(job.folder))
        job.trial.set_user_attr("overrides", job.overrides_again)
        if job.restarted:
            note_lost_seconds(job)
        job.trial.set_user_attr("process", {"slot": slot, "begun": time.time()})
        flush(self.study)
        if self.processes is not None:
            running = self.processes.start(job, slot, self.owner.others_here(self.tally.trials))
            if self.processes.server.ready:
                running.begin_by = running.started + self.processes.start_timeout
            self.running.append(running)
            if self.stopped_by is not None:  # by a signal that came while it was being started
                running.stop()
            return
        try:
            outcome = self.run_here(job, lambda value, step: self._report(job.trial, value, step))
        except KeyboardInterrupt:
            outcome = Outcome("interrupted")
        if outcome.how == "interrupted":
            self._interrupt(signal.SIGINT)
        self._close(job, outcome)

    def _prepare(self) -> None:
        """Have ready what comes next."""
        if self.processes is None or self.ending:
            return
        if self._more():
            self.processes.prepare()
        if (self.tally.seconds_left() or math.inf) < SECONDS_OF_AN_ERRAND:
            self.processes.begin_errand()

    def _more(self) -> bool:
        """Whether the budget has trials that have not begun."""
        return len(self.tally.states) + self.tally.unfinished < self.budget.n_trials

    def _ended(self) -> bool:
        if not self.ending and self.study._stop_flag:  # noqa: SLF001
            self.ending = "its sampler, which has nothing more to try"
        if not self.ending:
            self.ending = self.tally.why_end()
        return bool(self.ending)

    # -- waiting ----------------------------------------------------------------------------------------------------

    def _wait(self, signals: Signals) -> None:
        alive = [(slot, rank) for slot in self.running for rank in slot.alive()]
        watched = self.processes.watched if self.processes is not None else []
        speaking = [rank.connection for _, rank in alive if rank.outcome is None]
        ready = wait([signals.wake, *watched, *speaking], self._seconds_to_wait())
        signals.deliver()
        if self.processes is not None and (problem := self.processes.heed(ready)) is not None:
            self._go_another_way(problem)
        for slot, rank in alive:
            if rank.connection in ready or rank.process.ended:
                self._receive(slot, rank)
            if rank.process.ended:
                self._leave(slot, rank)
            if slot.ended and slot in self.running:
                self._end(slot)
        self._meet_deadlines()

    def _go_another_way(self, problem: str) -> None:
        """No more processes can be had as they were; what has not begun begins in another way."""
        if self._stopping or self.processes is None:
            return
        self.processes.go_on(problem)
        for slot in self.running:
            slot.begin_by = math.inf
            for rank in slot.alive():
                if not rank.ready or not slot.begun:
                    self.processes.start_again(rank)

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        self._see_to_beginnings(now)
        for slot in self.running:
            if now >= slot.deadline:
                if slot.outcome is None:
                    slot.failure = f"timed out after trial_timeout={self.budget.trial_timeout} s"
                slot.deadline = math.inf
                slot.kill()
            if now >= slot.leave_by or (now >= self._stop_deadline and not self._finishes_writing(slot, now)):
                if slot.told and not self._stopping and not slot.killed:
                    log.warning(
                        "trial %s: its process went on for %g s after its end, perhaps for a thread; it is killed",
                        slot.job.trial.number,
                        self._seconds_to_leave,
                    )
                slot.leave_by = math.inf
                slot.kill()
        if now >= self._stop_deadline and self._look_at_writers > now:
            self._stop_deadline = self._look_at_writers
        if now >= self._next_look():
            self._look_around()
        if self._ended() and self.ending.startswith("timeout") and self.stopped_by is None:
            self._stop_running()

    def _finishes_writing(self, slot: Running, now: float) -> bool:
        """Whether a stopped trial gets more time, since a half checkpoint is none. A second Ctrl-C gives none."""
        if not self._stop_deadline or now >= self._stop_limit or not slot.is_writing():
            return False
        self._look_at_writers = now + SECONDS_BETWEEN_LOOKS
        return True

    def _see_to_beginnings(self, now: float) -> None:
        """An import that waits for ever, and a fork that hangs, are noticed, and another way is taken."""
        if self.processes is None or self._stopping:
            return
        for slot in self.running:
            if self.processes.server.ready and not slot.begun and not slot.failure:
                slot.begin_by = min(slot.begin_by, now + self.processes.start_timeout)
        late = [slot for slot in self.running if now >= slot.begin_by]
        within = f"within {self.processes.start_timeout:g} s (hydra.sweeper.start_timeout)"
        if late and self.processes.is_last_way:
            for slot in late:
                slot.begin_by = math.inf
                slot.failure = f"did not begin {within}"
                slot.kill()
        elif late or now >= self.processes.ready_by:
            what = f"trial {late[0].job.trial.number}" if late else "the server that trials are started from"
            self._go_another_way(f"{what} did not begin {within}")

    def _next_look(self) -> float:
        idle = self._idle and not self.running and not self.ending
        return min(self.owner.next_look, self._looked + SECONDS_BETWEEN_LOOKS) if idle else self.owner.next_look

    def _look_around(self) -> None:
        """Give a sign of life, and look after the trials of those who give none any more."""
        self._looked = time.monotonic()
        self.owner.give_sign()
        self.owner.put_back({slot.job.trial.number for slot in self.running} | self._composed())
        self.after(self.tally.update())
        for slot in self.running:
            if not slot.told and not self.owner.owns(slot.job.trial):
                slot.kill()

    def _composed(self) -> set[int]:
        return {self._ready.trial.number} if self._ready is not None else set()

    def _seconds_to_wait(self) -> float | None:
        ends = [
            self._stop_deadline,
            self.view.next_draw,
            self._next_look(),
            *(min(slot.deadline, slot.leave_by, slot.begin_by) for slot in self.running),
            math.inf if self.processes is None else self.processes.ready_by,
        ]
        if self.budget.timeout is not None and not self.ending:
            ends.append(self.tally.started + self.budget.timeout)
        first = min(ends)
        return None if first == math.inf else max(0.0, first - time.monotonic())

    def _receive(self, slot: Running, rank: Rank) -> None:
        while (message := _next(rank.connection)) is not None:
            assert self.processes is not None  # noqa: S101 (for the type checker)
            if message == READY:
                self.processes.give(rank)
            elif message == BEGUN:
                self._begun(slot, rank)
            elif message in (SAVING, SAVED):
                rank.saving = message == SAVING
            elif isinstance(message, Launch):
                self.processes.launch(slot, message)
            elif isinstance(message, Outcome):  # its last word; the slot is free when all its processes have left
                rank.outcome = message
                self._hear(slot, rank, message)
                return
            else:
                self._answer(slot, rank, *message)

    def _begun(self, slot: Running, rank: Rank) -> None:
        if rank is slot.ranks[0]:
            self._begun_once = True
            slot.begun, slot.begin_by, slot.started = True, math.inf, time.monotonic()
            if self.budget.trial_timeout is not None:
                slot.deadline = slot.started + self.budget.trial_timeout

    def _answer(self, slot: Running, rank: Rank, value: float, step: int) -> None:
        """The first rank reports; the others get the answer that it got, and wait for it."""
        if rank is slot.ranks[0]:
            slot.value, slot.step = value, step
            try:
                slot.answers[step] = self._report(slot.job.trial, value, step)
            except STORAGE_TROUBLE:
                raise
            except Exception as error:  # noqa: BLE001 (whatever a pruner of somebody's own raises)
                slot.failure = told_of("its report", error)
                slot.kill()
                return
        slot.asking.append((rank, step))
        for waiting in [one for one in slot.asking if one[1] in slot.answers]:
            slot.asking.remove(waiting)
            with suppress(OSError):  # it was killed meanwhile
                waiting[0].connection.send(slot.answers[waiting[1]])

    def _hear(self, slot: Running, rank: Rank, outcome: Outcome) -> None:
        now = time.monotonic()
        alone = len(slot.ranks) == 1
        if rank is slot.ranks[0]:
            slot.deadline = math.inf
            note_seconds(slot)
        if outcome.how in ("failed", "no space", "no program") and not alone:
            slot.leave_by = min(slot.leave_by, now + SECONDS_TO_FOLLOW)
        elif rank is slot.ranks[0]:
            slot.leave_by = min(slot.leave_by, now + self._seconds_to_leave)
        if outcome.how == "interrupted" and not self._stopping:
            return  # if a cluster sent the signal to all of the job's processes, this one's is on its way
        if alone or (rank is slot.ranks[0] and outcome.how in ("done", "pruned")):
            slot.told = True
            self._close(slot.job, outcome)

    def _leave(self, slot: Running, rank: Rank) -> None:
        """A process has ended."""
        if rank.outcome is None:
            rank.signal(signal.SIGKILL)  # what it started
        rank.died = rank.outcome is None and not slot.killed
        if rank.died:
            slot.leave_by = min(slot.leave_by, time.monotonic() + SECONDS_TO_FOLLOW)
        rank.ended = True
        rank.connection.close()

    def _report(self, trial: Trial, value: float, step: int) -> bool:
        if len(self.study.directions) > 1:  # Optuna keeps reports of a single objective only
            return False
        if step in self._frozen(trial).intermediate_values:
            return False
        try:
            trial.report(value, step)
            return trial.should_prune()
        except UpdateFinishedTrialError:  # this machine was cut off, and another one has run the trial
            return True

    def _end(self, slot: Running) -> None:
        self.running.remove(slot)
        if slot.outcome is None:
            note_seconds(slot)
        if not slot.told:
            self._close(slot.job, self._judge(slot))

    def _judge(self, slot: Running) -> Outcome:
        """How a trial ended whose first process has not said that it is done."""
        endings = [Ending(rank.outcome, rank.died, rank.process.exitcode or 0) for rank in slot.ranks]
        put_back = self._stopping or not self.owner.owns(slot.job.trial)
        verdict = judge_ending(endings, failure=slot.failure, put_back=put_back)
        return self._from_outside(slot, verdict.outcome) if verdict.from_outside else verdict.outcome

    def _from_outside(self, slot: Running, failed: Outcome) -> Outcome:
        """It was not the trial's own doing: it may be run again so often."""
        retries = int(slot.job.trial.user_attrs.get("retries", 0))
        if retries >= self.budget.max_retries:
            return failed
        slot.job.trial.set_user_attr("retries", retries + 1)
        return Outcome("interrupted")

    @property
    def _seconds_to_leave(self) -> float:
        return min(SECONDS_TO_LEAVE, self.budget.trial_timeout or math.inf)

    @property
    def _stopping(self) -> bool:
        return self.stopped_by is not None or self.ending.startswith("timeout")

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self.study._storage.get_trial(trial._trial_id)  # noqa: SLF001

    # -- telling ----------------------------------------------------------------------------------------------------

    def _close(self, job: Job, outcome: Outcome) -> None:
        if outcome.how == "no space":
            raise FolderError(f"trial {job.trial.number}: {outcome.reason}")
        if outcome.how == "no program" and not self._begun_once:
            raise ConfigError(outcome.reason)
        if outcome.how == "interrupted":
            self.owner.release(job.trial)
            self.tally.update()
        else:
            note_result(job)
            self._tell(job.trial, outcome)

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        if not self.owner.owns(trial):
            return  # this machine was cut off for longer than the grace period, and another has taken the trial
        state, values = TOLD.get(outcome.how, TrialState.FAIL), outcome.values
        if state is TrialState.COMPLETE and self._cannot_be_beaten(values):
            state, outcome.reason = TrialState.FAIL, f"returned {values}, which nothing could beat"
        if state is TrialState.FAIL:
            trial.set_user_attr("reason", outcome.reason)
        told = self._tell_study(trial, state, values if state is TrialState.COMPLETE else None)
        self.after(self.tally.update())
        self.view.told(told)
        self._warn_of_an_idle_pruner(told)

    def _warn_of_an_idle_pruner(self, told: FrozenTrial) -> None:
        """One that is told nothing prunes nothing; the first complete trial shows it."""
        judges = not isinstance(self.study.pruner, optuna.pruners.NopPruner) and len(self.study.directions) == 1
        if self._pruner_is_told or not judges or told.state is not TrialState.COMPLETE:
            return
        self._pruner_is_told = True
        if not told.intermediate_values:
            log.warning(
                "trial %s has reported nothing, so %s has nothing to prune by. Report from the program, "
                "lightning_sweeps.current_trial().report(value, step), or choose hydra/sweeper/pruner=none",
                told.number,
                type(self.study.pruner).__name__,
            )

    def _tell_study(self, trial: Trial, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
        """Tell it; a sampler hears of it there, and may stop the study."""
        try:
            return self.study.tell(trial, values, state)
        except STORAGE_TROUBLE:
            raise
        except Exception as error:
            told = self._frozen(trial)
            if not told.state.is_finished():
                raise
            log.warning("trial %s is told; %s", trial.number, told_of("its sampler", error))
            return told

    def _cannot_be_beaten(self, values: Sequence[float]) -> bool:
        """Infinite in the good direction; in the other one it is a bad value, as in Optuna."""
        signs = [1 if one is StudyDirection.MAXIMIZE else -1 for one in self.study.directions]
        return any(value * sign == math.inf for value, sign in zip(values, signs, strict=True))

    # -- stopping ---------------------------------------------------------------------------------------------------

    def _interrupt(self, number: int) -> None:
        if self.stopped_by is None:
            self.stopped_by, self.ending = number, "interrupted"
            if self.running:
                with suppress(OSError):  # the terminal may be gone
                    again = "; Ctrl-C again kills them" if number == signal.SIGINT else ""
                    sys.stderr.write(f"\nstopping the running trials{again}\n")
            self._stop_running()
        else:
            self._stop_deadline = 0.0

    def _stop_running(self) -> None:
        if self._stop_deadline == math.inf:
            now = time.monotonic()
            self._stop_deadline = now + min(SECONDS_TO_STOP, self.budget.stop_timeout)
            self._stop_limit = now + self.budget.stop_timeout
            for slot in self.running:
                slot.stop()


def _next(connection: Connection) -> Any:
    try:
        return connection.recv() if connection.poll() else None
    except (EOFError, OSError):
        return None
