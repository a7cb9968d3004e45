"""How a trial ended, from what is known of its processes."""

import signal

from hypothesis import given
from hypothesis import strategies as st

from lightning_sweeps.searches.engine.outcome import Outcome
from lightning_sweeps.searches.engine.verdict import UNKNOWN_EXIT, Ending, judge_ending, outcome_of


def judged(*processes):
    return judge_ending(processes)


def died(code):
    return Ending(None, died=True, exit_code=code)


def said(how, reason="", at=0.0):
    return Ending(Outcome(how, reason=reason, at=at), died=False, exit_code=0)


def test_a_process_that_is_killed_may_run_again():
    verdict = judged(died(-signal.SIGKILL))
    assert (verdict.outcome.how, verdict.from_outside) == ("failed", True)
    assert verdict.outcome.reason == "killed by SIGKILL (out of memory?)"
    assert judged(died(-signal.SIGSEGV)).outcome.reason == "killed by SIGSEGV"
    assert judged(died(UNKNOWN_EXIT)).from_outside, "its server was killed, and nobody knows"


def test_a_process_that_leaves_by_itself_has_failed():
    verdict = judged(died(3))
    assert not verdict.from_outside
    assert verdict.outcome.reason == "its process left with exit code 3 and no result"


def test_of_several_failures_the_first_is_the_cause():
    verdict = judged(said("failed", "ours", at=2.0), said("failed", "theirs", at=1.0))
    assert verdict.outcome.reason == "rank 1: theirs"
    assert judged(said("failed", "ours", at=1.0), said("failed", "theirs", at=2.0)).outcome.reason == "ours"


def test_a_death_is_the_cause_of_what_the_others_say():
    verdict = judged(said("failed", "connection lost", at=1.0), died(-signal.SIGKILL))
    assert verdict.outcome.reason == "rank 1 killed by SIGKILL (out of memory?)"
    assert verdict.from_outside


def test_a_signal_to_the_trial_alone_is_from_outside():
    verdict = judged(said("interrupted"))
    assert (verdict.outcome.reason, verdict.from_outside) == ("stopped by a signal", True)


OUTCOMES = st.sampled_from(["done", "pruned", "failed", "no space", "no program", "interrupted"])
ENDINGS = st.builds(
    Ending,
    st.none() | st.builds(Outcome, OUTCOMES, reason=st.text(max_size=5), at=st.floats(0, 9)),
    st.booleans(),
    st.sampled_from([0, 1, UNKNOWN_EXIT, -9, -11, -15]),
)


@given(st.lists(ENDINGS, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_what_the_supervisor_has_decided_stands(processes, put_back, again):
    verdict = judged(*processes)
    asked = []

    def retry():
        asked.append(verdict)
        return again

    outcome = outcome_of(verdict, failure="timed out", put_back=put_back, retry=retry)
    assert (outcome.how, outcome.reason) == ("failed", "timed out")
    assert outcome_of(verdict, failure="", put_back=True, retry=retry).how == "interrupted"
    assert not asked, "a trial that waits anyway has no retry less"
    outcome = outcome_of(verdict, failure="", put_back=False, retry=retry)
    assert len(asked) == verdict.from_outside
    assert outcome == (Outcome("interrupted", at=outcome.at) if verdict.from_outside and again else verdict.outcome)


@given(st.lists(ENDINGS, min_size=1, max_size=4))
def test_every_ending_has_a_verdict_and_every_cause_a_reason(processes):
    verdict = judged(*processes)
    if verdict.from_outside:
        assert verdict.outcome.how == "failed"
        assert verdict.outcome.reason
