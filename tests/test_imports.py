"""Imports go one way, and what must be quick imports nothing heavy."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lightning_sweeps

PACKAGE = Path(lightning_sweeps.__file__).parent
# The rooms of the house from the roof down: each may import what is below it, and nothing beside it.
ROOMS = [
    {"__main__", "join"},
    {"__init__", "new", "replay", "resume", "rerun", "schemas", "status"},
    {"api"},
    {"command"},
    {"report"},
    {"searches"},
    {"searches.record"},
    {"searches.study", "searches.execute"},
    {"searches.store", "searches.space"},
    {"searches.engine"},
    {"runs"},
    {"models", "datamodules", "callbacks"},
    {"trackers"},
    {"safety"},
    {"files", "overrides"},
    {"terminal", "trial", "environment", "errors", "machine", "metric_names", "partials"},
]
FLOOR = {name: floor for floor, names in enumerate(ROOMS) for name in names}
# What a room does without, also where it would be at hand.
WITHOUT = {
    "searches.engine": {"optuna", "multiprocessing", "hydra", "omegaconf"},
    "searches.execute": {"optuna"},
    "searches.study": {"multiprocessing", "subprocess"},
    "searches.store": {"multiprocessing", "subprocess"},
}


def room(parts: list[str]) -> str:
    """Of a module, by the parts of its name below the package: ``searches.space`` of ``searches.space.compose``."""
    name = ".".join(parts[:2])
    return name if name in FLOOR else parts[0]


def room_of(file: Path) -> str:
    return room([*file.relative_to(PACKAGE).with_suffix("").parts])


def imported(file: Path) -> set[str]:
    """The rooms of this package that a file imports, at its top or inside a function."""
    found = set()
    for name in _all_imports(file):
        package, *parts = name.split(".")
        if package == "lightning_sweeps":
            found.add(room(parts) if parts and parts[0] not in ("main", "current_trial", "Trial") else "__init__")
    return found


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_down_only(file):
    here = room_of(file)
    for other in imported(file) - {here}:
        assert FLOOR[here] < FLOOR[other], f"{file.name}, of {here}, imports {other}"
    used = {name.split(".")[0] for name in _all_imports(file)} & WITHOUT.get(here, set())
    assert not used, f"{file.name}, of {here}, imports {used}"


def test_a_run_knows_nothing_of_optuna():
    for file in PACKAGE.rglob("*.py"):
        if room_of(file).split(".")[0] in ("api", "searches", "replay", "rerun", "report", "schemas", "status"):
            continue
        assert "optuna" not in {name.split(".")[0] for name in _all_imports(file)}, file


def _all_imports(file: Path) -> set[str]:
    """Every module, or name of one, that a file imports: ``import a.b``, ``from a.b import c``, ``from a import b``."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_file_is_in_the_list_of_the_house():
    listed = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()
    for folder, names in _files().items():
        room = listed.partition(f"**`{folder}/`" if folder else "**At the door")[2].partition("\n**")[0]
        assert names == set(re.findall(r"^- `([\w/]+\.py)`: ", room, re.MULTILINE)), folder or "the package's root"


def _files():
    found = {}
    for file in PACKAGE.rglob("*.py"):
        folder = str(file.parent.relative_to(PACKAGE)).removeprefix(".").removesuffix("/fresh")
        name = "fresh/__main__.py" if file.parent.name == "fresh" else file.name
        if file.name != "__init__.py" or not folder:
            found.setdefault(folder, set()).add(name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--cfg", "job"],
        ["--cfg", "job", "--resolve", "experiment=digits_cnn"],
        ["--info", "defaults"],
        ["-sc", "query=bash"],
    ],
    ids=" ".join,
)
def test_questions_are_answered_without_torch(arguments, own_folder):
    program = (
        "import sys; sys.argv = ['lightning_sweeps', *sys.argv[1:]]\n"
        "from lightning_sweeps import main\n"
        "try: main()\n"
        "finally: print('heavy:', sorted({'torch', 'lightning', 'torchvision', 'optuna'} & set(sys.modules)))"
    )
    environment = {"COMP_LINE": "lightning_sweeps model=", "COMP_POINT": "23", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("heavy: []")
    if "query=bash" in arguments:
        assert "model=cnn" in done.stdout
    assert not list(own_folder.iterdir()), "a question leaves no folder"
