"""The loop that owns the slots of one machine: ask the study, start a process, wait, tell the study."""

import json
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from lightning_sweeps.study.process import Outcome
from lightning_sweeps.study.results import Results, best_trial
from lightning_sweeps.study.space import Space

SECONDS_TO_STOP = 10.0  # after Ctrl-C a trial may end its step and save; then it is killed
FIRST_FAILURES = 3


@dataclass(frozen=True)
class Budget:
    """What ends a search. Trials count over the whole study, seconds from this start."""

    n_trials: int
    timeout: float | None = None
    trial_timeout: float | None = None
    target: float | None = None
    patience: int | None = None
    max_failure_rate: float = 0.5
    max_retries: int = 0


@dataclass
class Job:
    """One trial, composed and ready to run."""

    trial: Trial
    params: dict[str, Any]
    overrides: list[str]
    folder: Path
    restarted: bool
    config: Any


@dataclass
class Running:
    """A trial's process."""

    job: Job
    process: BaseProcess
    connection: Connection
    slot: int
    started: float = field(default_factory=time.monotonic)
    outcome: Outcome | None = None
    timed_out: bool = False

    def kill(self) -> None:
        """Kill it and what it started."""
        pid = self.process.pid
        if pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Supervisor:
    """Runs trials in slots until a budget is used; ``ending`` says which."""

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        budget: Budget,
        slots: int,
        compose: Callable[[Trial, bool], Job],
        start: Callable[[Job, int], Running] | None,
        run_here: Callable[[Job, Callable[[float, int], bool]], Outcome],
        results: Results,
        say: Callable[[FrozenTrial], None],
        extend: Callable[[Trial], None] | None = None,
    ) -> None:
        self.study = study
        self.space = space
        self.budget = budget
        self.slots = slots
        self.compose = compose
        self.start = start
        self.run_here = run_here
        self.results = results
        self.say = say
        self.extend = extend
        self.running: list[Running] = []
        self.ending = ""
        self.stopped_by: int | None = None
        self._started = time.monotonic()
        self._stop_deadline = math.inf
        everything = study.get_trials(deepcopy=False)
        self._states = [trial.state for trial in everything if trial.state.is_finished()]
        self._waiting = [trial for trial in everything if trial.state is TrialState.RUNNING]
        self._last_better = len(self._states)
        self._best: float | None = None if len(study.directions) > 1 else getattr(best_trial(study), "value", None)

    def run(self) -> None:
        """Search. On Ctrl-C, SIGTERM and SIGHUP the running trials are stopped and stay to be run again."""
        with _Signals(self._interrupt) as wake:
            try:
                while True:
                    self._fill()
                    if not self.running:
                        break
                    self._wait(wake)
            finally:
                for slot in self.running:
                    slot.kill()
                for slot in self.running:
                    slot.process.join()

    # -- starting ---------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        while len(self.running) < self.slots and not self._ended():
            if self._waiting:
                trial, restarted = Trial(self.study, self._waiting.pop(0)._trial_id), True  # noqa: SLF001
            elif len(self._states) + len(self.running) < self.budget.n_trials:
                trial, restarted = self.study.ask(), False
            else:
                if not self.running:
                    self.ending = f"n_trials={self.budget.n_trials}"
                return
            self._begin(trial, restarted)

    def _begin(self, trial: Trial, restarted: bool) -> None:
        for name, distribution in self.space.distributions.items():
            trial._suggest(name, distribution)  # noqa: SLF001 (the stock sweeper's way for any distribution)
        if self.extend is not None:
            self.extend(trial)
        job = self.compose(trial, restarted)
        trial.set_user_attr("folder", str(job.folder))
        trial.set_user_attr("overrides", job.overrides)
        if self.start is not None:
            free = min(set(range(self.slots)) - {other.slot for other in self.running})
            self.running.append(self.start(job, free))
            return
        try:
            outcome = self.run_here(job, lambda value, step: self._report(job.trial, value, step))
        except KeyboardInterrupt:
            outcome = Outcome("interrupted")
        if outcome.how == "interrupted":
            self._interrupt(signal.SIGINT)
        else:
            self._tell(job, outcome)

    def _ended(self) -> bool:
        if not self.ending:
            self.ending = self._why_end()
        return bool(self.ending)

    def _why_end(self) -> str:
        budget, states = self.budget, self._states
        failed = sum(state is TrialState.FAIL for state in states)
        if len(states) >= FIRST_FAILURES and failed == len(states):
            return f"failures: the first {failed} trials failed"
        if failed > budget.max_failure_rate * max(budget.n_trials, len(states)):
            return f"failures: {failed} of {len(states)} trials, more than max_failure_rate={budget.max_failure_rate}"
        if budget.timeout is not None and time.monotonic() - self._started >= budget.timeout:
            return f"timeout={budget.timeout} s"
        if budget.target is not None and self._best is not None and not self._better(budget.target, self._best):
            return f"target={budget.target}"
        if budget.patience is not None and len(states) - self._last_better >= budget.patience:
            return f"patience={budget.patience}"
        return ""

    @property
    def failed(self) -> bool:
        """Whether too many trials failed, or none is complete."""
        return self.ending.startswith("failures") or TrialState.COMPLETE not in self._states

    # -- waiting ----------------------------------------------------------------------------------------------------

    def _wait(self, wake: socket.socket) -> None:
        ready = wait(
            [wake, *(slot.connection for slot in self.running), *(slot.process.sentinel for slot in self.running)],
            self._seconds_to_wait(),
        )
        if wake in ready:
            wake.recv(64)
        for slot in list(self.running):
            if slot.connection in ready:
                self._receive(slot)
            if slot.outcome is not None or slot.process.sentinel in ready:
                self._receive(slot)  # what it said last
                self._end(slot)
        now = time.monotonic()
        for slot in self.running:
            limit = self.budget.trial_timeout
            if limit is not None and now - slot.started >= limit and not slot.timed_out:
                slot.timed_out = True
                slot.kill()
            if now >= self._stop_deadline:
                slot.kill()
        if self._ended() and self.ending.startswith("timeout") and self.stopped_by is None:
            self._stop_running()

    def _seconds_to_wait(self) -> float | None:
        ends = [self._stop_deadline]
        if self.budget.trial_timeout is not None:
            ends += [slot.started + self.budget.trial_timeout for slot in self.running if not slot.timed_out]
        if self.budget.timeout is not None and not self.ending:
            ends.append(self._started + self.budget.timeout)
        first = min(ends)
        return None if first == math.inf else max(0.0, first - time.monotonic())

    def _receive(self, slot: Running) -> None:
        with suppress(EOFError, OSError):
            while slot.connection.poll():
                message = slot.connection.recv()
                if message[0] == "report":
                    slot.connection.send(self._report(slot.job.trial, message[1], message[2]))
                else:
                    slot.outcome = message[1]

    def _report(self, trial: Trial, value: float, step: int) -> bool:
        if len(self.study.directions) > 1:  # Optuna keeps reports of a single objective only
            trial.set_user_attr("epochs", step)
            return False
        if step in self._frozen(trial).intermediate_values:
            return False
        trial.report(value, step)
        return trial.should_prune()

    def _end(self, slot: Running) -> None:
        self.running.remove(slot)
        if slot.outcome is None:
            slot.kill()  # it may live on where only the forkserver died
        slot.process.join()
        slot.connection.close()
        outcome = slot.outcome or self._death(slot)
        if outcome.how != "interrupted":
            self._tell(slot.job, outcome)

    def _death(self, slot: Running) -> Outcome:
        if slot.timed_out:
            return Outcome("failed", reason=f"timed out after trial_timeout={self.budget.trial_timeout} s")
        if self.stopped_by is not None or self.ending.startswith("timeout"):
            return Outcome("interrupted")
        code = slot.process.exitcode or 0
        retries = int(slot.job.trial.user_attrs.get("retries", 0))
        if (code < 0 or code == 255) and retries < self.budget.max_retries:
            slot.job.trial.set_user_attr("retries", retries + 1)
            self._waiting.append(self._frozen(slot.job.trial))
            return Outcome("interrupted")
        if code < 0:
            name = signal.Signals(-code).name
            return Outcome(
                "failed", reason=f"killed by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")
            )
        return Outcome("failed", reason=f"its process left with exit code {code} and no result")

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self.study._storage.get_trial(trial._trial_id)  # noqa: SLF001

    # -- telling ----------------------------------------------------------------------------------------------------

    def _tell(self, job: Job, outcome: Outcome) -> None:
        trial = job.trial
        values = None
        if outcome.how == "done":
            values, problem = _values(outcome.value, len(self.study.directions))
            if problem:
                outcome = Outcome("failed", reason=problem)
        if outcome.how == "done":
            told = self.study.tell(trial, values)
        elif outcome.how == "pruned":
            told = self.study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.set_user_attr("reason", outcome.reason)
            told = self.study.tell(trial, state=TrialState.FAIL)
        self._states.append(told.state)
        if told.state is TrialState.COMPLETE and len(self.study.directions) == 1:
            value = told.values[0]
            if self._best is None or self._better(value, self._best):
                self._best, self._last_better = value, len(self._states)
        self.results.add(told)
        self.say(told)

    def _better(self, a: float, b: float) -> bool:
        return a > b if self.study.direction is optuna.study.StudyDirection.MAXIMIZE else a < b

    # -- stopping ---------------------------------------------------------------------------------------------------

    def _interrupt(self, number: int) -> None:
        if self.stopped_by is None:
            self.stopped_by, self.ending = number, "interrupted"
            if self.running:
                with suppress(OSError):  # the terminal may be gone
                    sys.stderr.write("\nstopping the running trials; Ctrl-C again kills them\n")
            self._stop_running()
        else:
            self._stop_deadline = 0.0

    def _stop_running(self) -> None:
        if self._stop_deadline == math.inf:
            self._stop_deadline = time.monotonic() + SECONDS_TO_STOP
            for slot in self.running:
                with suppress(ProcessLookupError):
                    os.kill(slot.process.pid or 0, signal.SIGINT)


def _values(value: Any, objectives: int) -> tuple[list[float] | None, str]:
    """The task function's return value as numbers, or why it is none."""
    given: Sequence[Any] = value if objectives > 1 and isinstance(value, list | tuple) else [value]
    if len(given) != objectives:
        return None, f"returned {_shown(value)}; {objectives} numbers are needed"
    numbers = []
    for one in given:
        try:
            number = float(one)
        except (TypeError, ValueError):
            return None, f"returned {_shown(value)}; a number is needed"
        if not math.isfinite(number):
            return None, f"returned {number}"
        numbers.append(number)
    return numbers, ""


def _shown(value: Any) -> str:
    return f"{json.dumps(value, default=repr)[:60]} ({type(value).__name__})"


class _Signals:
    """While inside, signals go to the handler and wake the loop through a socket."""

    def __init__(self, handler: Callable[[int], None]) -> None:
        self.handler = handler

    def __enter__(self) -> socket.socket:
        self.read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._before = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, lambda caught, _: self.handler(caught))
        return self.read

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self.read.close()
        self._write.close()
