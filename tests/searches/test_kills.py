"""``kill -9``, closed terminals, full disks and deleted folders: nothing is lost, and nothing is left behind."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
from conftest import write_app
from optuna.trial import TrialState
from search_commands import OTHER_FAULTS, SEARCH, gone, rows, start, study, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.ways, pytest.mark.usefixtures("forks_without_torch")]


def descendants(pid: int) -> list[int]:
    """The processes that this one started, and theirs."""
    try:
        children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [*children, *(below for child in children for below in descendants(child))]


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


SHORT_TRIALS = [*SEARCH, "hydra.sweeper.n_trials=30", "sleep=0.1", "hydra.sweeper.max_retries=1000"]


def told(folder: Path) -> list[tuple[str, ...]]:
    return [(row["number"], row["state"], row["value"], row["x"]) for row in rows(folder)]


@pytest.fixture(scope="module")
def never_interrupted(tmp_path_factory) -> list[tuple[str, ...]]:
    """What the search tells where nothing happens to it."""
    folder = tmp_path_factory.mktemp("never_interrupted")
    supervisor = start(write_app(folder), *SHORT_TRIALS)
    output, _ = supervisor.communicate(timeout=120)
    assert supervisor.returncode == 0, output
    return told(folder / "s")


KILLS = 15  # of each kind


def running_trial() -> int | None:
    """The process of a trial whose main function has been called and has not returned."""
    lines = Path("pids").read_text().split() if Path("pids").is_file() else []
    return int(lines[-1]) if lines and not gone(int(lines[-1])) else None


@pytest.mark.parametrize("victims", ["supervisor", "trial", "server", "everything"])
def test_kills_that_hit_trials_leave_no_trace(sweep, app, victims, never_interrupted):
    """In the end nothing shows that they ever happened: the same trials with the same values, each number once."""
    moments = random.Random(victims)
    kills, hit = 0, None
    while kills < KILLS:
        supervisor = start(app, *SHORT_TRIALS)
        while kills < KILLS and supervisor.poll() is None:
            if (trial := running_trial()) is None or trial == hit:
                time.sleep(0.002)
                continue
            time.sleep(moments.uniform(0.0, 0.08))
            below = descendants(supervisor.pid)
            if gone(trial) or trial not in below:
                continue  # it was quicker
            server = next((one for one in descendants(supervisor.pid) if one != trial), None)
            kill(
                {
                    "supervisor": [supervisor.pid],
                    "trial": [trial],
                    "server": [server] if server is not None else [],
                    "everything": [supervisor.pid, *below],
                }[victims]
            )
            kills, hit = kills + 1, trial
        kill([supervisor.pid])
        supervisor.communicate()
    done = sweep(*SHORT_TRIALS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told(Path("s")) == never_interrupted
    assert all((Path("s") / str(number)).is_dir() for number in range(30))
    pids = [int(line) for line in Path("pids").read_text().split()]
    wait_until(lambda: all(gone(pid) for pid in pids))


def test_what_a_crashed_trial_started_is_killed_with_it(sweep):
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=2", "++faults={0:parent}")
    assert [row["state"] for row in rows()] == ["FAIL", "COMPLETE"], done.stdout + done.stderr
    wait_until(lambda: gone(int(Path("child").read_text())))


def test_another_folder_goes_on_with_a_shared_study(app):
    """Finished trials count, an interrupted one goes on in its folder, one that still runs elsewhere is waited for."""
    shared = [*SEARCH, "hydra.sweeper.storage='sqlite:///study.db'", "hydra.sweeper.study_name=ours"]

    def search(folder: str, *overrides: str) -> subprocess.Popen[str]:
        return start(app, *shared, *overrides, f"hydra.sweep.dir={folder}")

    alive = search("alive", "++faults={0:hang}", "hydra.sweeper.n_trials=1")
    wait_until(Path("hanging").is_file)
    Path("hanging").unlink()
    killed = search("killed", "++faults={2:hang}", "hydra.sweeper.n_trials=10", OTHER_FAULTS)
    wait_until(Path("hanging").is_file)
    kill([killed.pid])
    killed.communicate()
    last = search("last", "hydra.sweeper.n_trials=5", OTHER_FAULTS)
    wait_until(lambda: Path("last/trials.csv").is_file() and len(rows(Path("last"))) == 4)
    assert last.poll() is None, "a search ends when all its trials have"
    alive.send_signal(signal.SIGTERM)
    alive.communicate(timeout=30)
    output, _ = last.communicate(timeout=60)
    assert last.returncode == 0, output
    assert "5 complete" in output
    assert [(row["number"], Path("last", row["folder"]).absolute().parent.name) for row in rows(Path("last"))] == [
        ("0", "alive"),
        ("1", "killed"),
        ("2", "killed"),
        ("3", "last"),
        ("4", "last"),
    ]


def test_a_closed_terminal_stops_the_search_and_leaves_nothing_behind(sweep, app):
    search = [*SEARCH, "hydra.sweeper.n_trials=4", "hydra.sweep.dir=s"]
    terminal = pexpect.spawn(
        sys.executable,
        [str(app), "-m", *search, "++faults={2:hang}"],
        cwd=app.parent,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # under nohup it would be ignored
    )
    terminal.expect(r"trials.*best")  # the live view
    wait_until(Path("hanging").is_file)
    below = descendants(terminal.pid)
    assert below
    terminal.ptyproc.fileobj.close()  # pexpect's own close would send signals of its own
    terminal.closed = terminal.ptyproc.closed = True
    wait_until(lambda: gone(terminal.pid) and all(gone(pid) for pid in below))
    os.waitpid(terminal.pid, 0)
    assert [row["number"] for row in rows()] == ["0", "1"]
    assert sweep(*search, OTHER_FAULTS).returncode == 0
    assert [row["number"] for row in rows()] == ["0", "1", "2", "3"]


def test_ctrl_c_twice_kills_at_once(app):
    terminal = pexpect.spawn(
        sys.executable,
        [str(app), "-m", *SEARCH, "hydra.sweep.dir=s", "++faults={0:stubborn}"],
        cwd=app.parent,
        timeout=60,
    )
    wait_until(Path("hanging").is_file)
    below = descendants(terminal.pid)
    terminal.sendintr()
    terminal.expect("Ctrl-C again kills them")
    started = time.monotonic()
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert time.monotonic() - started < 9  # a stubborn trial would be given ten seconds
    assert all(gone(pid) for pid in below)


def test_a_deleted_folder_ends_the_search_with_a_clear_error(app):
    supervisor = start(app, *SEARCH, "hydra.sweeper.n_trials=1000", "sleep=0.05")
    wait_until((Path("s") / "3").is_dir)
    shutil.rmtree("s", ignore_errors=True)
    output, _ = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 1
    assert "the search stopped: " in output
    pids = [int(line) for line in Path("pids").read_text().split()]
    wait_until(lambda: all(gone(pid) for pid in pids))


def test_a_full_disk_ends_the_search_and_the_study_goes_on(app, own_folder):
    disk = own_folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    try:
        command = [sys.executable, str(app), "-m", *SEARCH, "hydra.sweep.dir=disk/s", "hydra.sweeper.n_trials=60"]
        full = subprocess.run(command, cwd=own_folder, capture_output=True, text=True, timeout=120, check=False)
        assert full.returncode == 1
        assert "No space left on device" in full.stderr
        assert "go on with: python app.py -m" in full.stderr
        finished = sum(trial.state is TrialState.COMPLETE for trial in study(disk / "s").trials)
        assert finished > 0
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        done = subprocess.run(command, cwd=own_folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        with (disk / "s" / "trials.csv").open() as file:
            assert [row["number"] for row in csv.DictReader(file)] == [str(number) for number in range(60)]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
