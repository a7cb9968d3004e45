"""What Hydra does for a config before the program is asked is done for a trusted one only."""

import subprocess
from pathlib import Path

import pytest

EVIL = "from pathlib import Path\nPath('executed').touch()\n"
WAYS = [[], ["-m", "seed=1,2"], ["-m", "seed=1,2", "hydra.sweeper.start_method=spawn"]]
QUICK = ["model=mlp", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "hydra.run.dir=r", "hydra.sweep.dir=s"]


@pytest.fixture
def run(own_folder, command):
    (own_folder / "evil").mkdir()
    (own_folder / "evil/__init__.py").write_text(EVIL)
    (own_folder / "evil/config.yaml").write_text("x: 1\n")
    (own_folder / "thesis.tex").write_text("all of it")

    def start(*overrides: str, trust: str = "") -> subprocess.CompletedProcess[str]:
        return command(*QUICK, *overrides, PYTHONPATH=str(own_folder), LIGHTNING_SWEEPS_TRUST=trust)

    return start


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_package_of_configs_is_imported_if_it_is_trusted(run, way):
    done = run("hydra.searchpath=[pkg://evil]", *way)
    assert done.returncode == 1
    assert not Path("executed").exists()
    assert done.stderr == (
        "error: hydra.searchpath: pkg://evil is not trusted, and reading its configs would import it.\n"
        "Trust it from Python, main(trust=['evil']), or with LIGHTNING_SWEEPS_TRUST=evil\n"
    )
    if not way:
        assert run("hydra.searchpath=[pkg://evil]", trust="evil").returncode == 0
        assert Path("executed").exists()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("logging", ["job_logging", "hydra_logging"])
def test_a_log_lies_in_the_runs_folder_or_is_trusted(run, way, logging):
    handler = "{class: logging.FileHandler, filename: thesis.tex, mode: w}"
    overrides = [f"+hydra.{logging}.handlers.evil={handler}", f"hydra.{logging}.root.handlers=[evil]", *way]
    done = run(*overrides)
    assert done.returncode == 1
    assert Path("thesis.tex").read_text() == "all of it"
    assert "the log handler 'evil' of the config would write thesis.tex, outside of the run's folder" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    if not way:
        assert run(*overrides, trust="logging.FileHandler").returncode == 0
        assert Path("thesis.tex").read_text() != "all of it"


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("subdir", ["{folder}", "../.."])
def test_hydras_files_lie_in_the_runs_folder(run, own_folder, way, subdir):
    Path("config.yaml").write_text("mine: all of it\n")
    subdir = subdir.format(folder=own_folder)
    done = run(f"hydra.output_subdir={subdir}", *way)
    assert done.returncode == 1
    assert Path("config.yaml").read_text() == "mine: all of it\n"
    assert done.stderr.startswith(f"error: hydra.output_subdir={subdir}: it is a folder inside the run's own")
