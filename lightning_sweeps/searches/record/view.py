"""What a search shows while it runs: a live table on a terminal, a line per finished trial everywhere."""

import logging
import math
import signal
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lightning_sweeps.searches.engine.attempt import Attempt
from lightning_sweeps.searches.engine.contracts import Member
from lightning_sweeps.searches.engine.outcome import Finished, State
from lightning_sweeps.searches.engine.tally import Tally

log = logging.getLogger(__name__)
SECONDS_BETWEEN_DRAWS = 0.25
SECONDS_OF_A_CLOCK = 1.0  # the table is drawn at least this often, for the clocks of the running trials


class View:
    """A line per finished trial."""

    next_draw = math.inf  # when, on the monotonic clock, it wants to be drawn again

    def told(self, finished: Finished) -> None:
        """A trial has finished."""
        value = " ".join(f"{value:.6g}" for value in finished.values)
        state = "fail" if finished.state is State.FAILED else finished.state.value
        told = "  ".join(filter(None, (shown(finished.params), finished.reason)))
        log.info("trial %3d  %-8s  %-9s %s", finished.number, state, value, told)

    def stopping(self, number: int) -> None:
        """The running trials are asked to stop, since this signal has come."""
        again = "; Ctrl-C again kills them" if number == signal.SIGINT else ""
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write(f"\nstopping the running trials{again}\n")

    def draw(self, running: Collection[Attempt], tally: Tally) -> None:
        """Show how it stands."""


class LiveView(View):
    """The same lines, with a live table of the running trials below them."""

    def __init__(self, live: Live, metric: str, unit: str) -> None:
        self.live = live
        self.metric = metric
        self.unit = unit
        self._drawn = -math.inf

    def draw(self, running: Collection[Attempt], tally: Tally) -> None:
        now = time.monotonic()
        if now < self._drawn + SECONDS_BETWEEN_DRAWS:
            self.next_draw = self._drawn + SECONDS_BETWEEN_DRAWS
            return
        self._drawn, self.next_draw = now, now + SECONDS_OF_A_CLOCK
        below = self._table(running, now) if running else Text("importing what the trials need")
        with suppress(OSError):  # the terminal may be gone
            self.live.update(Group("", _standing(running, tally), below), refresh=True)

    def _table(self, running: Collection[Attempt], now: float) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
        for name in ("trial", "time", self.unit, self.metric):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("parameters", no_wrap=True, overflow="ellipsis", ratio=1)
        room = max(1, self.live.console.height - 6)
        members = [(one, attempt.started) for attempt in running for one in attempt.progress.values()]
        for progress, started in sorted(members, key=lambda one: one[0].member.trial)[:room]:
            table.add_row(
                _named(progress.member),
                clock(now - started),
                "-" if progress.step is None else str(progress.step),
                "-" if progress.value is None else f"{progress.value:.5g}",
                Text(shown(progress.member.params)),
            )
        if len(members) > room:
            table.add_row("...", "", "", "", f"and {len(members) - room} more")
        return table


def _named(member: Member) -> str:
    return str(member.trial) if member.of is None else f"{member.trial}/{member.part}"


def _standing(running: Collection[Attempt], tally: Tally) -> Text:
    done = f"{len(tally.states)}/{tally.budget.n_trials} trials"
    counts = ((len(running), "running"), (tally.count(State.PRUNED), "pruned"))
    parts = [done, *(f"{count} {what}" for count, what in counts if count)]
    text = Text("   ".join(parts), style="bold")
    if failed := tally.count(State.FAILED):
        text.append(f"   {failed} failed", style="bold red")
    if tally.best is not None:
        text.append(f"   best {tally.best.values[0]:.5g} (trial {tally.best.number})", style="bold green")
    left = tally.seconds_left()
    return text.append(f"   {clock(tally.seconds)}" + ("" if left is None else f", about {clock(left)} left"))


@contextmanager
def open_view(metric: str | None, in_processes: bool) -> Iterator[View]:
    """The live view on a terminal, if trials leave the screen to it; else plain lines.

    Args:
        metric: what a Lightning run reports after each epoch; None for apps that report some value at some step.
    """
    console = Console(highlight=False)
    on_a_terminal = console.is_terminal and console.file.isatty()  # FORCE_COLOR alone makes none of a file
    if not in_processes or not on_a_terminal or console.is_dumb_terminal:
        yield View()
        return
    # Not auto_refresh: a thread of its own would draw into what the loop prints.
    live = Live(console=console, auto_refresh=False, transient=True)
    live.start()
    try:
        with _logging_above(sys.stdout):
            yield LiveView(live, metric or "value", "epoch" if metric else "step")
    finally:
        with suppress(OSError):
            live.stop()


@contextmanager
def _logging_above(stream: Any) -> Iterator[None]:
    """Let log lines for the screen go through the live view, which prints them above its table."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler and handler.stream in (sys.__stdout__, sys.__stderr__)
    ]
    before = [handler.setStream(stream) for handler in handlers]
    try:
        yield
    finally:
        for handler, old in zip(handlers, before, strict=True):
            handler.setStream(old)


def shown(params: Mapping[str, Any]) -> str:
    """Parameters on one line."""
    return "  ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )


def number_of(trials: int) -> str:
    """``1 trial``, ``2 trials``."""
    return "1 trial" if trials == 1 else f"{trials} trials"


def clock(seconds: float) -> str:
    """``0:07``, ``12:30``, ``3:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
