"""What a search shows while it runs, wherever it prints: a line per finished trial, and now and then its state."""

import logging
import math
import signal
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

from rich.text import Text

from lightning_sweeps.searches.engine.attempt import Attempt
from lightning_sweeps.searches.engine.outcome import Finished, State
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.record.screen import say
from lightning_sweeps.searches.record.words import clock, shown

log = logging.getLogger(__name__)
SECONDS_BETWEEN_HEARTBEATS = 30.0
MARKS = {State.COMPLETE: ("✓", ""), State.PRUNED: ("○", "dim"), State.FAILED: ("✗", "red")}
BEST = ("★", "bold green")
ASCII = {"✓": "+", "○": "-", "✗": "x", "★": "*"}


class View:
    """A line per finished trial, and a heartbeat between them.

    Args:
        names: short names of the parameters.
        unit: of a report's step.
        marks: by the letter that a terminal shows before a line, the one that this one can show; None: there is none.
    """

    def __init__(self, names: Mapping[str, str], unit: str, marks: Mapping[str, str] | None = None) -> None:
        self.names = names
        self.unit = unit
        self.marks = marks
        self.next_draw = math.inf  # when, on the monotonic clock, it wants to be drawn again

    def told(self, finished: Finished, tally: Tally) -> None:
        """A trial has finished."""
        is_best = tally.best is not None and tally.best.number == finished.number
        mark, style = BEST if is_best else MARKS[finished.state]
        what = _outcome(finished, self.unit, is_best=is_best)
        params = shown(finished.params, self.names)
        before = "" if self.marks is None else f"{self.marks[mark]} "
        line = Text(f"{before}trial {finished.number:>3}  ", style=style)
        line.append(f"{what:<25}", style=style).append(f"  {params}", style="dim" if style == "dim" else "")
        say(log, line)

    def stopping(self, number: int) -> None:
        """The running trials are asked to stop, since this signal has come."""
        again = "; Ctrl-C again kills them" if number == signal.SIGINT else ""
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write(f"\nstopping the running trials{again}\n")

    def draw(self, running: Collection[Attempt], tally: Tally) -> None:
        """Say its state, if nobody has for a while."""
        now = time.monotonic()
        if self.next_draw < math.inf and now >= self.next_draw and running:
            log.info("%s", heartbeat(tally))
        if self.next_draw == math.inf or now >= self.next_draw:
            self.next_draw = now + SECONDS_BETWEEN_HEARTBEATS


def heartbeat(tally: Tally) -> str:
    """``[4/10] best 0.981 (#2), 0:22 left``."""
    parts = []
    if tally.best is not None:
        parts.append(f"best {tally.best.values[0]:.5g} (#{tally.best.number})")
    if failed := tally.count(State.FAILED):
        parts.append(f"{failed} failed")
    left = tally.seconds_left()
    parts.append(f"{clock(left)} left" if left is not None else f"{clock(tally.seconds)} so far")
    return f"[{len(tally.states)}/{tally.budget.n_trials}] {', '.join(parts)}"


def _outcome(finished: Finished, unit: str, *, is_best: bool) -> str:
    values = " ".join(f"{value:.6g}" for value in finished.values)
    if finished.state is State.PRUNED:
        return f"pruned at {unit} {finished.step}" if finished.step is not None else "pruned"
    if finished.state is State.FAILED:
        return f"failed: {finished.reason}"
    noted = f"  {finished.reason}" if finished.reason else " (best)" if is_best else ""
    return f"complete  {values}{noted}"
