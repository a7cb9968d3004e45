"""``python -m lightning_sweeps.new``: what it writes works at once, and takes nothing away."""

import subprocess
import sys
from pathlib import Path

import pytest

from lightning_sweeps import Study
from lightning_sweeps.errors import ConfigError, FolderError
from lightning_sweeps.new.project import KINDS, write_project

INSTALL = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", "site"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_project_is_installed_and_runs_its_search_and_its_tests(own_folder, monkeypatch, command, python, kind):
    done = command("my-project", "--data", kind, module="lightning_sweeps.new")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "python -m my_project -m search=first"
    subprocess.run([*INSTALL, "./my-project"], check=True, timeout=300)
    assert Path("site/my_project/conf/config.yaml").is_file()
    path = str(own_folder / "site")
    tested = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "my-project/tests", PYTHONPATH=path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "2 passed" in tested.stdout
    Path("empty").mkdir()
    monkeypatch.chdir("empty")
    data = f"datamodule.folder={own_folder}/my-project/data"
    small = ["hydra.sweeper.n_trials=2", "trainer.max_epochs=1", "hydra.sweep.dir=s", "hydra.sweeper.report=false"]
    searched = python("-m", "my_project", "-m", "search=first", data, *small, PYTHONPATH=path)
    assert searched.returncode == 0, searched.stderr
    assert len(Study("s").trials) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_is_in_ruffs_format_and_has_nothing_left_of_a_template(own_folder, kind):
    write_project(own_folder / "my-project", kind)
    texts = [file.read_text() for file in Path("my-project").rglob("*") if file.suffix not in (".png", "")]
    assert not any("{{" in text or "{%" in text or "PACKAGE" in text for text in texts)
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in texts if text)
    assert all(len(line) <= 88 for file in Path("my-project").rglob("*.py") for line in file.read_text().splitlines())
    for file in Path("my-project").rglob("*.py"):
        compile(file.read_text(), file, "exec")
    assert Path("my-project/.ci/run").stat().st_mode & 0o111


def test_nothing_that_is_there_is_written_over(own_folder):
    Path("mine").mkdir()
    assert write_project(Path("mine"), "tensors") == "mine"
    (own_folder / "mine/README.md").write_text("my own words")
    for folder in (Path("mine"), Path("mine/README.md")):
        with pytest.raises((FolderError, ConfigError)):
            write_project(folder, "tensors", "other")
    assert Path("mine/README.md").read_text() == "my own words"
    assert [one.name for one in own_folder.iterdir()] == ["mine"], "no temporary folder"


@pytest.mark.parametrize(
    ("folder", "package", "said"),
    [
        ("torch", None, "there is a package of this name already; name another one: --package my_torch"),
        ("json", None, "there is a package of this name"),
        ("2-many", None, "'2_many' is no name of a package"),
        ("class", None, "'class' is no name of a package"),
        ("fine", "no way", "'no way' is no name of a package"),
        ("file/below", "fine", "file/below cannot be written: "),
    ],
)
def test_a_name_that_cannot_be_is_said(own_folder, folder, package, said):
    Path("file").touch()
    with pytest.raises((ConfigError, FolderError)) as caught:
        write_project(Path(folder), "tensors", package)
    assert said in str(caught.value)
    assert [one.name for one in own_folder.iterdir()] == ["file"]


def test_a_folder_may_be_named_as_people_do(own_folder):
    assert write_project(own_folder / "deep" / "My Thesis (2)", "table") == "my_thesis_2"
    assert (own_folder / "deep/My Thesis (2)/my_thesis_2/data.py").is_file()


def test_a_table_says_what_is_wrong_with_it(own_folder, monkeypatch):
    write_project(own_folder / "tabular", "table")
    monkeypatch.syspath_prepend(own_folder / "tabular")
    from tabular.data import Data

    table = own_folder / "tabular/data/table.csv"
    assert Data(str(table.parent), "kind", 8).num_features == 4
    with pytest.raises(ValueError, match=r"no 'kin' among width, height, age, weight, kind"):
        Data(str(table.parent), "kin", 8)
    table.write_text(table.read_text() + ",1,2,3,a\n")
    with pytest.raises(ValueError, match=r"empty fields in width; fill them"):
        Data(str(table.parent), "kind", 8)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,a\n" * 30 + "2,\n", "empty fields in kind"),
        ("1,0.5\n2,0.7\n" * 15, "kind holds measurements; this network tells classes"),
        ("1,a\n" * 30, "needs two classes and 20 rows at least"),
        ("1,a\n2,b\n", "needs two classes and 20 rows at least"),
        ("", "needs two classes and 20 rows at least"),
    ],
    ids=["an empty label", "numbers", "one class", "two rows", "no row"],
)
def test_a_table_that_teaches_nothing_is_said(own_folder, rows, said):
    write_project(own_folder / "tab", "table")
    (own_folder / "tab/data/table.csv").write_text(f"x,kind\n{rows}")
    names = {"__name__": "tab.data"}
    exec((own_folder / "tab/tab/data.py").read_text(), names)
    with pytest.raises(ValueError, match=said):
        names["Data"](str(own_folder / "tab/data"), "kind", 8)
