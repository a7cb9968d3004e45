"""``search`` and ``Study``, as Python programs call them."""

import gc
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cloudpickle
import optuna
import pytest
from conftest import write_app
from hydra.core.global_hydra import GlobalHydra
from search_commands import gone, wait_until

from lightning_sweeps import Study, run, search
from lightning_sweeps.errors import CommandError, ConfigError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks_without_torch")]
STEPPED = optuna.distributions.FloatDistribution(0.0, 5.0, step=1.0)
SPACE = {"x": "interval(-5.0,5.0)"}
HERE = ["hydra.sweep.dir=s", "hydra.sweeper.report=false"]


# As those of a notebook, its functions cannot be imported by a trial.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
lock = threading.Lock()


def square(config, trial):
    return config.x**2


def without_a_trial(config):
    return config.x


def locking(config, trial):
    with lock:
        return config.x


def waiting(config, trial):
    """Its trials wait for the file ``go``."""
    import time

    Path(f"{trial.folder}.began").touch()
    while not Path("go").is_file():
        time.sleep(0.05)
    return config.x


def searched(objective=square, space=None, **more):
    return search(objective, space=space or SPACE, overrides=HERE, show=False, **more)


def test_a_functions_best_trial_and_table_are_there(own_folder):
    space = {"x": "interval(-5.0,5.0)", "net.kind": ["a b", "ä'c"], "depth": optuna.distributions.IntDistribution(1, 4)}

    def objective(config, trial):
        assert config.net.width == 8
        assert config.net.kind in ("a b", "ä'c")
        assert isinstance(config.depth, int)
        trial.report(config.x, 1)
        return config.x**2

    study = searched(objective, space, config={"net": {"width": 8}}, n_trials=4, n_jobs=2)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 4
    assert study.best.value == min(trial.params["x"] ** 2 for trial in study.trials)
    assert study.best.folder == own_folder / "s" / str(study.best.number)
    table = study.table()
    assert list(table.columns)[:6] == ["number", "state", "value", "x", "net.kind", "depth"]
    assert table["value"].min() == study.best.value
    assert repr(study) == f"Study('s': 4 trials, 4 complete, best {study.best.value:.6g})"


def test_what_a_trial_of_a_function_has_made_is_freed(own_folder):
    """Such as an object that writes its rows then, and that is in a cycle of references."""

    class Logger:
        def __init__(self, file):
            self.file, self.myself = file, self

        def __del__(self):
            self.file.touch()

    def objective(config, trial):
        Logger(Path(trial.folder, "written"))
        return config.x

    study = search(objective, space={"x": "choice(1,2)"}, show=False)
    assert all((study.folder / str(trial.number) / "written").is_file() for trial in study.trials)


def test_a_table_without_pandas_is_a_list(own_folder, monkeypatch):
    study = searched(n_trials=2)
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = study.table()
    assert [(row["number"], row["state"], row["reason"]) for row in table] == [(n, "COMPLETE", None) for n in (0, 1)]
    assert [row["value"] for row in table] == [row["x"] ** 2 for row in table]


def test_a_search_goes_on_from_python_and_from_a_shell(own_folder, python_without_torch):
    study = searched(n_trials=2)
    first = [trial.params for trial in study.trials]
    assert len(study.resume(n_trials=3, show=False).trials) == 3
    resumed = python_without_torch("-m", "lightning_sweeps.resume", "s", "hydra.sweeper.n_trials=5")
    assert resumed.returncode == 0, resumed.stderr
    assert [trial.params for trial in study.trials][:2] == first
    assert len(study.trials) == 5
    report = study.report()
    assert report == own_folder / "s" / "report.html"
    assert "trial" in report.read_text()


def test_a_moved_search_is_read_and_resumed_where_it_is(own_folder):
    study = searched(n_trials=2)
    shutil.move("s", "moved")
    with pytest.raises(ConfigError, match="no such folder"):
        study.trials  # noqa: B018 (it reads)
    moved = Study("moved")
    assert moved.best.folder == own_folder / "moved" / str(moved.best.number)


def test_typed_overrides_and_a_program_of_ones_own(own_folder):
    write_app(own_folder)
    study = search(["x=1,2,3"], program="app.py", n_jobs=2, overrides=HERE, show=False)
    assert sorted(trial.value for trial in study.trials) == [1, 4, 9]
    assert study.best.overrides == ["x=1"]
    again = search(["x=1,2,3"], program=Path("app.py"), overrides=HERE, show=False)  # nothing is left to do
    assert len(again.trials) == 3


def test_it_is_shown_as_it_is_in_a_shell(own_folder, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as notebooks do
    search(square, space=SPACE, overrides=HERE, n_trials=2)
    output = capsys.readouterr().out
    assert "2 trials, 1 at a time" in output
    assert "trial   1  complete" in output
    assert "\x1b" not in output


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: searched(without_a_trial), r"called as objective\(config, trial\)"),
        (lambda: search(square), "space is empty"),
        (lambda: searched(space={"x": 3}), r"space: x=3: name a list of choices"),
        (lambda: searched(space={"x": []}), r"space: x=\[\]: name a list of choices"),
        (lambda: search(["x=1,2"], space=SPACE), "a function's"),
        (lambda: search(square, space=SPACE, program="app.py"), "program of its own"),
        (lambda: searched(config={"x": object()}), "config: Value 'object' is not a supported"),
        (lambda: searched(locking), "cannot be taken to another process"),
        (lambda: Study("nowhere"), "nowhere: no such folder"),
    ],
    ids=["signature", "no space", "a number", "no choices", "typed and space", "two", "config", "lock", "folder"],
)
def test_a_mistake_in_a_call_is_said_and_leaves_nothing(own_folder, call, said):
    with pytest.raises(ConfigError, match=said):
        call()
    assert not list(own_folder.rglob("*"))


@pytest.mark.parametrize(
    ("space", "overrides", "said"),
    [
        ({"x": "intervall(0,1)"}, [], "intervall"),
        (SPACE, ["hydra.sweeper.n_trials=many"], "many"),
        (SPACE, ["hydra/sweeper/sampler=tep"], "tep"),
    ],
)
def test_a_mistyped_search_is_said_and_leaves_nothing(own_folder, space, overrides, said):
    with pytest.raises(CommandError, match=said) as caught:
        search(square, space=space, overrides=[*HERE, *overrides], show=False)
    assert caught.value.folder is None
    assert not Path("s").exists()


def test_a_search_that_fails_names_the_reason_and_the_folder(own_folder):
    def objective(config, trial):
        raise ValueError("a bad day")

    with pytest.raises(CommandError, match="a bad day") as caught:
        searched(objective, n_trials=2)
    assert {trial.reason for trial in Study(caught.value.folder).trials} == {"ValueError: a bad day"}
    with pytest.raises(ConfigError, match="no trial is complete yet"):
        Study(caught.value.folder).best  # noqa: B018


def test_ctrl_c_returns_a_study_that_goes_on(own_folder, capsys):
    def interrupt():
        wait_until(Path("s/0.began").is_file, 60)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    study = search(waiting, space=SPACE, overrides=HERE, n_trials=3, n_jobs=1)
    assert [trial.state for trial in study.trials] == ["WAITING"]
    assert "study.resume() goes on with it" in capsys.readouterr().out
    drawn = study.trials[0].params
    Path("go").touch()
    study = study.resume(show=False)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 3
    assert study.trials[0].params == drawn


def test_nothing_of_it_stays_in_the_process(own_folder):
    def state():
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        logs = logging.root.level, list(logging.root.handlers), optuna.logging.get_verbosity()
        return handlers, logs, gc.isenabled(), gc.get_freeze_count(), GlobalHydra.instance().is_initialized(), sys.argv

    searched(n_trials=1)
    before, environment = state(), dict(os.environ)
    searched(n_trials=2)
    assert state() == before
    assert dict(os.environ) == environment
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("_Errors")]


def test_two_at_once_off_the_main_thread(own_folder):
    with ThreadPoolExecutor() as pool:
        found = [pool.submit(search, square, space=SPACE, n_trials=2, show=False) for _ in range(2)]
        studies = [one.result(timeout=100) for one in found]
    assert studies[0].folder != studies[1].folder
    assert [len(study.trials) for study in studies] == [2, 2]


CALLER = """
import time
from pathlib import Path
from lightning_sweeps import search

def objective(config, trial):
    Path("pid").write_text(str(__import__("os").getpid()))
    time.sleep(600)

search(objective, space={"x": [1, 2]}, overrides=["hydra.sweep.dir=s"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs signals that belong to files")
def test_a_search_dies_with_its_caller_and_goes_on(own_folder, python_without_torch):
    Path("caller.py").write_text(CALLER)
    caller = subprocess.Popen([sys.executable, "caller.py"], stdout=subprocess.DEVNULL)
    wait_until(lambda: Path("pid").is_file() and Path("pid").read_text() != "", 60)
    caller.kill()
    caller.wait()
    trial = int(Path("pid").read_text())
    wait_until(lambda: gone(trial), 60)
    study = Study("s")
    assert len(study.trials) == 1
    assert "objective" in Path("s/program/objective.py").read_text()


def test_choices_are_what_they_are(own_folder):
    """Texts that look like numbers or like nothing, and nothing itself."""
    choices = ["1", "1e-3", "true", "null", "~", '"q"', "[a]", "a b", None, 1, 1.5, True]

    def objective(config, trial):
        Path(f"{trial.number}.seen").write_text(repr(config.x))
        return 1.0

    study = searched(objective, {"x": choices})
    assert len(study.trials) == len(choices)
    assert {file.read_text() for file in own_folder.glob("*.seen")} == {repr(choice) for choice in choices}
    (alone,) = search(objective, space={"x": ["1"]}, overrides=["hydra.sweep.dir=t"], show=False).trials
    assert alone.params == {"x": "1"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: search("model=mlp"), "overrides are a list of texts"),
        (lambda: search(3), "overrides are a list of texts"),
        (lambda: search(["x=1,2", 3]), "overrides are a list of texts"),
        (lambda: search(["-m", "x=1,2"]), "-m is what search"),
        (lambda: search(square, space=SPACE, overrides="seed=1"), "overrides are a list of texts"),
        (lambda: search(square, space=["x"]), "space is a mapping"),
        (lambda: searched(space={"a b": [1, 2]}), "'a b' is no name"),
        (lambda: searched(space={"x": ["${y}", "b"]}), "would be an interpolation"),
        (lambda: run("model=mlp"), "overrides are a list of texts"),
        (lambda: run(["-m", "model=mlp,cnn"]), "-m is what search"),
        (lambda: searched(space={"x": STEPPED}), "an Optuna distribution without a step"),
        (lambda: Study(3), "a study is named by its folder"),
    ],
)
def test_a_wrong_kind_of_argument_is_said(own_folder, call, said):
    with pytest.raises(ConfigError, match=said):
        call()
    assert not list(own_folder.iterdir())
