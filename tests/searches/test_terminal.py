"""What the user sees of a search: on terminals of two widths, in a log file, and at its end."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from omegaconf import OmegaConf

from lightning_sweeps.searches.engine.budget import Budget
from lightning_sweeps.searches.engine.outcome import Finished, News, State
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.record.live import epochs_of, standing
from lightning_sweeps.searches.record.view import View, heartbeat
from lightning_sweeps.searches.record.words import short_names

pyte = pytest.importorskip("pyte")
WIDTHS = (80, 140)


def tally(*finished: Finished, n_trials: int = 10, maximize: bool | None = True) -> Tally:
    seconds = iter([0.0, *[30.0] * 99])
    counted = Tally(Budget(n_trials, **LIMITS), News([], 0), maximize, clock=lambda: next(seconds))
    counted.note(News(finished, 1))
    return counted


LIMITS = {
    **dict.fromkeys(("timeout", "trial_timeout", "target", "patience")),
    "stop_timeout": 10.0,
    "max_failure_rate": 1.0,
    "max_retries": 0,
}
COMPLETE = Finished(0, State.COMPLETE, [0.981], {"optimizer.lr": 0.01}, step=20)
PRUNED = Finished(1, State.PRUNED, [], {"optimizer.lr": 0.5}, step=4)
FAILED = Finished(2, State.FAILED, [], {"optimizer.lr": 0.7}, "CUDA out of memory", step=None)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["optimizer.lr", "model.net.width"], ["lr", "width"]),
        (["a.size", "b.size", "c.d.size"], ["a.size", "b.size", "d.size"]),
        (["optimizer", "optimizer.lr", "optimizer.lr#2"], ["optimizer", "lr", "lr#2"]),
        (["lr", "optimizer.lr"], ["lr", "optimizer.lr"]),
        (["+new.key", "seed"], ["key", "seed"]),
    ],
)
def test_names_are_as_short_as_they_can_be(names, short):
    assert list(short_names(names).values()) == short
    assert len(set(short)) == len(names)


@pytest.mark.parametrize(
    ("finished", "line"),
    [
        (COMPLETE, "trial   0  complete  0.981 (best)     lr=0.01"),
        (PRUNED, "trial   1  pruned at epoch 4          lr=0.5"),
        (FAILED, "trial   2  failed: CUDA out of memory  lr=0.7"),
    ],
)
def test_a_finished_trial_has_a_line_with_words_for_its_marks(caplog, finished, line):
    caplog.set_level("INFO")
    View({"optimizer.lr": "lr"}, "epoch").told(finished, tally(COMPLETE, PRUNED, FAILED))
    assert caplog.messages == [line]


def test_the_heartbeat_says_how_it_stands():
    assert heartbeat(tally(COMPLETE, PRUNED)) == "[2/10] best 0.981 (#0), 2:00 left"
    assert heartbeat(tally(FAILED)) == "[1/10] 1 failed, 4:30 left"
    assert heartbeat(tally()) == "[0/10] 0:30 so far"


def test_the_heartbeat_comes_when_nobody_has_said_anything_for_a_while(caplog, monkeypatch):
    caplog.set_level("INFO")
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    view, counted = View({}, "epoch"), tally(COMPLETE)
    view.draw([object()], counted)  # type: ignore[list-item]
    assert not caplog.messages
    now[0] = view.next_draw
    view.draw([object()], counted)  # type: ignore[list-item]
    view.draw([object()], counted)  # type: ignore[list-item]
    assert len(caplog.messages) == 1
    now[0] = view.next_draw
    view.draw([], counted)
    assert len(caplog.messages) == 1, "nothing runs"


@pytest.mark.parametrize("width", [40, *WIDTHS])
def test_the_standing_fits_any_width(width):
    rows = [row.plain for row in standing(tally(COMPLETE, PRUNED, FAILED), "epoch", width)]
    assert all(len(row) <= width for row in rows)
    said = "   ".join(rows)
    for part in ("3/10 trials", "best 0.981 (trial 0)", "0:30, about 1:10 left", "1 pruned, 40% of the epochs saved"):
        assert part in said
    assert said.endswith("1 failed")


def test_what_pruning_saved_is_known_when_a_trial_has_shown_how_long_they_are():
    assert tally(PRUNED).saved is None
    assert tally(COMPLETE).saved is None
    assert tally(COMPLETE, PRUNED).saved == pytest.approx(16 / 40)


@pytest.mark.parametrize(
    ("config", "epochs"), [({"trainer": {"max_epochs": 7}}, 7), ({"trainer": {}}, None), ({}, None)]
)
def test_a_bar_needs_to_know_how_many_epochs_there_are(config, epochs):
    assert epochs_of(OmegaConf.create(config)) == epochs
    assert epochs_of(object()) is None


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, width: int, *arguments: str, **environment: str) -> None:
        self.screen = pyte.Screen(width, 40)
        self.stream = pyte.ByteStream(self.screen)
        self.terminal = pexpect.spawn(
            sys.executable, list(arguments), dimensions=(40, width), timeout=120, env={**os.environ, **environment}
        )

    def until(self, condition: Callable[[list[str]], object]) -> list[str]:
        """The lines when the condition holds, or at the end."""
        while not condition(self.lines):
            try:
                self.stream.feed(self.terminal.read_nonblocking(65536, timeout=120))
            except pexpect.EOF:
                break
        return self.lines

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def close(self) -> int:
        self.until(lambda _: False)
        self.terminal.close()
        return int(self.terminal.exitstatus or 0)

    def color_of(self, text: str) -> str:
        """Of the first letter of the first line that has this text."""
        row = next(number for number, line in enumerate(self.screen.display) if text in line)
        return str(self.screen.buffer[row][self.screen.display[row].index(text)].fg)


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_the_live_table_has_a_row_for_each_running_trial(own_folder, width):
    space = ["model.net.depth=1,2", "optimizer.lr=0.001,0.01", "datamodule.batch_size=32,64", "hydra.sweep.dir=s"]
    more = [
        "trainer.max_epochs=40",
        "hydra.sweeper.n_jobs=2",
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.sampler.seed=1",
    ]
    shown = Screen(width, "-m", "lightning_sweeps", "-m", "model=mlp", *space, *more)
    lines = shown.until(
        lambda seen: (
            sum("━" in one for one in seen) == 2 and any("/4 trials   best " in one and "left" in one for one in seen)
        )
    )
    title = next(line for line in lines if line.lstrip().startswith("trial  epoch"))
    assert title.split() == ["trial", "epoch", "val/accuracy", "time", "parameters"]
    for row in (line for line in lines if "━" in line):
        assert "/40" in row
        assert "depth=" in row
        assert len(row) <= width
    first = next(line for line in lines if line.startswith("★ trial"))
    assert "complete" in first
    assert "(best)" in first
    assert "batch_size=" in first
    assert shown.color_of("★ trial") == "green"
    assert any("/4 trials   best " in line and "left" in line for line in lines)
    assert shown.close() == 0
    end = shown.lines
    result = next(number for number, line in enumerate(end) if line.startswith("best "))
    assert "Finished 4 of 4 trials (4 complete)" in "\n".join(end[result:])
    assert end[-1] == "report   s/report.html"
    assert any(line == "rerun    python -m lightning_sweeps.rerun s" for line in end)
    assert not any("━" in line for line in end), "the table goes when nothing runs any more"


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_failures_come_first_in_red_with_their_reasons(own_folder, app, width):
    faults = "++faults={0: raise, 1: raise, 2: notanumber}"
    shown = Screen(width, str(app), "-m", "x=1.0,2.0,3.0,4.0", faults, "hydra.sweep.dir=s")
    assert shown.close() == 1
    lines = shown.lines
    how = next(number for number, line in enumerate(lines) if line.startswith("Ended by failures"))
    assert lines[how].startswith("Ended by failures: the first 3 trials failed after 3 of 4 trials")
    assert shown.color_of("Ended by failures") == "red"
    assert "2 failed: ValueError: a bad day (trials 0, 1)" in lines[how + 1] + lines[how + 2]
    assert any(line.startswith("✗ trial   2  failed: returned nan") for line in lines)
    assert "error: the search ended by failures" in " ".join(lines)


@pytest.mark.slow
def test_without_colours_or_unicode_the_words_are_enough(own_folder, app):
    shown = Screen(
        80, str(app), "-m", "x=2.0,1.0", "hydra.sweep.dir=s", NO_COLOR="1", PYTHONIOENCODING="ascii", LC_ALL="C"
    )
    assert shown.close() == 0
    lines = shown.lines
    assert any(line.startswith("* trial   1  complete  1 (best)") for line in lines)
    assert all(line.isascii() for line in lines)
    assert shown.color_of("* trial") == "default"


@pytest.mark.slow
def test_a_log_file_has_the_same_without_marks_or_colours(sweep):
    done = sweep("x=3.0,1.0,2.0", "y=0,1", "hydra.sweeper.n_trials=6", "++faults={2: raise}")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert done.stdout.isascii()
    assert "1 failed: ValueError: a bad day (trial 2)" in done.stdout
    assert "best 2: trial 3" in done.stdout
    assert "Finished 6 of 6 trials (5 complete, 1 failed)" in done.stdout


@pytest.mark.slow
def test_ties_are_named(sweep):
    done = sweep("x=-1.0,1.0,2.0")
    assert done.returncode == 0, done.stderr
    assert "best 1: trial 0" in done.stdout
    assert "trial 1 came to the same value" in done.stdout


@pytest.mark.slow
def test_several_objectives_end_with_their_front(own_folder, app):
    app.write_text(app.read_text().replace("return cfg.x ** 2 + cfg.y", "return cfg.x, cfg.y"))
    more = ["hydra.sweeper.direction=[minimize,maximize]", "hydra.sweep.dir=s"]
    shown = Screen(80, str(app), "-m", "x=1.0,2.0", "y=0,1", *more)
    assert shown.close() == 0
    assert "Pareto front, 1 trial: none is better than one of these in all objectives" in shown.lines
    assert "rerun    python -m lightning_sweeps.rerun s --front" in shown.lines
    assert Path("s/best.yaml").is_file()
