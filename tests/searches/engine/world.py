"""A world for the engine in which nothing is real: a clock, processes, a study and its other supervisors."""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lightning_sweeps.searches.engine.contracts import Begun, Claim, Decision, Ended, Gone, Member, Reported, Work
from lightning_sweeps.searches.engine.not_run import NotBegunError, RefusedError
from lightning_sweeps.searches.engine.outcome import Finished, News, Outcome, State
from lightning_sweeps.searches.engine.verdict import Verdict

KILLED = Verdict(Outcome("failed", reason="killed by SIGKILL"), from_outside=True)
STATES = {"done": State.COMPLETE, "pruned": State.PRUNED}


@dataclass
class Chances:
    """How often something happens, from 0 to 1."""

    dies: float = 0.0  # a process, of something outside
    fails: float = 0.0
    hangs: float = 0.0  # before it begins, or between two reports
    ignores_stop: float = 0.0
    writes_when_stopped: float = 0.0
    stopped_from_outside: float = 0.0  # a signal to the trial alone
    is_refused: float = 0.0  # its config cannot be composed
    is_not_begun: float = 0.0  # its sampler has raised
    is_pruned: float = 0.0
    is_paused: float = 0.0
    report_fails: float = 0.0  # its pruner raises
    is_lost: float = 0.0  # to another supervisor, at each look
    disk_full: float = 0.0
    trouble: float = 0.0  # of the storage, at each call
    spoils: float = 0.0  # the last word of a process gets lost with it, or is not final
    joins: float = 0.0  # another supervisor begins a trial, at each claim
    leaves: float = 0.0  # another supervisor dies, at each look


class Clock:
    """Time that passes when somebody waits. Things happen at their times, one after another."""

    def __init__(self) -> None:
        self.now = 0.0
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._later, (self.now + seconds, next(self._count), do))

    def wait(self, seconds: float | None) -> None:
        """Until something has happened, or for so many seconds."""
        until = self._later[0][0] if self._later else None
        if until is None and seconds is None:
            raise AssertionError("the loop waits for ever")
        if until is None or (seconds is not None and self.now + seconds < until):
            self.now += seconds
            return
        at, _, do = heapq.heappop(self._later)
        self.now = max(self.now, at)
        do()


class Signals:
    """Signals that come at given times, perhaps to the processes of the trials too."""

    wake = None

    def __init__(self, clock: Clock, at: list[float], to_trials: Callable[[], None]) -> None:
        self.clock = clock
        self.caught: list[int] = []
        self.came: list[float] = []
        self._to_trials = to_trials
        for seconds in at:
            clock.after(seconds, self._come)

    def _come(self) -> None:
        self.caught.append(2)
        self.came.append(self.clock())
        self._to_trials()

    def deliver(self, handle: Callable[[int], None]) -> None:
        while self.caught:
            handle(self.caught.pop())


@dataclass
class Process:
    """What does one work, and what it will say."""

    work: Work
    slot: int
    alive: bool = True
    open: list[Member] = field(default_factory=list)
    stopped: bool = False


class FakeExecutor:
    """Does work in no processes, as chance has it."""

    def __init__(self, clock: Clock, chance: random.Random, chances: Chances, slots: int) -> None:
        self.clock, self.chance, self.chances, self.slots = clock, chance, chances, slots
        self.processes: dict[Work, Process] = {}
        self.hear: Callable | None = None
        self.said: list = []
        self.starts = self.ends = self.waits = 0
        self.at_each_wait: Callable[[], None] = lambda: None
        self.deaths: Counter[int] = Counter()  # of a trial, by something outside
        self.overruled: set[int] = set()  # trials whose last word another process contradicts

    def start(self, work: Work, slot: int) -> None:
        assert slot in range(self.slots)
        assert slot not in {process.slot for process in self.processes.values()}, "two works in one slot"
        running = {(one.trial, one.part) for other in self.processes.values() if other.alive for one in other.open}
        assert not running & {(member.trial, member.part) for member in work.members}, "a part runs twice"
        self.starts += 1
        process = self.processes[work] = Process(work, slot, open=list(work.members))
        if self._happens("hangs"):  # an executor itself sees to it that work begins
            self._after(60.0, process, lambda: self._leave(process, Verdict(Outcome("failed", reason="did not begin"))))
        else:
            self._after(0.5, process, lambda: self._begin(process))

    def prepare(self, *, more: bool, seconds_left: float) -> None:
        assert isinstance(more, bool)
        assert seconds_left >= 0

    def wait(self, seconds: float | None, hear: Callable, wake: object) -> None:
        assert wake is None
        self.at_each_wait()
        self.waits += 1
        assert self.waits < 5_000, "it does not come to an end"
        if not self.said:
            self.clock.wait(seconds)
        self.hear = hear
        while self.said:
            self.said.pop(0)()

    def stop(self, work: Work) -> None:
        if (process := self.processes.get(work)) is not None and not process.stopped:
            process.stopped = True
            if not self._happens("ignores_stop"):
                self._after(2.0, process, lambda: self._end_all(process, Outcome("interrupted")))

    def kill(self, work: Work) -> None:
        if (process := self.processes.get(work)) is not None and process.alive:
            process.alive = False
            self.clock.after(self.chance.random() * 0.1, lambda: self._say(lambda: self._leave(process, KILLED)))

    def is_writing(self, work: Work) -> bool:
        return work in self.processes and self._happens("writes_when_stopped")

    def close(self) -> None:
        self.ends += len(self.processes)
        self.processes.clear()

    def interrupt(self) -> None:
        """A signal reaches each process."""
        for process in self.processes.values():
            if process.alive:
                self._say(lambda process=process: process.alive and self._end_all(process, Outcome("interrupted"), 0.0))

    # -- what becomes of it -----------------------------------------------------------------------------------------

    def _happens(self, what: str) -> bool:
        return self.chance.random() < getattr(self.chances, what)

    def _say(self, event: Callable[[], None]) -> None:
        self.said.append(event)

    def _after(self, seconds: float, process: Process, do: Callable[[], None]) -> None:
        """Do it, where the process is still alive, within some time."""

        def then() -> None:
            if process.alive:
                self._say(lambda: process.alive and do())

        self.clock.after(self.chance.random() * seconds, then)

    def _begin(self, process: Process) -> None:
        self.hear(Begun(process.work))
        self._go_on(process, 0)

    def _go_on(self, process: Process, step: int) -> None:
        if not process.open or process.stopped:
            return
        if self._happens("hangs"):
            return
        if self._happens("dies"):
            self._count_death(process)
            self._after(1.0, process, lambda: self._leave(process, KILLED))
        elif self._happens("stopped_from_outside"):
            self._count_death(process)
            self._after(1.0, process, lambda: self._end_all(process, Outcome("interrupted")))
        elif step < 3:
            self._after(3.0, process, lambda: self._report(process, step))
        else:
            self._after(1.0, process, lambda: self._end_all(process))

    def _count_death(self, process: Process) -> None:
        self.deaths.update(member.trial for member in process.work.members)  # also of those whose last word got lost

    def _report(self, process: Process, step: int) -> None:
        for member in list(process.open):
            decision = self.hear(Reported(process.work, member, self.chance.random(), step))
            if decision is Decision.STOP:
                self._end(process, member, Outcome("pruned"))
            elif decision is Decision.PAUSE:
                self._end(process, member, Outcome("interrupted"))
        if process.open:
            self._go_on(process, step + 1)
        else:
            self._after(1.0, process, lambda: self._leave(process, Verdict(Outcome("pruned"))))

    def _end_all(self, process: Process, outcome: Outcome | None = None, seconds: float = 1.0) -> None:
        last = outcome
        for member in list(process.open):
            last = outcome or self._outcome()
            self._end(process, member, last)
        if last is not None and last.how == "interrupted":
            verdict = Verdict(Outcome("failed", reason="stopped by a signal"), from_outside=True)
        else:
            verdict = Verdict(last or Outcome("pruned"))
        if self.overruled & {member.trial for member in process.work.members}:
            verdict = Verdict(Outcome("failed", reason="of another rank"))
        if seconds:
            self._after(seconds, process, lambda: self._leave(process, verdict))
        else:
            self._leave(process, verdict)

    def _outcome(self) -> Outcome:
        if self._happens("fails"):
            return Outcome("failed", reason="of itself")
        if self._happens("disk_full"):
            return Outcome("no space", reason="the disk is full")
        return Outcome("done", [self.chance.random()])

    def _end(self, process: Process, member: Member, outcome: Outcome) -> None:
        process.open.remove(member)
        if self._happens("spoils"):
            return
        final = outcome.how not in ("done", "failed") or len(process.work.members) > 1 or not self._happens("spoils")
        if not final:
            self.overruled.add(member.trial)
        self.hear(Ended(process.work, member, outcome, final=final))

    def _leave(self, process: Process, verdict: Verdict) -> None:
        if self.processes.pop(process.work, None) is not None:
            process.alive = False
            self.ends += 1
            self.hear(Gone(process.work, verdict))


@dataclass
class Trial:
    """A row of the study."""

    number: int
    state: str = "RUNNING"
    owner: str = "us"
    begun: int = 0
    told: int = 0
    retries: int = 0
    told_at: float = 0.0  # by us
    end: Finished | None = None


class FakeLedger:
    """A study in memory, to which another supervisor writes as well."""

    trouble = (OSError,)

    def __init__(self, clock: Clock, chance: random.Random, chances: Chances, waiting: int = 0) -> None:
        self.clock, self.chance, self.chances = clock, chance, chances
        self.trials = [Trial(number, "WAITING", "nobody") for number in range(waiting)]
        self.limit = 0
        self.next_look = 15.0
        self._known: set[int] = set()
        self.troubled = False
        self.ours: set[int] = set()  # as the ledger itself knows
        self.taken_over: Counter[int] = Counter()  # how often a trial's other supervisor has died
        self.lost: set[int] = set()  # trials that another supervisor has taken, as the loop knows

    def claimable(self) -> bool:
        return any(trial.state == "WAITING" for trial in self.trials[: self.limit]) or len(self.trials) < self.limit

    def claim(self, limit: int) -> Claim | None:
        self.limit = limit
        self._be_in_trouble()
        if len(self.trials) < limit and self.chance.random() < self.chances.joins:
            self.trials.append(Trial(len(self.trials), owner="another"))
        for trial in self.trials[:limit]:
            if trial.state == "WAITING":
                trial.state, trial.owner = "RUNNING", "us"
                self.lost.discard(trial.number)
                self.ours.add(trial.number)
                return Claim(trial.number, trial.begun > 0, is_new=False, handle=trial)
        if len(self.trials) >= limit:
            return None
        trial = Trial(len(self.trials))
        self.trials.append(trial)
        if self.chance.random() < self.chances.is_not_begun:
            trial.state, trial.told = "FINISHED", 1
            raise NotBegunError(Finished(trial.number, State.FAILED, reason="its sampler"))
        self.ours.add(trial.number)
        return Claim(trial.number, False, is_new=True, handle=trial)

    def begin(self, member: Member, slot: int) -> None:
        assert slot >= 0
        assert member.trial not in self.lost
        self.trials[member.trial].begun += 1

    def owns(self, trial: int) -> bool:
        return self.trials[trial].state == "RUNNING" and self.trials[trial].owner == "us"

    def finish(self, member: Member, outcome: Outcome, seconds: float) -> Finished | None:
        assert seconds >= 0
        assert outcome.how != "interrupted"
        return self._tell(member.trial, outcome)

    def reuse(self, trial: int, other: int) -> Finished | None:
        raise NotImplementedError  # nothing here proposes what is known

    def keep(self, member: Member, seconds: float) -> None:
        assert seconds >= 0
        assert member.trial in self.ours
        self._be_in_trouble()

    def refuse(self, trial: int, reason: str) -> Finished | None:
        return self._tell(trial, Outcome("failed", reason=reason))

    def _tell(self, number: int, outcome: Outcome) -> Finished | None:
        assert number in self.ours
        self._be_in_trouble()
        self.ours.discard(number)
        trial = self.trials[number]
        assert trial.state != "FINISHED" or trial.owner != "us", "it is told twice"
        if not self.owns(number):
            return None
        trial.state, trial.told, trial.told_at = "FINISHED", trial.told + 1, self.clock()
        trial.end = Finished(number, STATES.get(outcome.how, State.FAILED), outcome.values, reason=outcome.reason)
        return trial.end

    def release(self, trial: int, seconds: float | None = None) -> None:
        assert seconds is None or seconds >= 0
        assert trial in self.ours, "it was released or finished before"
        self._be_in_trouble()
        self.ours.discard(trial)
        if self.owns(trial):
            self.trials[trial].state, self.trials[trial].owner = "WAITING", "nobody"

    def retry(self, trial: int, most: int) -> bool:
        assert self.owns(trial)
        self.trials[trial].retries += 1
        return self.trials[trial].retries <= most

    def renew(self, ours: set[int]) -> set[int]:
        self.next_look = self.clock() + 15.0
        for trial in self.trials:
            if trial.owner == "us" and trial.state == "RUNNING" and trial.number not in ours:
                raise AssertionError(f"trial {trial.number} is ours, and the loop does not know")
            if trial.owner == "another" and trial.state == "RUNNING":
                if self.chance.random() < self.chances.leaves:
                    trial.state, trial.owner = "WAITING", "nobody"
                    self.taken_over[trial.number] += 1
                    continue
                trial.state, trial.told = "FINISHED", trial.told + 1
                trial.end = Finished(trial.number, State.COMPLETE, [self.chance.random()])
            elif self.owns(trial.number) and self.chance.random() < self.chances.is_lost:
                trial.owner = "another"
        lost = {number for number in ours if not self.owns(number)}
        self.lost |= lost
        return lost

    def news(self) -> News:
        new = [trial for trial in self.trials if trial.state == "FINISHED" and trial.number not in self._known]
        self._known |= {trial.number for trial in new}
        unfinished = sum(trial.state != "FINISHED" for trial in self.trials[: self.limit])
        return News([one.end or Finished(one.number, State.FAILED) for one in new], unfinished)

    def _be_in_trouble(self) -> None:
        if self.chance.random() < self.chances.trouble:
            self.troubled = True
            raise OSError("the connection is lost")


class FakeScheduler:
    """Proposes trials of one or several parts, several of them together, and pauses some.

    Args:
        parts: of each trial.
        together: so many members are one work, if there are as many.
    """

    def __init__(self, chance: random.Random, chances: Chances, parts: int, together: int) -> None:
        self.chance, self.chances, self.parts, self.together = chance, chances, parts, together
        self.exhausted = ""
        self.waiting: list[Member] = []  # parts that are to be begun, or gone on with
        self.missing: Counter[int] = Counter()  # parts of a trial that have not ended
        self.paused: set[Member] = set()

    def propose(self, claim: Callable[[], Claim | None]) -> Work | None:
        while len(self.waiting) < self.together:
            if (claimed := claim()) is None:
                break
            if self.chance.random() < self.chances.is_refused:
                raise RefusedError(claimed.trial, "cannot be composed")
            self.missing[claimed.trial] = self.parts
            self.waiting += [self._member(claimed.trial, part) for part in range(self.parts)]
        members, self.waiting = self.waiting[: self.together], self.waiting[self.together :]
        return Work(tuple(members)) if members else None

    def _member(self, trial: int, part: int) -> Member:
        return Member(trial, {}, [], [], Path(str(trial)), False, None, part)

    def prepare(self) -> None:
        """Called when the slots are full."""

    def on_report(self, report: Reported) -> Decision:
        chance = self.chance.random()
        if chance < self.chances.report_fails:
            raise ValueError("a pruner's")
        if chance < self.chances.report_fails + self.chances.is_pruned:
            return Decision.STOP
        if self.chance.random() < self.chances.is_paused:
            self.paused.add(report.member)
            return Decision.PAUSE
        return Decision.CONTINUE

    def on_end(self, member: Member, outcome: Outcome) -> Outcome | None:
        if outcome.how == "interrupted":
            if member in self.paused:
                self.paused.discard(member)
                self.waiting.append(self._member(member.trial, member.part))
                return None
            self._forget(member.trial)
            return outcome
        self.paused.discard(member)
        self.missing[member.trial] -= 1
        if outcome.how == "done" and self.missing[member.trial] > 0:
            return None
        self._forget(member.trial)
        return outcome

    def _forget(self, trial: int) -> None:
        """A part's end is the trial's: the parts that have not begun do not begin."""
        self.waiting = [one for one in self.waiting if one.trial != trial]

    def on_lost(self, trial: int) -> None:
        self._forget(trial)
        self.paused = {member for member in self.paused if member.trial != trial}

    def on_finished(self, finished: Finished) -> None:
        assert finished.number >= 0


class FakeView:
    """Looks away."""

    next_draw = float("inf")

    def __init__(self) -> None:
        self.heard: list[int] = []

    def told(self, finished: Finished, tally: object) -> None:
        self.heard.append(finished.number)

    def stopping(self, number: int) -> None:
        assert number == 2

    def draw(self, running: object, tally: object) -> None:
        pass
