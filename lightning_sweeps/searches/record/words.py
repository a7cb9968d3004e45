"""Numbers, durations and parameters, as people read them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHOWN_NUMBERS = 8


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each name without what comes before its last dots, as far as it is then still another than all others.

    >>> short_names(["optimizer.lr", "model.net.width", "a.size", "b.size"])
    {'optimizer.lr': 'lr', 'model.net.width': 'width', 'a.size': 'a.size', 'b.size': 'b.size'}
    """
    endings = {name: _endings(name) for name in names}
    counts: dict[str, int] = {}
    for ending in (one for those in endings.values() for one in those):
        counts[ending] = counts.get(ending, 0) + 1
    return {name: next((one for one in those if counts[one] == 1), name) for name, those in endings.items()}


def _endings(name: str) -> list[str]:
    """``c``, ``b.c``, ``a.b.c`` of ``a.b.c``."""
    parts = name.lstrip("+").split(".")
    return [".".join(parts[place:]) for place in reversed(range(len(parts)))]


def shown(params: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """Parameters on one line.

    Args:
        names: other names for some of them.
    """
    return "  ".join(
        f"{(names or {}).get(name, name)}={f'{value:.4g}' if isinstance(value, float) else value}"
        for name, value in params.items()
    )


def number_of(trials: int) -> str:
    """``1 trial``, ``2 trials``."""
    return "1 trial" if trials == 1 else f"{trials} trials"


def numbered(trials: Sequence[int]) -> str:
    """``trial 3``, ``trials 1, 2, 4``."""
    numbers = ", ".join(map(str, trials[:SHOWN_NUMBERS])) + (", ..." if len(trials) > SHOWN_NUMBERS else "")
    return f"trial{'s' if len(trials) > 1 else ''} {numbers}"


def clock(seconds: float) -> str:
    """``0:07``, ``12:30``, ``3:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
