"""Every command of the README, and of the guides that go with it, is run exactly as written there."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import only_run, write_idx
from tensorboards import tensorboard

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GUIDES = "\n".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("runs", "searches", "own_models"))
LINES = list(
    dict.fromkeys(
        line.strip()
        for language, block in re.findall(r"^```(\w*)\n(.*?)```", README + GUIDES, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if (language == "bash" or "$C" in line) and line.startswith(("python", "pip", "tensorboard"))
    )
)
RUNS = [line for line in LINES if line.startswith("python -m")]


@pytest.fixture
def run(python):
    """Run a line of which a shell would only take the words apart."""

    def start(line: str) -> subprocess.CompletedProcess[str]:
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
        assert not {"&", "&&", "|", ";", "<", ">", "*", "$"} & set(words)
        return python(*shlex.split(line, comments=True)[1:])

    return start


@pytest.mark.parametrize("line", [line for line in RUNS if "$C" not in line])
def test_command_runs(run, line, own_folder):
    write_idx(own_folder / "data" / "MNIST" / "raw", train=600, test=100)
    done = run(line)
    if "trainer=gpu" in line and not torch.cuda.is_available():
        assert done.returncode == 1
        assert "no GPU here" in done.stderr
    else:
        assert done.returncode == 0, done.stderr


def test_checkpoint_commands_run(run, own_folder, command):
    # One batch an epoch: the README's line trains from there to 25 epochs.
    assert command("trainer.max_epochs=23", "trainer.limit_train_batches=1").returncode == 0
    checkpoint = only_run(own_folder) / "checkpoints" / "last.ckpt"
    for line in RUNS:
        if "$C" in line:
            done = run(line.replace("$C", str(checkpoint)))
            assert done.returncode == 0, done.stderr
    assert list(own_folder.glob("outputs/runs/*/*/predictions.csv"))
    shutil.copy(checkpoint, own_folder / "last.ckpt")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", GUIDES, re.DOTALL) if "load_from" in block]
    subprocess.run([sys.executable, "-c", code], cwd=own_folder, timeout=300, check=True)


def test_tensorboard_serves_the_runs(own_folder, command):
    assert command("model=mlp", "trainer.max_epochs=1").returncode == 0
    (line,) = [line for line in LINES if line.startswith("tensorboard") and "<date>" not in line]
    name = only_run(own_folder).relative_to(own_folder / "outputs").as_posix()
    with tensorboard(shlex.split(line, comments=True)[1:], own_folder, {name}):
        pass  # it has read the run


def test_the_two_commands_are_what_ci_and_the_build_run():
    first, second = (line for line in LINES if line.startswith("pip"))
    assert first == "pip install -e . && python -m lightning_sweeps -m search=quick"
    assert second in (ROOT / ".ci" / "run").read_text()


def test_every_option_of_the_groups_exists_and_the_other_way_round():
    from lightning_sweeps.overrides.groups import CONF, find_groups

    for group, options in find_groups([CONF]).items():
        if group == "callbacks":
            continue
        (row,) = re.findall(rf"^\| `{group}` \|(.*)\|$", GUIDES, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", row)) == set(options)


def test_linked_files_exist():
    named = ["README.md", "CONTRIBUTING.md", "AGENTS.md", "llms.txt"]
    for document in [*(ROOT / name for name in named), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document}: {target}"
