"""What a program returns, as the values of its trial."""

import math

import pytest

from lightning_sweeps.searches.engine.outcome import Outcome, judge, with_reported


@pytest.mark.parametrize(
    ("returned", "objectives", "values"),
    [
        (1, 1, [1.0]),
        ("2.5", 1, [2.5]),
        ({"name": "val/acc", "value": 3}, 1, [3.0]),
        ([{"name": "val_error", "type": "objective", "value": 4.0}], 1, [4.0]),
        ((1, 2), 2, [1.0, 2.0]),
        ([{"name": "a", "value": 1}, {"name": "b", "value": 2}], 2, [1.0, 2.0]),
        ([{"name": "a", "value": 1}, 2], 2, [1.0, 2.0]),
    ],
)
def test_numbers_may_have_names(returned, objectives, values):
    outcome = judge(returned, objectives)
    assert (outcome.how, outcome.values) == ("done", values)


@pytest.mark.parametrize(
    ("returned", "objectives", "reason"),
    [
        (None, 1, "returned None, and reported nothing"),
        ({"accuracy": 1}, 1, 'returned {"accuracy": 1} (dict); a number is needed'),
        ({"value": None}, 1, "a number is needed"),
        ([{"value": 1}, {"value": 2}], 1, "1 numbers are needed"),
        ([1], 1, "a number is needed"),
        ({"value": math.nan}, 1, "returned nan"),
        (None, 2, "returned None"),
    ],
)
def test_what_is_no_number_is_a_failure(returned, objectives, reason):
    outcome = judge(returned, objectives)
    assert outcome.how == "failed"
    assert reason in outcome.reason


def reported(take, reports, *, maximized=False):
    return with_reported(judge(None, 1, take), reports, maximized=maximized)


def test_a_report_counts_if_nothing_is_returned():
    reports = {1: 3.0, 2: 1.0, 5: 2.0}
    assert reported("best", reports).values == [1.0]
    assert reported("best", reports, maximized=True).values == [3.0]
    assert reported("last", reports).values == [2.0]


def test_not_a_number_is_never_the_best_and_fails_as_the_last():
    assert reported("best", {1: math.nan, 2: 1.0}).values == [1.0]
    assert reported("best", {1: math.nan}).reason == "reported nothing but nan"
    assert reported("last", {1: 1.0, 2: math.nan}).how == "failed"


def test_what_was_returned_counts_more_than_reports():
    assert with_reported(judge(7, 1, "best"), {1: 1.0}, maximized=False).values == [7.0]
    assert with_reported(Outcome("failed", reason="why"), {1: 1.0}, maximized=False).reason == "why"
