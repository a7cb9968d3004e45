"""Two supervisors who reach for one trial at the same moment."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from lightning_sweeps.errors import FolderError
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.store import locking, rows, storage
from lightning_sweeps.searches.store.journal import open_journal
from lightning_sweeps.searches.store.storage import open_url
from lightning_sweeps.searches.study.opening import open_study
from lightning_sweeps.searches.study.owners import Owner


def supervisor(kind: str) -> Owner:
    """One with a storage of its own, as in another process."""
    folder = Path.cwd()
    opened = open_journal(folder, alone=False) if kind == "journal" else open_url("sqlite:///study.db?timeout=60")
    space = Space({"x": FloatDistribution(0.0, 1.0)})
    return Owner(open_study(opened, "s", ["minimize"], None, None, space)[0], folder, 60.0)


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_trial_is_not_taken_back_from_one_who_has_just_claimed_it(kind, own_folder, monkeypatch):
    """The slow one stops between looking whose the trial is and putting it back."""
    dead, slow, quick = supervisor(kind), supervisor(kind), supervisor(kind)
    dead.next_trial(10)
    os.close(dead.lock._descriptor)  # as the system does after kill -9
    looked, go_on = threading.Event(), threading.Event()
    module = storage if kind == "journal" else rows
    original = module.state_and_attribute

    def stopping(*arguments):
        found = original(*arguments)
        if threading.current_thread().name == "slow" and not looked.is_set():
            looked.set()
            go_on.wait(30)
        return found

    monkeypatch.setattr(module, "state_and_attribute", stopping)
    taken = []

    def take():
        quick.put_back(())
        taken.append(quick.next_trial(1))

    putting = threading.Thread(target=slow.put_back, args=((),), name="slow")
    putting.start()
    assert looked.wait(30)
    taking = threading.Thread(target=take)
    taking.start()
    taking.join(1.0)  # it may wait for the slow one, or have the trial by now
    go_on.set()
    putting.join(30)
    taking.join(30)
    (trial,) = supervisor(kind).study.get_trials()
    if taken[0] is None:
        assert trial.state is TrialState.WAITING
    else:
        assert trial.state is TrialState.RUNNING
        assert quick.owns(taken[0][0])


HOLD = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(descriptor, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_trial_that_outlives_its_supervisor_is_named_and_not_waited_for(own_folder, caplog):
    dead, looking = supervisor("journal"), supervisor("journal")
    dead.next_trial(10)
    os.close(dead.lock._descriptor)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, f"{dead.lock.file}.trials"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert held.stdout.readline() == b"held\n"
    for _ in range(2):
        looking.put_back((), patience=0.05)
        assert looking.study.get_trials()[0].state is TrialState.RUNNING
    assert [one.message for one in caplog.records if "supervisor that is gone" in one.message] == [
        f"a trial of a supervisor that is gone has not ended by process {held.pid}; until then it is not run again"
    ]
    held.stdin.close()
    held.wait(30)
    held.stdout.close()
    looking.put_back((), patience=5.0)
    assert looking.study.get_trials()[0].state is TrialState.WAITING


def test_a_lock_is_not_waited_for_without_end(own_folder, monkeypatch):
    monkeypatch.setattr(locking, "SECONDS_TO_WAIT", 0.1)
    looking = supervisor("journal")
    lock = own_folder / ".study.journal.lock"
    held = subprocess.Popen(
        ["flock", str(lock), "sh", "-c", "echo held; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert held.stdout.readline() == b"held\n"
    with pytest.raises(FolderError, match=r"study\.journal has been locked for 0\.1 s by process \d+"):
        looking.next_trial(10)
    held.stdin.close()
    held.wait(30)
    held.stdout.close()
    assert looking.next_trial(10) is not None
