"""Which GPUs a search finds and holds. The driver's library is one that lists some; nothing here starts CUDA."""

import importlib.machinery
import json
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from search_commands import start, study, wait_until

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.execute.gpus import hold, show_gpus, visible_gpus

UUIDS = [f"GPU-{digit * 8}-1111-2222-3333-444444444444" for digit in "ab"]
MIG = [f"MIG-{digit * 8}-1111-2222-3333-444444444444" for digit in "cd"]
TWO = json.dumps([[uuid] for uuid in UUIDS])
WITH_MIG = json.dumps([[UUIDS[0]], [UUIDS[1], *MIG]])  # a GPU, and its instances behind it
NVML = """
import json, pathlib

NVML_DEVICE_MIG_ENABLE = 1


class NVMLError(Exception):
    pass


def listed():
    return json.loads(pathlib.Path(__file__).with_name("listed").read_text())


def nvmlInit():
    if not listed():
        raise NVMLError("no driver")


def nvmlShutdown():
    pass


def nvmlDeviceGetCount():
    return len(listed())


def nvmlDeviceGetHandleByIndex(index):
    return listed()[index]


def nvmlDeviceGetUUID(handle):
    return handle if isinstance(handle, str) else handle[0]


def nvmlDeviceGetName(handle):
    return "NVIDIA H100 80GB HBM3"


class nvmlDeviceGetMemoryInfo:
    def __init__(self, handle):
        self.total = 80 * 2**30


def nvmlDeviceGetMigMode(handle):
    if handle[0].startswith("GPU-a") and len(handle) == 1:
        raise NVMLError("Not Supported")
    return (1 if len(handle) > 1 else 0), 0


def nvmlDeviceGetMaxMigDeviceCount(handle):
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(handle, index):
    if index + 1 >= len(handle):
        raise NVMLError("Not Found")
    return handle[index + 1]
"""


@pytest.fixture(autouse=True)
def listed(tmp_path, monkeypatch) -> Path:
    """What the driver lists, here and in the commands that are started."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "pynvml.py").write_text(NVML)
    text = library / "listed"
    text.write_text(TWO)
    # Any library has the driver's name: what matters is that one can be loaded, here and in the commands.
    shutil.copy(importlib.machinery.PathFinder.find_spec("_ctypes").origin, library / "libnvidia-ml.so.1")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{library}:{os.environ.get('LD_LIBRARY_PATH', '')}")
    monkeypatch.setattr("lightning_sweeps.searches.execute.nvml._has_driver", lambda: True)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.syspath_prepend(library)
    monkeypatch.setenv("PYTHONPATH", f"{library}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where processes note what they hold
    monkeypatch.setattr(tempfile, "tempdir", None)
    return text


def names() -> list[str]:
    return [gpu.name for gpu in visible_gpus()]


def test_all_gpus_of_the_machine_and_instances_in_the_place_of_theirs(listed):
    assert names() == ["0", "1"]
    listed.write_text(WITH_MIG)
    assert names() == ["0", *MIG]
    listed.write_text("[]")
    assert names() == []


@pytest.mark.parametrize(
    ("given", "seen"), [("1, 0", ["1", "0"]), ("", []), ("0,-1,1", ["0"]), ("1,1", ["1"]), (MIG[1], [MIG[1]])]
)
def test_what_the_environment_names_is_seen_as_cuda_sees_it(monkeypatch, given, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert names() == seen


def test_a_gpu_has_one_holder_whatever_it_is_called(monkeypatch):
    with hold(1) as first:
        assert first.names == ("0",)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{UUIDS[0][:8]},1")
        with hold(None) as second:
            assert (second.names, second.held) == (("1",), (f"GPU {UUIDS[0][:8]} by process {os.getpid()}",))
    with hold(None) as third:
        assert third.names == (UUIDS[0][:8], "1"), "both were given back"


def test_one_index_in_two_jobs_of_a_cluster_is_two_gpus(monkeypatch, listed):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with hold(None) as first:
        listed.write_text(json.dumps([[UUIDS[1]]]))  # all that the second job is shown
        with hold(None) as second:
            assert (first.names, second.names, second.shared) == (("0",), ("0",), False)


def test_gpus_that_others_hold_are_shared_only_where_somebody_said_so(monkeypatch):
    with hold(None):
        with pytest.raises(ConfigError, match=f"hold all GPUs here: GPU 0 by process {os.getpid()}, GPU 1 by"), hold(1):
            pass
        with hold(None, insist=False) as second:
            assert (second.names, second.shared) == (("0", "1"), True)
        with hold(1, insist=False) as one:
            assert (one.names, one.shared) == (("0",), True)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
        with hold(None) as third:
            assert (third.names, third.shared) == (("1",), True)


def test_who_shares_a_gpu_holds_it_too(monkeypatch):
    with hold(1, insist=False) as first, ExitStack() as stack:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        shared = stack.enter_context(hold(1))
        assert (first.shared, shared.shared) == (False, True)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        stack_of_shared = stack.pop_all()
    with stack_of_shared, hold(None) as later:  # the first has left
        assert (later.names, later.shared) == (("1",), False)
        assert later.held == (f"GPU 0 by process {os.getpid()}",)
    with hold(None) as last:
        assert last.names == ("0", "1")


def test_what_no_slot_has_a_use_for_is_left_to_others(listed):
    listed.write_text(json.dumps([*json.loads(TWO), [MIG[0]]]))
    with hold(None, 2) as first, hold(None, 1) as second:
        assert (first.names, second.names) == (("0", "1"), ("2",))
    with hold(None, 4) as first:
        assert first.names == ("0", "1", "2"), "too few, which whoever divides them says"


def test_without_a_place_for_locks_a_search_goes_on_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with hold(1) as gpus:
        assert gpus.names == ("0", "1")
    assert "belongs to another user" in caplog.text


def test_indices_mean_to_cuda_what_they_mean_to_nvidia_smi(monkeypatch):
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    show_gpus("1")
    assert "CUDA_DEVICE_ORDER" not in os.environ, "the user's own indices are left as they are"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    show_gpus("0")
    assert (os.environ["CUDA_DEVICE_ORDER"], os.environ["CUDA_VISIBLE_DEVICES"]) == ("PCI_BUS_ID", "0")


@pytest.mark.slow
@pytest.mark.usefixtures("forks_without_torch")
def test_supervisors_of_a_machine_have_gpus_of_their_own(app):
    options = ["x=range(0,8)", "hydra.sweeper.n_jobs=1", "sleep=100", "+trainer.accelerator=gpu"]
    first = start(app, *options)
    wait_until(lambda: Path("gpus").is_file())
    second = start(app, *options, "hydra.sweeper.join=true")
    wait_until(lambda: len(Path("gpus").read_text().split()) == 2)
    assert Path("gpus").read_text().split() == ["0", "1"]

    third = start(app, *options, "hydra.sweeper.join=true")
    said = third.communicate(timeout=60)[0]
    assert third.returncode == 1
    assert f"hold all GPUs here: GPU 0 by process {first.pid}, GPU 1 by process {second.pid}.\nWait" in said

    first.kill()  # with -9: nobody gives its GPU back but the system
    first.communicate()
    fourth = start(app, *options, "hydra.sweeper.join=true")
    wait_until(lambda: len(Path("gpus").read_text().split()) == 3)
    assert Path("gpus").read_text().split()[2:] == ["0"]
    for supervisor in (second, fourth):
        supervisor.terminate()
    for supervisor in (second, fourth):
        supervisor.communicate(timeout=60)
    assert {trial.state.name for trial in study().trials} == {"WAITING"}
