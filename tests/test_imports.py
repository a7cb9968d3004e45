"""Imports go one way, and what must be quick imports nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lightning_sweeps

PACKAGE = Path(lightning_sweeps.__file__).parent
# What each part may import of this package; a part not named here is a leaf.
LAYERS = [
    {"join"},
    {"__main__", "rerun", "resume", "schemas"},
    {"__init__"},
    {"app"},
    {"sweeper"},
    {"report"},
    {"study"},
    {"warm"},
    {"warm_fit"},
    {"train"},
    {"summary"},
    {"hyperparameters"},
    {
        "models",
        "optimization",
        "datamodules",
        "objective",
        "checkpoints",
        "predictions",
        "ranks",
        "results",
        "explain",
        "values",
    },
    {"callbacks", "again", "devices", "flags", "guarded", "signatures"},
    {"groups", "trust", "folders", "no_profiler", "trial"},
    {"command_line", "console", "ctrl_c", "environment", "errors", "parser", "passwords", "repository"},
    {"stock_files", "user_key"},
    {"metric_names", "overrides"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def part(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file: Path) -> set[str]:
    """The parts of this package that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "lightning_sweeps":
            names = node.module.split(".")[1:2] or [alias.name for alias in node.names]
            found |= {"__init__" if name == "main" else name for name in names}
    return found


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_down_only(file):
    for other in imported(file) - {part(file)}:
        assert LEVEL[part(file)] < LEVEL[other], f"{file.name} imports {other}"


def test_a_run_knows_nothing_of_optuna():
    for file in PACKAGE.rglob("*.py"):
        if part(file) in ("study", "rerun", "report", "schemas"):
            continue
        assert "optuna" not in {name.split(".")[0] for name in _all_imports(file)}, file


def _all_imports(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


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
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("heavy: []")
    if "query=bash" in arguments:
        assert "model=cnn" in done.stdout
    assert not list(own_folder.iterdir()), "a question leaves no folder"
