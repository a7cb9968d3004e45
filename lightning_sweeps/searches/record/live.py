"""The live table of the running trials, below the lines of those that have finished."""

import math
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lightning_sweeps.searches.engine.attempt import Attempt, Progress
from lightning_sweeps.searches.engine.outcome import State
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.record.view import ASCII, View
from lightning_sweeps.searches.record.words import clock, shown

SECONDS_BETWEEN_DRAWS = 0.25
SECONDS_OF_A_CLOCK = 1.0  # the table is drawn at least this often, for the clocks of the running trials
BAR = 8  # characters
LONGEST_TITLE = 14
EPOCHS = "trainer.max_epochs"


class LiveView(View):
    """A line per finished trial, and a live table of the running trials below them."""

    def __init__(self, live: Live, metric: str, names: Mapping[str, str], unit: str) -> None:
        self.ascii_only = live.console.options.ascii_only
        super().__init__(names, unit, ASCII if self.ascii_only else {one: one for one in ASCII})
        self.live = live
        self.metric = metric if len(metric) <= LONGEST_TITLE else f"...{metric[3 - LONGEST_TITLE :]}"
        self._drawn = -math.inf
        self._last: dict[tuple[int, int], tuple[int, float, str]] = {}  # by trial and part: step, value, direction

    def draw(self, running: Collection[Attempt], tally: Tally) -> None:
        now = time.monotonic()
        if now < self._drawn + SECONDS_BETWEEN_DRAWS:
            self.next_draw = self._drawn + SECONDS_BETWEEN_DRAWS
            return
        self._drawn, self.next_draw = now, now + SECONDS_OF_A_CLOCK
        below = self._table(running, now) if running else Text("importing what the trials need", style="dim")
        with suppress(OSError):  # the terminal may be gone
            self.live.update(Group("", *standing(tally, self.unit, self.live.console.width), below), refresh=True)

    def _table(self, running: Collection[Attempt], now: float) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), expand=True)
        for name, justify in (("trial", "right"), (self.unit, "left"), (self.metric, "left"), ("time", "right")):
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        table.add_column("parameters", no_wrap=True, overflow="ellipsis", ratio=1)
        room = max(1, self.live.console.height - 7)
        members = [(one, attempt.started) for attempt in running for one in attempt.progress.values()]
        for progress, started in sorted(members, key=lambda one: one[0].member.trial)[:room]:
            member = progress.member
            named = str(member.trial) if member.of is None else f"{member.trial}/{member.part}"
            params = Text(shown(member.params, self.names))
            table.add_row(named, self._steps(progress), self._value(progress), clock(now - started), params)
        if len(members) > room:
            table.add_row("...", "", "", "", f"and {len(members) - room} more")
        return table

    def _steps(self, progress: Progress) -> str:
        step, most = progress.step or 0, epochs_of(progress.member.config) if self.unit == "epoch" else None
        if most is None:
            return "-" if progress.step is None else str(step)
        full = round(BAR * min(1.0, step / most))
        done, left = ("#", ".") if self.ascii_only else ("━", "─")
        return f"{done * full}{left * (BAR - full)} {step}/{most}"

    def _value(self, progress: Progress) -> str:
        if progress.value is None or progress.step is None:
            return "-"
        key = progress.member.trial, progress.member.part
        step, value, direction = self._last.get(key, (progress.step, progress.value, " "))
        if progress.step != step and progress.value != value:
            up, down = ("^", "v") if self.ascii_only else ("↑", "↓")
            direction = up if progress.value > value else down
        self._last[key] = progress.step, progress.value, direction
        return f"{progress.value:.5g} {direction}"


def epochs_of(config: Any) -> int | None:
    """How many epochs a run may have; None if its config does not say."""
    epochs = OmegaConf.select(config, EPOCHS, throw_on_missing=False) if OmegaConf.is_config(config) else None
    return epochs if isinstance(epochs, int) and epochs > 0 else None


def standing(tally: Tally, unit: str, width: int) -> Iterator[Text]:
    """The state of the search, in as many rows as the width asks for."""
    parts = [Text(f"{len(tally.states)}/{tally.budget.n_trials} trials", style="bold")]
    if tally.best is not None:
        parts.append(Text(f"best {tally.best.values[0]:.6g} (trial {tally.best.number})", style="bold green"))
    left = tally.seconds_left()
    parts.append(Text(clock(tally.seconds) + ("" if left is None else f", about {clock(left)} left")))
    if pruned := tally.count(State.PRUNED):
        saved = tally.saved
        parts.append(Text(f"{pruned} pruned" + (f", {saved:.0%} of the {unit}s saved" if saved is not None else "")))
    if failed := tally.count(State.FAILED):
        parts.append(Text(f"{failed} failed", style="bold red"))
    row = Text()
    for part in parts:
        if row and len(row) + 3 + len(part) > width:
            yield row
            row = Text()
        row = row.append("   " if row else "").append_text(part)
    yield row


@contextmanager
def open_view(console: Console | None, metric: str | None, names: Mapping[str, str], unit: str) -> Iterator[View]:
    """The live view on a terminal; else plain lines.

    Args:
        console: None if there is no terminal, or trials print on it themselves.
        metric: what a Lightning run reports; None for apps that report some value.
        names: short names of the parameters.
        unit: of a report's step: an epoch, a step, a part.
    """
    if console is None:
        yield View(names, unit)
        return
    # Not auto_refresh: a thread of its own would draw into what the loop prints.
    live = Live(console=console, auto_refresh=False, transient=True)
    live.start()
    try:
        yield LiveView(live, metric or "value", names, unit)
    finally:
        with suppress(OSError):
            live.stop()
