"""The Python of the docs, as it stands there, with fewer trials and epochs."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from lightning_sweeps.searches.space.conditions import conditional, without
from lightning_sweeps.searches.space.parse import parse_space

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parent.parent / "docs"
FEWER = {
    "n_trials=20": "n_trials=2",
    "n_trials=10": "n_trials=2",
    "n_trials=40": "n_trials=3",
    "max_epochs=5": "max_epochs=1",
    "max_epochs=3": "max_epochs=1",
    "folds=5": "folds=2",
}

WITH_COMMANDS = ("repeats.md", "pruning.md", "warm_start.md", "dry_run.md", "several_objectives.md", "samplers.md")


def blocks(file):
    """Its Python, with fewer trials and epochs, each block as a script of its own."""
    for block in re.findall(r"^```python\n(.*?)```", (DOCS / file).read_text(), re.DOTALL | re.MULTILINE):
        text = block
        for many, few in FEWER.items():
            text = text.replace(many, few)
        yield text


def commands(file):
    """Its commands of a shell's, with fewer trials."""
    for block in re.findall(r"^```bash\n(.*?)```", (DOCS / file).read_text(), re.DOTALL | re.MULTILINE):
        text = block
        for many, few in FEWER.items():
            text = text.replace(many, few)
        yield from filter(None, text.splitlines())


@pytest.mark.parametrize("line", [line for file in WITH_COMMANDS for line in commands(file)])
def test_a_command_runs_as_it_stands_there(own_folder, python, line):
    done = python(*shlex.split(line, comments=True)[1:])
    assert done.returncode == 0, done.stderr


def test_runs_and_searches_from_python(own_folder, python):
    overrides, function = blocks("from_python.md")
    Path("overrides.py").write_text(overrides.replace('"model=mlp", "opt', '"model=mlp", "trainer.max_epochs=1", "opt'))
    done = python("overrides.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("report.html")
    Path("function.py").write_text(f"{function}print(study, study.best.params)\n")
    done = python("function.py")
    assert done.returncode == 0, done.stderr
    assert "2 trials, 2 complete" in done.stdout.splitlines()[-1]


def test_a_dry_run_from_python(own_folder, python):
    (shown,) = blocks("dry_run.md")
    Path("dry.py").write_text(shown)
    done = python("dry.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("[26122, 26122, 65834, 65834]\n")


def test_a_study_is_copied_into_a_data_base_for_other_tools(own_folder, sweep, python_without_torch):
    assert sweep("x=1,2").returncode == 0
    (copied,) = blocks("json.md")
    Path("copied.py").write_text(copied.replace("outputs/sweeps/<date>/<time>", "s"))
    done = python_without_torch("copied.py")
    assert done.returncode == 0, done.stderr
    import optuna

    (name,) = optuna.get_all_study_names("sqlite:///copy.db")
    assert len(optuna.load_study(study_name=name, storage="sqlite:///copy.db").trials) == 2


def test_each_search_space_is_what_the_docs_say(own_folder, command):
    whole, depths, several, left_out = re.findall(
        r"^```yaml\n(.*?)```", (DOCS / "search_spaces.md").read_text(), re.DOTALL | re.MULTILINE
    )
    Path("widths.txt").write_text("8\n16\n")
    searches = Path("my_searches", "search")
    searches.mkdir(parents=True)
    (searches / "mine.yaml").write_text(whole)
    shown = command("-m", "--config-dir=my_searches", "search=mine", "--cfg", "job")
    assert shown.returncode == 0, shown.stderr
    found = yaml.safe_load(shown.stdout)
    assert found["conditions"]["scheduler.scheduler.gamma"] == "scheduler=step and optimizer.momentum>0.5"
    assert found["space"]["model.net.width"] == "choice(8,16)"
    assert found["first_trial"]["config"]["datamodule"]["batch_size"] in (32, 64, 128)
    assert list(parse_space(yaml.safe_load(several)["hydra"]["sweeper"]["params"], [], None).distributions) == [
        *("space", "optimizer.lr", "optimizer.momentum", "optimizer.lr#2", "model.net.width"),
    ]
    for text, ways in ((depths, 7), (left_out, 13)):
        sweeper = yaml.safe_load(text)["hydra"]["sweeper"]
        space = conditional(parse_space(sweeper["params"], [], None), sweeper.get("conditions"))
        assert len(without(space, sweeper.get("exclude", [])).combinations() or []) == ways
