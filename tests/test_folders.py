"""Folders: creating one is claiming it."""

import multiprocessing
import os

import pytest

from lightning_sweeps.errors import FolderError
from lightning_sweeps.files.folders import claim, write_atomically


def test_the_second_gets_another(own_folder):
    assert [claim(own_folder / "a" / "b").name for _ in range(3)] == ["b", "b-2", "b-3"]


def test_many_at_once_get_one_each(own_folder):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        claimed = pool.map(claim, [own_folder / "x"] * 40)
    assert len(set(claimed)) == 40


def test_a_file_in_the_way_is_named(own_folder):
    (own_folder / "outputs").write_text("")
    with pytest.raises(FolderError, match=r"(?s)cannot write the output folder .*outputs is a file.*hydra.run.dir="):
        claim(own_folder / "outputs" / "run")


def test_a_failed_write_leaves_the_old_file(own_folder):
    file = own_folder / "result.json"
    write_atomically(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "\ud800")
    assert file.read_text() == "old"
    assert [path.name for path in own_folder.iterdir()] == ["result.json"]


def test_a_pipe_is_written_and_not_replaced(own_folder):
    pipe = own_folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, "text")
    assert os.read(reader, 10) == b"text"
    assert pipe.is_fifo()
    os.close(reader)
