"""The installed wheel, used from an empty folder. ``nox -s build`` builds and installs it first."""

import json
from pathlib import Path

import pytest
from conftest import only_run

import lightning_sweeps

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parent.parent


def test_it_is_the_wheel_that_is_tested():
    package = Path(lightning_sweeps.__file__).parent
    assert package != ROOT / "lightning_sweeps"
    assert package.parent.name == "site-packages"


def test_every_config_travels():
    from lightning_sweeps.overrides.groups import CONF

    assert Path(lightning_sweeps.__file__).parent in CONF.parents
    names = {file.relative_to(CONF).as_posix() for file in CONF.rglob("*.yaml")}
    assert names == {file.relative_to(ROOT / "conf").as_posix() for file in (ROOT / "conf").rglob("*.yaml")}


def test_a_run_lands_where_one_stands(command, own_folder):
    done = command("trainer.max_epochs=2")
    assert done.returncode == 0, done.stderr
    assert json.loads((only_run(own_folder) / "result.json").read_text())["versions"]["lightning_sweeps"]


def test_help_lists_the_groups(command):
    done = command("--help")
    assert done.returncode == 0
    assert "warmup_cosine" in done.stdout
