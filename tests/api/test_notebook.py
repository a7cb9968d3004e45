"""Searches in kernels of Jupyter's."""

from pathlib import Path
from queue import Empty

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from search_commands import wait_until

from lightning_sweeps import Study

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "search.ipynb"


def test_the_example_runs(own_folder):
    notebook = nbformat.read(EXAMPLE, as_version=4)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [one.get("text") or one["data"]["text/plain"] for one in outputs]
    assert any("6 trials" in text for text in texts)
    assert any("6/6" in text for text in texts), "a bar"
    assert not any("\x1b[" in text for text in texts), "nothing of a terminal's"
    (folder,) = Path("outputs/sweeps").glob("*/*")
    assert len(Study(folder).trials) == 6


def test_the_stop_button_returns_a_study_that_goes_on(own_folder):
    """As its shell is told to stop by the notebook's server."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        _execute(client, DEFINED)
        cell = client.execute("study = search(waiting, space=space, overrides=['hydra.sweep.dir=s'])")
        wait_until(Path("s/0/began").is_file, 100)
        manager.interrupt_kernel()
        _answer(client, cell)
        assert [trial.state for trial in Study("s").trials] == ["WAITING"]
        Path("go").touch()
        _execute(client, "study = study.resume(n_trials=2)")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert [trial.state for trial in Study("s").trials] == ["COMPLETE"] * 2


DEFINED = """
from pathlib import Path
import time
from lightning_sweeps import search

space = {"x": "interval(0.0,1.0)"}

def waiting(config, trial):
    Path(trial.folder, "began").touch()
    while not Path("go").is_file():
        time.sleep(0.05)
    return config.x
"""


def _execute(client, code):
    _answer(client, client.execute(code))


def _answer(client, cell):
    """Wait for the cell's end, which is no error."""
    while True:
        try:
            reply = client.get_shell_msg(timeout=120)
        except Empty:
            pytest.fail("the cell does not end")
        if reply["parent_header"].get("msg_id") == cell:
            assert reply["content"]["status"] == "ok", reply["content"]
            return
