"""Lengths of time in options."""

import pytest

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.durations import seconds


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        (90, 90),
        (0.5, 0.5),
        ("90", 90),
        ("1h30m", 5400),
        ("1h 30min", 5400),
        ("2d", 172_800),
        ("1.5h", 5400),
        ("45s", 45),
        ("10M", 600),
    ],
)
def test_a_length_of_time_is_read(given, meant):
    assert seconds("timeout", given) == meant


@pytest.mark.parametrize("given", ["1h30x", "soon", "", 0, -1, "0s", "nan", True, [1], "h", "-5m"])
def test_what_is_no_length_of_time_is_refused(given):
    with pytest.raises(ConfigError, match=r"hydra.sweeper.timeout=.*1h30m"):
        seconds("timeout", given)
