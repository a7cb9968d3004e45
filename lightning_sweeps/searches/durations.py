"""Seconds, as the user writes them."""

import math
import re
from typing import Any

from lightning_sweeps.errors import ConfigError

SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "min": 60, "s": 1}
_PART = r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)\s*"


def seconds(option: str, given: Any) -> float | None:
    """The number of seconds that a sweeper's option means; None stays None.

    >>> seconds("timeout", "1h30m")
    5400.0

    Raises:
        ConfigError: it is no length of time, or none at all.
    """
    if given is None:
        return None
    text = str(given).strip().lower()
    if re.fullmatch(f"(?:{_PART})+", text):
        value = sum(float(number) * SECONDS[unit] for number, unit in re.findall(_PART, text))
    else:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
    if not value > 0 or isinstance(given, bool):
        raise ConfigError(f"hydra.sweeper.{option}={given}: it is a length of time, such as 90 (seconds) or 1h30m")
    return value
