"""hydra-zen's two entries: configs hold classes that are made at run time, and a program may have no config files."""

import subprocess
import sys
from pathlib import Path

import pytest
from search_commands import rows, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.ways, pytest.mark.usefixtures("forks_without_torch")]
PROGRAM = """
import dataclasses, sys, time
from pathlib import Path
import hydra
from hydra.core.config_store import ConfigStore
from hydra_zen import builds, launch, store, zen
from lightning_sweeps import current_trial

class Model:
    def __init__(self, rate: float, width: int):
        self.rate, self.width = rate, width

def train(model, sizes, x: float) -> float:
    assert isinstance(model, Model)
    if current_trial().number == 1 and not Path("hanging").exists():
        Path("hanging").touch()
        time.sleep(600)
    return model.rate * sizes.width + x

PARTS = {"model": builds(Model, rate=0.5, width=4), "sizes": builds(Model, rate=1.0, width=3)}
Config = builds(train, **PARTS, x=1.0, populate_full_signature=True)
Plain = dataclasses.make_dataclass("Plain", [("width", int, 3), ("x", float, 1.0)])

if __name__ == "__main__":
    overrides = ["hydra/sweeper=study", "hydra.sweeper.report=false"]
    if ENTRY == "launch":
        launch(Config, zen(train), overrides=overrides, multirun=True, x="1.0,2.0,3.0")
    elif ENTRY == "structured":
        sys.argv += overrides
        ConfigStore.instance().store("config", Plain)
        hydra.main(config_path=None, config_name="config")(lambda cfg: train(Model(0.5, 4), cfg, cfg.x))()
    else:
        sys.argv += overrides
        store(Config, name="config")
        store.add_to_hydra_store()
        zen(train).hydra_main(config_name="config", config_path=None)
"""


@pytest.fixture
def resume(python_without_torch):
    return lambda folder, *overrides: python_without_torch("-m", "lightning_sweeps.resume", str(folder), *overrides)


@pytest.mark.parametrize("entry", ["launch", "hydra_main", "structured"])
def test_a_killed_search_goes_on(resume, own_folder, entry):
    Path("app.py").write_text(f"ENTRY = {entry!r}\n{PROGRAM}")
    typed = ["-m", "x=1.0,2.0,3.0"] if entry != "launch" else []
    supervisor = subprocess.Popen([sys.executable, "app.py", *typed], stdout=subprocess.DEVNULL)
    wait_until(Path("hanging").is_file)
    supervisor.kill()
    supervisor.wait()
    (folder,) = Path("multirun").glob("*/*")
    done = resume(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(row["number"], row["state"], row["value"]) for row in rows(folder)] == [
        ("0", "COMPLETE", "2.5"),
        ("1", "COMPLETE", "3.5"),
        ("2", "COMPLETE", "4.5"),
    ]
    assert list(Path("multirun").glob("*/*")) == [folder], "no other search was begun"


def test_what_such_a_program_cannot_be_given_is_said(python_without_torch, resume, own_folder):
    Path("app.py").write_text(f"ENTRY = 'launch'\n{PROGRAM}")
    Path("hanging").touch()
    assert python_without_torch("app.py").returncode == 0
    (folder,) = Path("multirun").glob("*/*")
    done = resume(folder, "hydra.sweeper.n_trials=7")
    assert done.returncode == 1
    assert done.stderr == (
        "error: python app.py takes no overrides from its command line.\nWrite into it: hydra.sweeper.n_trials=7\n"
    )
    done = python_without_torch("-m", "lightning_sweeps.rerun", str(folder))
    assert done.returncode == 1
    assert "takes no overrides from its command line, so it cannot run a single trial again" in done.stderr
    assert len(rows(folder)) == 3


def test_a_trial_can_be_run_again(python_without_torch, own_folder):
    Path("app.py").write_text(f"ENTRY = 'hydra_main'\n{PROGRAM}".replace("sys.argv += overrides", "overrides = []"))
    Path("hanging").touch()
    search = ["-m", "hydra/sweeper=study", "x=1.0,2.0", "hydra.sweep.dir=s"]
    assert python_without_torch("app.py", *search).returncode == 0
    command = ["-m", "lightning_sweeps.rerun", "s", "--trial", "1", f"hydra.run.dir={own_folder}/again"]
    done = python_without_torch(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    (config,) = Path("again").rglob("config.yaml")
    assert "x: 2.0" in config.read_text()
