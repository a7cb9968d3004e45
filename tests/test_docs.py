"""The docs: their Python and their commands as they stand there, with fewer trials and epochs, and what they list."""

import dataclasses
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from lightning_sweeps.searches.config import StudySweeper
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
    "n_trials=12": "n_trials=3",
    "n_trials=14": "n_trials=4",
    "max_epochs=10": "max_epochs=2",
    "--seeds 3": "--seeds 2",
}
MOVING = sorted(file.name for file in (DOCS / "moving").glob("*.md"))

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


def test_the_ten_minutes_are_as_they_are_told(own_folder, python):
    lines = list(commands("start.md"))
    assert [line.split()[2].partition("lightning_sweeps")[2] for line in lines] == [
        *("", "", ".resume", ".rerun", ".rerun", ".report"),
    ]
    for line in lines:
        done = python(*shlex.split(line)[1:])
        assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.parametrize("page", MOVING)
def test_what_stood_elsewhere_runs_here_and_what_was_before_too(own_folder, python, page):
    """Files are written in the order of the page, so that a later one takes the place of an earlier one."""
    text = (DOCS / "moving" / page).read_text()
    ran = 0
    for language, file, block in re.findall(r'^```(\w+)(?: title="(.*?)")?\n(.*?)```', text, re.DOTALL | re.MULTILINE):
        if file:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_text(block)
        for line in block.splitlines() if language == "bash" else ():
            done = python(*shlex.split(line, comments=True)[1:])
            assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            ran += 1
    assert ran >= (1 if page == "wandb_sweeps.md" else 2), "before and after; W&B's own needs an account"


def test_every_page_is_in_the_sites_contents():
    nav = tomllib.loads((DOCS.parent / "zensical.toml").read_text())["project"]["nav"]

    def pages(part):
        for one in part:
            ((_, inner),) = one.items()
            yield from pages(inner) if isinstance(inner, list) else [inner]

    there = {file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.md")}
    assert sorted(pages(nav)) == sorted(there)


def test_the_options_of_a_search_are_all_told_with_their_defaults():
    text = (DOCS / "reference" / "options.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", text, re.MULTILINE))
    fields = {one.name: one for one in dataclasses.fields(StudySweeper) if not one.name.startswith(("_", "defaults"))}
    assert set(told) == set(fields)
    for name, one in fields.items():
        default = one.default
        if name in ("sampler", "pruner"):
            default = {"sampler": "auto", "pruner": "none"}[name]
        shown = (f"`{str(default).lower() if isinstance(default, bool) else default}`",)
        shown = ("null", "none") if default is None else shown
        if name == "start_method":
            shown = ("`auto`",)
        assert told[name] in shown, name


def test_troubleshooting_has_the_words_of_messages():
    """Between dots that stand for what differs, each piece is in the code or in what mistakes are answered."""
    package = DOCS.parent / "lightning_sweeps"
    source = " ".join(file.read_text() for file in package.rglob("*.py"))
    known = (
        re.sub(r"\s+", " ", source.replace('"\n', "").replace('f"', ""))
        + (DOCS.parent / "tests" / "mistakes.txt").read_text()
    )
    text = (DOCS / "troubleshooting.md").read_text()
    quoted = [
        one for bold in re.findall(r"^\*\*(`.*?)\*\*", text, re.MULTILINE) for one in re.findall(r"`(.*?)`", bold)
    ]
    assert len(quoted) > 10
    pieces = [piece.strip(" :'?,;") for one in quoted for piece in one.split("...")]
    lost = [piece for piece in pieces if len(piece) > 3 and piece not in known]
    assert lost == []


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
