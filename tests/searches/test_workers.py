"""Several supervisors of one search: joined by hand, or started by Hydra's launchers."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from postgresql import PASSWORD, STARTS, STOPS, server
from search_commands import OTHER_FAULTS, SEARCH, gone, rows, start, study, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks_without_torch")]


def joined(app: Path, *overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lightning_sweeps.join", "s", *overrides],
        cwd=app.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def owners() -> set[str]:
    """Of the trials; the journal may be there before its study, and a trial before its owner has signed it."""
    try:
        return {trial.user_attrs["supervisor"]["id"] for trial in study().trials}
    except (ValueError, KeyError):
        return set()


def all_finished(count: int) -> bool:
    return [(row["number"], row["state"]) for row in rows()] == [(str(number), "COMPLETE") for number in range(count)]


def test_a_supervisor_joins_and_takes_over_when_the_first_is_killed(app):
    first = start(app, *SEARCH, "hydra.sweeper.n_trials=30", "sleep=0.3", "hydra.sweeper.report=true")
    wait_until(lambda: Path("s/2").is_dir())
    second = joined(app)
    wait_until(lambda: len(owners()) == 2)
    time.sleep(0.05)  # somewhere within a trial
    first.kill()
    first.communicate()
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0, output
    assert "Finished 30 of 30 trials (30 complete)" in output, "who leaves last says it"
    assert Path("s/report.html").is_file()
    assert all_finished(30)
    assert {folder.name for folder in Path("s").iterdir() if folder.name.isdigit()} == {str(n) for n in range(30)}
    assert len({row["x"] for row in rows()}) == 30, "with one seed no two draw the same"


def test_there_must_be_a_search_to_join(command, own_folder):
    done = command("s", module="lightning_sweeps.join")
    assert done.returncode == 1
    assert "no search here" in done.stderr
    assert not list(own_folder.iterdir())
    done = command("sqlite:///study.db", module="lightning_sweeps.join")
    assert "typed again with it and the study_name" in done.stderr


def test_one_that_leaves_before_others_leaves_the_last_word_to_them(app):
    first = start(app, *SEARCH, "hydra.sweeper.n_trials=4", "++faults={1:hang}")
    wait_until(Path("hanging").is_file)
    second = joined(app, "++faults={}", "hydra.sweeper.n_trials=4", OTHER_FAULTS)
    wait_until(lambda: len(rows()) == 3)
    second.send_signal(signal.SIGTERM)
    output, _ = second.communicate(timeout=30)
    assert "left after interrupted" in output
    assert "trials (" not in output
    first.kill()
    first.communicate()


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_ctrl_c_stops_the_workers_of_this_machine_and_leaves_nothing_behind(app, launcher):
    options = [*SEARCH, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=40", "sleep=0.2", "hydra.sweeper.workers=2"]
    command = subprocess.Popen(
        [sys.executable, str(app), "-m", *options, f"hydra/launcher={launcher}"],
        cwd=app.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: Path("s/trials.csv").is_file() and len(rows()) > 3 and len(owners()) == 2)
    os.killpg(command.pid, signal.SIGINT)  # as a terminal does
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 130, output
    assert "go on with:" in output
    assert {trial.state.name for trial in study().trials} <= {"COMPLETE", "WAITING"}
    pids = [int(line) for line in Path("pids").read_text().split()]
    pids += [int(owner.split("-")[-2]) for owner in owners()]
    wait_until(lambda: all(gone(pid) for pid in pids))


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_a_launcher_starts_supervisors(sweep, launcher):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    done = sweep(
        *SEARCH, "hydra.sweeper.n_trials=12", "sleep=0.2", "hydra.sweeper.workers=2", f"hydra/launcher={launcher}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Finished 12 of 12 trials (12 complete)" in done.stdout
    assert "nothing was left to do" not in done.stdout
    assert all_finished(12)
    assert len(owners()) == 2
    assert len({row["x"] for row in rows()}) == 12


def test_a_search_of_the_conf_folder_is_given_to_a_launcher(command):
    """There the option of ``search`` says what the sweeper is, which a launcher's job composes anew."""
    done = command(
        "-m", "search=quick", "hydra.sweep.dir=s", "hydra/launcher=joblib", "hydra.sweeper.workers=2",
        "hydra.sweeper.n_trials=3", "trainer.max_epochs=1", "hydra.sweeper.report=false",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert all_finished(3)
    assert len(owners()) == 2
    assert "command: python -m lightning_sweeps " in Path("s/best.yaml").read_text()


def test_a_storage_may_be_named_by_the_environment_or_by_a_config_file(app, sweep, monkeypatch):
    options = [*SEARCH, "hydra.sweeper.n_trials=2", "hydra/launcher=joblib", "hydra.sweeper.workers=1"]
    with server() as url:
        monkeypatch.setenv("STUDIES", url)
        done = sweep(*options, "hydra.sweeper.storage='${oc.env:STUDIES}'")
        assert done.returncode == 0, done.stdout + done.stderr
        assert all_finished(2)
        assert "${oc.env:STUDIES}" in Path("s/multirun.yaml").read_text()
        with (app.parent / "conf" / "config.yaml").open("a") as config:
            config.write(f"    storage: '{url}'\n")  # its last key is hydra.sweeper.report
        done = sweep(*options, "hydra.sweep.dir=t", "hydra.sweeper.n_trials=4")
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(rows(Path("t"))) == 4
    written = [file.read_bytes() for name in "st" for file in Path(name).rglob("*") if file.is_file()]
    assert not any(PASSWORD.encode() in content for content in written)


def test_a_launcher_must_be_named(sweep):
    done = sweep(*SEARCH, "hydra.sweeper.workers=2")
    assert done.returncode == 1
    assert "hydra/launcher=joblib" in done.stderr
    assert not Path("s").exists()


def test_a_worker_that_vanishes_is_replaced(sweep, app):
    """Two are started, one is killed with its trial under way; the other one does what it left."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    launched = start(
        app, *SEARCH, "hydra.sweeper.n_trials=20", "sleep=0.2", "hydra.sweeper.workers=2",
        "hydra/launcher=submitit_local",
    )  # fmt: skip
    wait_until(lambda: Path("s/study.journal").is_file() and len(owners()) == 2)
    one = next(iter(owners()))
    os.kill(int(one.split("-")[-2]), signal.SIGKILL)
    output, _ = launched.communicate(timeout=90)
    wait_until(lambda: all_finished(20))
    assert json.dumps(output), "the launcher itself may complain of the job that it lost"


def test_the_same_command_joins_on_a_shared_storage_and_its_password_stays_secret(app):
    with server() as url:
        shared = [*SEARCH, f"hydra.sweeper.storage='{url}'", "hydra.sweeper.study_name=ours"]
        budget = ["hydra.sweeper.n_trials=30", "sleep=0.1"]
        machines = [start(app, *shared, *budget, f"hydra.sweep.dir=s{number}") for number in range(3)]
        wait_until(lambda: all(Path(f"s{number}/trials.csv").is_file() for number in range(3)))
        wait_until(lambda: len(rows(Path("s1"))) > 5)
        machines[0].kill()
        machines[0].communicate()
        for machine in machines[1:]:
            output, _ = machine.communicate(timeout=90)
            assert machine.returncode == 0, output
            assert "Finished 30 of 30 trials (30 complete)" in output
        tables = [[(row["number"], row["x"], row["state"]) for row in rows(Path(f"s{n}"))] for n in (1, 2)]
        assert tables[0] == tables[1]
        assert [number for number, _, _ in tables[0]] == [str(number) for number in range(30)]
        assert len({x for _, x, _ in tables[0]}) == 30
    written = [file.read_bytes() for n in range(3) for file in Path(f"s{n}").rglob("*") if file.is_file()]
    assert not any(PASSWORD.encode() in content for content in written)


def test_workers_find_the_password_that_is_written_nowhere(sweep):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    with server() as url:
        done = sweep(
            *SEARCH, "hydra.sweeper.n_trials=6", "hydra.sweeper.workers=2", "hydra/launcher=submitit_local",
            f"hydra.sweeper.storage='{url}'",
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert all_finished(6)
    assert not any(PASSWORD.encode() in file.read_bytes() for file in Path("s").rglob("*") if file.is_file())


def test_a_server_that_is_restarted_is_waited_for(app):
    with server() as url:
        search = [*SEARCH, f"hydra.sweeper.storage='{url}'", "hydra.sweeper.n_trials=15", "sleep=0.1"]
        machine = start(app, *search)
        wait_until(lambda: Path("s/4").is_dir())
        STOPS[url]()
        time.sleep(1.0)
        STARTS[url]()
        output, _ = machine.communicate(timeout=60)
    assert machine.returncode == 0, output
    assert all_finished(15)


def test_a_server_that_stays_away_ends_the_search_and_nothing_is_lost(app, sweep):
    with server() as url:
        search = [*SEARCH, f"hydra.sweeper.storage='{url}'", "hydra.sweeper.n_trials=15", "sleep=0.1"]
        machine = start(app, *search, "hydra.sweeper.grace_period=2")
        wait_until(lambda: Path("s/4").is_dir())
        STOPS[url]()
        output, _ = machine.communicate(timeout=60)
        assert machine.returncode == 1
        assert "the search stopped: " in output
        assert "go on with" in output
        assert PASSWORD not in output
        STARTS[url]()
        done = sweep(*search)
        assert done.returncode == 0, done.stderr
        assert all_finished(15)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_cluster_that_ends_the_job_is_obeyed_and_the_trial_goes_on_elsewhere(app, number):
    first = start(app, *SEARCH, "hydra.sweeper.n_trials=4", "++faults={2:hang}")
    wait_until(Path("hanging").is_file)
    first.send_signal(number)
    output, _ = first.communicate(timeout=30)
    assert first.returncode == 130, output
    assert [trial.state.name for trial in study().trials] == ["COMPLETE", "COMPLETE", "WAITING"]
    drawn = study().trials[2].params
    second = joined(app, "++faults={}", OTHER_FAULTS)
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0, output
    assert all_finished(4)
    assert study().trials[2].params == drawn


def test_who_launched_the_supervisor_hears_of_a_warning_at_the_end(monkeypatch):
    from lightning_sweeps.searches.engine.signals import Signals

    heard = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: heard.append(("launcher", number)))
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGUSR2)
            assert select.select([signals.wake], [], [], 30)[0]
            assert not heard, "it may have come in the middle of anything"
            signals.deliver(lambda number: heard.append(("supervisor", number)))
            heard.append("trials have ended")
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert heard == [("supervisor", signal.SIGUSR2), "trials have ended", ("launcher", signal.SIGUSR2)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_optuna_with_other_tables_is_searched_with_slower_and_says_so_once(app, kind):
    unknown = "import lightning_sweeps.searches.store.known_tables as tables\n\ntables.SCHEMA_VERSION = -1\n"
    app.write_text(unknown + app.read_text())
    with server() if kind == "postgresql" else nullcontext("sqlite:///study.db?timeout=60") as url:
        search = [*SEARCH, f"hydra.sweeper.storage='{url}'", "hydra.sweeper.n_trials=12", "sleep=0.1"]
        first = start(app, *search, "hydra.sweeper.n_jobs=2")
        wait_until(lambda: Path("s/1").is_dir())
        second = start(app, *search, "hydra.sweeper.join=true")
        for supervisor in (first, second):
            output, _ = supervisor.communicate(timeout=90)
            assert supervisor.returncode == 0, output
            assert output.count("are not known here") == 1, output
    assert all_finished(12)
    assert len({row["x"] for row in rows()}) == 12
