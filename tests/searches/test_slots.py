"""What each slot of a machine gets, with devices that are only names."""

import os
from pathlib import Path

import pytest

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.execute.gpus import Gpus, hold
from lightning_sweeps.searches.execute.slots import Asked, Slots
from lightning_sweeps.searches.execute.slots import divide as divide_among
from lightning_sweeps.searches.execute.task import failed as _failed

CORES = sorted(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def four_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def divide(*arguments, on_gpu: bool = True, **options) -> Slots:
    asked = Asked(*arguments, **options)
    if not on_gpu:
        return divide_among(asked, Gpus())
    with hold(asked.gpus) as gpus:
        return divide_among(asked, gpus)


def gpus(*arguments, **options) -> list[str | None]:
    return [slot.gpus for slot in divide(*arguments, **options).slots]


def test_a_slot_for_each_gpu():
    assert gpus("auto") == ["0", "1", "2", "3"]
    assert gpus(2) == ["0", "1"]


def test_several_gpus_for_each_slot():
    assert gpus("auto", devices_per_trial=2) == ["0,1", "2,3"]
    assert gpus("auto", devices_per_trial=3) == ["0,1,2"]
    assert gpus("auto", "auto", devices=2) == ["0,1", "2,3"], "what each trial's trainer asks for"
    assert gpus("auto", "auto", devices="auto") == ["0", "1", "2", "3"]


def test_several_slots_on_each_gpu():
    slots = divide("auto", trials_per_device=3).slots
    assert [slot.gpus for slot in slots] == ["0", "1", "2", "3"] * 3
    assert {slot.memory for slot in slots} == {1 / 3}
    assert gpus(5, trials_per_device=2) == ["0", "1", "2", "3", "0"], "one on each before a second on any"
    assert divide("auto", trials_per_device=2).described() == (
        ", on GPU 0 | 1 | 2 | 3 | 0 | 1 | 2 | 3, each with 50% of its memory"
    )


@pytest.mark.parametrize("visible", ["MIG-a1,MIG-b2", "GPU-4c1f, GPU-77aa", "7,5"])
def test_what_is_visible_is_honoured(monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus("auto") == [name.strip() for name in visible.split(",")]


def test_without_gpus_there_are_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for slots in (divide(3), divide(3, on_gpu=False)):
        assert [slot.gpus for slot in slots.slots] == [None] * 3
        assert slots.cores == 2
        assert [slot.cores for slot in slots.slots] == [(0, 1), (2, 3), (4, 5)]
    assert divide("auto").slots[0].cores == (), "a single slot has all of them"
    assert divide(20).cores == 1
    assert {slot.cores for slot in divide(20).slots} == {()}, "more slots than cores are left to the system"


def test_slots_of_other_supervisors_on_these_cores_take_their_part():
    slots = divide(2, on_gpu=False)
    assert (slots.place(1).cores, slots.place(1).threads) == ((4, 5, 6, 7), 4)
    assert (slots.place(1, others=2).cores, slots.place(1, others=2).threads) == ((), 2)
    assert slots.place(0, others=100).threads == 1
    assert divide(2).place(1, others=2).gpus == "1"


def test_trials_on_the_cpu_need_no_gpu():
    assert gpus(6, on_gpu=False) == [None] * 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_jobs": 5}, "n_jobs=5: the available GPUs allow 4 trials at once"),
        ({"n_jobs": 3, "devices_per_trial": 2}, "n_jobs=3: the available GPUs allow 2 trials at once"),
        ({"n_jobs": "auto", "devices_per_trial": 5}, "asks for 5 GPUs: there are 4 here"),
        ({"n_jobs": "auto", "devices_per_trial": 2, "trials_per_device": 2}, "are one or the other"),
        ({"n_jobs": "auto", "trials_per_device": 0}, "trials_per_device=0: it is a whole number, at least 1"),
        ({"n_jobs": 0}, "n_jobs=0: it is a number of trials at once"),
    ],
    ids=str,
)
def test_what_cannot_be_divided_is_said(options, said):
    with pytest.raises(ConfigError, match=said):
        divide(**options)


@pytest.mark.slow
def test_a_trial_that_is_killed_gives_its_gpu_back(sweep, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a,MIG-b")
    done = sweep("x=range(0,6)", "+faults={0: killed, 1: killed}", "hydra.sweeper.max_failure_rate=1", "sleep=0.3")
    assert done.returncode == 0, done.stderr
    assert "2 at a time, on GPU MIG-a | MIG-b" in done.stdout
    used = Path("gpus").read_text().split()
    assert len(used) == 6
    assert set(used[2:]) == {"MIG-a", "MIG-b"}, "how many on each is a matter of which is faster"


@pytest.mark.slow
@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
def test_a_trial_runs_on_its_own_cores(app, sweep):
    app.write_text(
        app.read_text().replace("trial = current_trial()", "trial = current_trial(); print(os.sched_getaffinity(0))")
    )
    done = sweep("x=range(0,4)", "hydra.sweeper.n_jobs=2", "sleep=0.3")
    assert done.returncode == 0, done.stderr
    half = len(CORES) // 2
    used = {Path(f"s/{number}/output.log").read_text().strip() for number in range(4)}
    assert used == {str(set(CORES[:half])), str(set(CORES[half : 2 * half]))}


def test_out_of_memory_is_said_in_a_line(capsys):
    text = (
        "CUDA out of memory. Tried to allocate 80.00 GiB. GPU 0 has a total capacity of 139.81 GiB of which 12 GiB is "
        "free.\nProcess 7 has more"
    )
    assert _failed(RuntimeError(text)).reason == "CUDA out of memory, 80.0 GiB asked"


def test_two_processes_on_a_machine_without_gpus_ask_for_none(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [slot.gpus for slot in divide("auto", "auto", devices=2).slots] == [None]
