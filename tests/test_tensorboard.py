"""What TensorBoard shows of a search: over its own HTTP interface, and in a browser."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from browser import chromium
from search_commands import rows, wait_until
from selenium.webdriver.support.ui import WebDriverWait
from tensorboards import ask, tensorboard, wait_for

pytestmark = pytest.mark.slow
EPOCHS = 40
SEARCH = [
    *("model=mlp", "model.net.width=8", "optimizer=sgd", "optimizer.lr=0.05,1e-7,1e20", "seed=0,1"),
    *("hydra.sweeper.max_failure_rate=1", "hydra/sweeper/pruner=threshold", "hydra.sweeper.pruner.lower=0.5"),
    *("hydra.sweeper.pruner.n_warmup_steps=5", f"trainer.max_epochs={EPOCHS}"),
]

ASKED = {
    "experimentName": "",
    "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
    "colParams": [{"metric": {"group": "", "tag": "objective"}}],
    "startIndex": 0,
    "sliceSize": 100,
}


@pytest.fixture(scope="module")
def searched(once_for_all_workers, forked_commands) -> Path:
    """``outputs`` with a search that was killed under way and resumed: two complete, two pruned, two failed trials."""
    return once_for_all_workers("searched", lambda folder: _search(folder, forked_commands))


def _search(folder, forked_commands):
    sweep = folder / "outputs" / "sweeps" / "day" / "time"
    sweep.mkdir(parents=True)
    command = [sys.executable, "-m", "lightning_sweeps"]
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL}
    supervisor = forked_commands.Popen([*command, "-m", *SEARCH, f"hydra.sweep.dir={sweep}"], **quiet)
    table = sweep / "0" / "metrics.csv"
    wait_until(lambda: table.is_file() and table.read_text().count("\n") > 4, seconds=120)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    resumed = forked_commands.run(["-m", "lightning_sweeps.resume", str(sweep)], folder)
    assert resumed.returncode == 0, resumed.stderr
    states = [row["state"] for row in rows(sweep)]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED", "FAIL", "FAIL"]


@pytest.fixture(scope="module")
def address(searched) -> Iterator[str]:
    trials = set(map(str, range(6)))
    with tensorboard(["--logdir", "outputs/sweeps/day/time"], searched, trials) as address:
        assert set(ask(f"{address}/data/runs")) == trials, "no stray runs"
        # A run is known before its events are read.
        read = wait_for(
            f"{address}/data/plugin/hparams/session_groups",
            lambda answer: len(answer.get("sessionGroups", ())) == len(trials),
            ASKED,
        )
        assert read["totalSize"] == len(trials)
        ends = {"0", "1", "2", "3"}
        tags = f"{address}/data/plugin/scalars/tags"
        wait_for(tags, lambda answer: all("objective" in answer.get(run, ()) for run in ends))
        yield address


def test_a_resumed_trial_is_one_curve_without_gaps(address):
    for run in ("0", "1"):
        for tag in ("val/accuracy", "val/loss"):
            points = ask(f"{address}/data/plugin/scalars/scalars?run={run}&tag={tag}")
            steps = [step for _, step, _ in points]
            assert len(steps) == EPOCHS
            assert len({b - a for a, b in itertools.pairwise(steps)}) == 1


def test_pictures_are_there(address):
    tags = ask(f"{address}/data/plugin/images/tags")
    for run in ("0", "1", "2", "3"):
        assert tags[run], "pictures of a complete and of a pruned trial"
    assert [run for run in sorted(tags) if "train/images" in tags[run]] == ["0"], "one grid for the search"


def test_hparams_has_a_row_for_each_trial(address):
    experiment = ask(f"{address}/data/plugin/hparams/experiment", {"experimentName": ""})
    assert [column["name"] for column in experiment["hparamInfos"]] == ["#trial", "optimizer.lr", "seed"]
    groups = ask(f"{address}/data/plugin/hparams/session_groups", ASKED)["sessionGroups"]
    found = {
        group["name"]: (group["hparams"], [metric["value"] for metric in group.get("metricValues", [])])
        for group in groups
    }
    assert sorted(found) == list("012345")
    assert found["2"][0] == {"#trial": 2.0, "optimizer.lr": 1e-7, "seed": 0.0}
    for trial in "0123":
        (objective,) = found[trial][1]
        assert 0 < objective <= 1
    assert found["4"][1] == [], "a failed trial has no value, and no placeholder"


def test_hyperparameters_are_in_the_loggers_file_too(searched):
    written = yaml.safe_load((searched / "outputs/sweeps/day/time/2/hparams.yaml").read_text())
    assert written == {"optimizer.lr": 1e-7, "seed": 0}


def test_all_outputs_are_one_logdir(searched):
    runs = {f"sweeps/day/time/{number}" for number in range(6)}
    with tensorboard(["--logdir", "outputs"], searched, runs) as address:
        assert set(ask(f"{address}/data/runs")) == runs


# What the user sees is in shadow roots.
CELLS = """
const texts = [];
(function walk(node) {
  for (const child of node.querySelectorAll("*")) {
    if (child.shadowRoot) walk(child.shadowRoot);
    if (child.tagName === "VAADIN-GRID-CELL-CONTENT") texts.push(child.textContent.trim());
  }
})(document);
return texts.filter(text => text)
"""


def test_hparams_in_a_browser(address):
    with chromium() as window:
        window.get(f"{address}/#hparams")
        cells = WebDriverWait(window, 120).until(lambda _: len(found := window.execute_script(CELLS)) > 20 and found)
        assert {"optimizer.lr", "seed", "objective"} <= set(cells)
        assert set("012345") <= set(cells), "a row for each trial"
        assert "1.0000e-7" in cells
