"""A mistake in a command line is said in at most three lines, before anything is trained, with what to type instead."""

import itertools
import shlex
from pathlib import Path

import pytest

TABLE = Path(__file__).with_name("mistakes.txt").read_text().splitlines()
MISTAKES = {line[2:]: answer.strip() for line, answer in itertools.pairwise(TABLE) if line.startswith("$ ")}
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """What the user may have lying there."""
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "cut.ckpt").write_bytes(b"PK\x03\x04cut")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "study.journal").write_text("x\n")
    own = tmp_path / "broken" / "experiment"
    own.mkdir(parents=True)
    (own / "broken.yaml").write_text("{{{:")
    (own / "empty_target.yaml").write_text('# @package _global_\nmodel:\n  _target_: ""\n')
    (tmp_path / "broken" / "search").mkdir()
    (tmp_path / "broken" / "search" / "misspelt.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    n_trails: 2\n"
    )
    return tmp_path


def typed(line):
    """As a shell gives it to a program; a quote that is left open is the program's to refuse."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split(" ")


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_said_before_the_first_trial(command, folder, line):
    answer = command(*typed(line))
    said = answer.stderr.splitlines()
    assert answer.returncode in (1, 2), answer
    assert "error: " in answer.stderr
    assert MISTAKES[line] in answer.stderr.replace(f"{folder}/", "")
    assert 1 <= len(said) <= 3
    assert "Traceback" not in answer.stderr
    assert not answer.stdout, "it has begun to work"
    assert not list(folder.glob("outputs/**/*.ckpt"))


def test_there_are_enough_of_them():
    assert len(MISTAKES) >= 300


def test_the_folder_of_a_data_base_is_made(sweep):
    assert sweep("x=1,2", "hydra.sweeper.storage=sqlite:///data/bases/study.db").returncode == 0
