"""The loop in thousands of random histories, in which no trial may get lost and no slot may be idle."""

import random
from collections import Counter
from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st
from world import Chances, Clock, FakeExecutor, FakeLedger, FakeScheduler, FakeView, Signals

from lightning_sweeps.errors import FolderError
from lightning_sweeps.searches.engine.budget import Budget
from lightning_sweeps.searches.engine.deadlines import Deadlines
from lightning_sweeps.searches.engine.loop import Loop
from lightning_sweeps.searches.engine.outcome import News
from lightning_sweeps.searches.engine.tally import Tally

RARE = {"trouble": 0.02, "disk_full": 0.05}
BUDGETS = st.fixed_dictionaries(
    {"n_trials": st.integers(1, 12), "max_failure_rate": st.sampled_from([0.5, 1.0]), "max_retries": st.integers(0, 2)},
    optional={
        "timeout": st.floats(1, 60),
        "trial_timeout": st.floats(1, 12),
        "stop_timeout": st.floats(1, 30),
        "target": st.just(0.05),
        "patience": st.integers(1, 5),
    },
)
CHANCES = st.fixed_dictionaries(
    {}, optional={field.name: st.sampled_from([0.05, 0.3]) for field in fields(Chances) if field.name not in RARE}
)


class History:
    """One search in a world of its own."""

    def __init__(self, seed, budget, chances, signals=(), slots=2, parts=1, together=1, waiting=0):
        chance = random.Random(seed)
        chances = Chances(**{name: min(value, RARE.get(name, 1.0)) for name, value in chances.items()})
        self.budget = Budget(**{"trial_timeout": 30.0 if chances.hangs else None, "stop_timeout": 20.0, **budget})
        self.clock = Clock()
        self.executor = FakeExecutor(self.clock, chance, chances, slots)
        to_trials = self.executor.interrupt if chance.random() < 0.5 else lambda: None
        self.signals = Signals(self.clock, list(signals), to_trials)
        self.ledger = FakeLedger(self.clock, chance, chances, waiting)
        self.ledger.limit = self.budget.n_trials
        self.scheduler = FakeScheduler(chance, chances, parts, together)
        self.view = FakeView()
        tally = Tally(self.budget, News([], waiting), maximize=True, clock=self.clock)
        self.loop = Loop(
            self.ledger, self.scheduler, self.executor, self.view, tally, slots, deadlines=Deadlines(self.clock)
        )
        self.slots = slots
        self.executor.at_each_wait = self.look_at_slots
        self.error = None

    def run(self):
        try:
            self.loop.run(self.signals)
        except (FolderError, OSError) as error:
            self.error = error
        return self

    def look_at_slots(self):
        """None is idle as long as there is work for it, and none is busy with what is another's."""
        for process in self.executor.processes.values():
            assert not process.alive or not self.ledger.lost & {member.trial for member in process.open}
        if self.loop.ending:
            return
        work = self.scheduler.waiting or self.ledger.claimable()
        assert len(self.executor.processes) == self.slots or not work, "a slot is idle, and there is work"

    def check(self):
        """What must be true after any history."""
        assert self.executor.starts == self.executor.ends, "a process is not accounted for"
        assert all(trial.told <= 1 for trial in self.ledger.trials)
        assert len(self.ledger.trials) <= self.budget.n_trials
        repeated = [number for number, count in Counter(self.view.heard).items() if count > 1]
        assert not repeated, "the user was told twice"
        if not self.ledger.troubled:
            ours = [trial.number for trial in self.ledger.trials if trial.state == "RUNNING" and trial.owner == "us"]
            assert not ours, "a trial is lost"
        deadlines = [name for name in self.loop.deadlines._at if isinstance(name, tuple)]
        if self.error is None:
            assert self.loop.ending
            assert not deadlines, "a deadline of work that has ended"
            self.check_ends()
        if self.loop.ending.startswith("n_trials"):
            assert Counter(one.state for one in self.ledger.trials)["FINISHED"] == self.budget.n_trials

    def check_ends(self):
        """What a search that nothing has broken off does with its time and its trials."""
        budget, came = self.budget, self.signals.came
        slack = 0.7  # a look at what writes, and a kill
        if came:
            assert self.clock() <= came[0] + budget.stop_timeout + slack
        if len(came) > 1:
            assert self.clock() <= came[1] + slack, "the second Ctrl-C does not kill"
        if budget.timeout is not None:  # whatever else has ended it meanwhile
            assert self.clock() <= budget.timeout + budget.stop_timeout + slack
        for trial in self.ledger.trials:
            late = came and trial.told_at > came[0] + slack
            assert not (late and trial.end.reason.startswith("timed out")), "it was asked to stop, and saves"
            assert trial.retries <= self.executor.deaths[trial.number], "a retry for what the search has done itself"
            if self.scheduler.parts == self.scheduler.together == 1 and not self.scheduler.chances.is_paused:
                assert trial.begun <= 1 + min(trial.retries, budget.max_retries) + self.ledger.taken_over[trial.number]
            alone = self.scheduler.parts == 1 and trial.told and trial.owner == "us"
            if alone and trial.number in self.executor.overruled:
                assert trial.end.reason in ("of another rank", "killed by SIGKILL"), "its last word was not final"


@settings(max_examples=3_000, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    budget=BUDGETS,
    chances=CHANCES,
    signals=st.lists(st.floats(0, 40), max_size=2),
    slots=st.integers(1, 4),
    parts=st.integers(1, 3),
    together=st.integers(1, 3),
    waiting=st.integers(0, 2),
)
def test_no_history_loses_a_trial_or_leaves_a_slot_idle(seed, budget, waiting, **history):
    budget["n_trials"] = max(budget["n_trials"], waiting)
    History(seed, budget, waiting=waiting, **history).run().check()


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    budget=BUDGETS,
    chances=CHANCES,
    signals=st.lists(st.floats(0, 40), max_size=1),
    slots=st.integers(1, 3),
    rare=st.sampled_from(sorted(RARE)),
)
def test_trouble_ends_a_search_and_leaves_no_process(seed, budget, chances, signals, slots, rare):
    History(seed, budget, {**chances, rare: 1.0}, signals, slots).run().check()
