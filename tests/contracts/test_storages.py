"""What every storage of a study must do."""

import os
import socket
import sys
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import TrialState, create_trial
from other_servers import mariadb, redis
from postgresql import PASSWORD, server
from search_commands import rows

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.engine.budget import Budget
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.record.trials_csv import Results, best_trial
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.store.cache import Cache
from lightning_sweeps.searches.store.journal import open_journal
from lightning_sweeps.searches.store.storage import flush, open_url
from lightning_sweeps.searches.study.news import Reading, maximizes
from lightning_sweeps.searches.study.opening import open_study
from lightning_sweeps.searches.study.owners import Owner

SPACE = Space({"x": FloatDistribution(-5.0, 5.0)})


@pytest.fixture(scope="session")
def database():
    """The URL of a PostgreSQL server for all tests of the session."""
    with server() as url:
        yield url


@pytest.fixture(scope="session")
def other_database():
    """The URL of a MariaDB server."""
    with mariadb() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server():
    """The URL of a Redis server."""
    with redis() as url:
        yield url


SERVERS = {"postgresql": "database", "mysql": "other_database", "redis": "redis_server"}
DATABASES = ["sqlite", "postgresql", "mysql"]


@pytest.fixture(params=["memory", "journal", "sqlite", *SERVERS, *(f"unknown {name}" for name in DATABASES)])
def storage(request, own_folder, monkeypatch):
    """An empty storage of each kind; also databases whose tables another version of Optuna has changed."""
    unknown, kind = request.param.startswith("unknown "), request.param.removeprefix("unknown ")
    if kind in ("memory", "journal"):
        yield optuna.storages.InMemoryStorage() if kind == "memory" else open_journal(own_folder)
        return
    url = "sqlite:///study.db" if kind == "sqlite" else server_url(request, kind)
    if unknown:
        monkeypatch.setattr("lightning_sweeps.searches.store.storage.are_known", lambda: False)
    found = open_url(url)
    assert isinstance(found, Cache) == (kind != "redis" and not unknown)
    yield found
    close(found)


def server_url(request, kind: str) -> str:
    """The server of this kind, without the studies of earlier tests."""
    url = request.getfixturevalue(SERVERS[kind])
    found = open_url(url)
    for study in found.get_all_studies():
        found.delete_study(study._study_id)
    close(found)
    return url


def close(storage) -> None:
    if isinstance(storage, _CachedStorage):
        storage.remove_session()
        storage._backend.engine.dispose()
    else:
        storage._backend._redis.close()


def opened(storage, space: Space = SPACE, direction: str = "minimize") -> optuna.Study:
    pruner = optuna.pruners.NopPruner()
    return open_study(storage, "search", [direction], optuna.samplers.RandomSampler(0), pruner, space)[0]


def test_a_study_is_opened_again_with_what_it_has(storage):
    study = opened(storage)
    for value in (3.0, 1.0, 2.0):
        study.tell(study.ask(SPACE.distributions), value)
    again = opened(storage)
    assert [trial.value for trial in again.trials] == [3.0, 1.0, 2.0]
    assert best_trial(again).number == 1


def test_another_space_or_direction_is_refused_with_the_difference(storage):
    opened(storage)
    with pytest.raises(ConfigError, match=r"Changed: x was .*5\.0.*6\.0"):
        opened(storage, Space({"x": FloatDistribution(-5.0, 6.0)}))
    with pytest.raises(ConfigError, match="has direction"):
        opened(storage, direction="maximize")


def test_a_trial_names_its_supervisor_from_its_first_moment(storage, own_folder):
    owner = Owner(opened(storage), own_folder, 60)
    trial, restarted = owner.next_trial(1)
    assert not restarted
    frozen = opened(storage).trials[0]
    assert frozen.state is TrialState.RUNNING
    assert frozen.user_attrs["supervisor"] == {
        "id": owner.id,
        "host": socket.gethostname(),
        "machine": owner.record["machine"],
        "lock": str(owner.lock.file),
        "cores": owner.record["cores"],
        "slots": 1,
    }
    assert frozen.datetime_start is not None
    assert owner.owns(trial)
    owner.close()


@pytest.fixture
def join(storage, own_folder):
    """Have another supervisor join the search: on this machine, or as if on another one."""

    def enter(*, elsewhere: bool = False, grace_period: float = 60.0) -> Owner:
        owner = Owner(opened(storage), own_folder, grace_period)
        if elsewhere:
            owner.record["machine"] = f"of {owner.id}"
        return owner

    return enter


@pytest.fixture
def again(storage):
    """The study as another process sees it, which knows what the storage has and nothing else."""
    mine = []

    def anew() -> optuna.Study:
        if not isinstance(storage, _CachedStorage):
            return opened(storage)
        mine.append(open_url(storage._backend.engine.url.render_as_string(hide_password=False)))
        return opened(mine[-1])

    yield anew
    for one in mine:
        close(one)


def states(storage) -> list[str]:
    return [trial.state.name for trial in opened(storage).trials]


def test_trials_of_a_dead_supervisor_of_this_machine_wait_at_once(storage, join):
    dead = join()
    dead.next_trial(10)
    alive = join()
    alive.next_trial(10)
    os.close(dead.lock._descriptor)  # as the system does after kill -9
    looking = join()
    looking.put_back(())
    assert states(storage) == ["WAITING", "RUNNING"]
    trial, restarted = looking.next_trial(10)
    assert (trial.number, restarted) == (0, False), "it had not begun"
    assert looking.owns(trial)
    assert looking.next_trial(2) is None


def test_trials_of_a_silent_supervisor_elsewhere_wait_after_its_grace_period(storage, join, monkeypatch):
    silent, speaking = join(elsewhere=True, grace_period=5.0), join(elsewhere=True, grace_period=5.0)
    now = [100.0]
    monkeypatch.setattr("lightning_sweeps.searches.study.owners.time.monotonic", lambda: now[0])
    first, _ = silent.next_trial(10)
    first.set_user_attr("folder", "/somewhere")
    flush(silent.study)
    second, _ = speaking.next_trial(10)
    looking = join()
    for _ in range(3):
        looking.put_back(())
        speaking.put_back({second.number})
        assert states(storage) == ["RUNNING", "RUNNING"]
        now[0] += 2.0
        speaking.give_sign()
        looking.give_sign()
    for owner in (speaking, looking):
        owner.put_back({second.number} if owner is speaking else ())
    assert states(storage) == ["WAITING", "RUNNING"]
    taken, restarted = looking.next_trial(10)
    assert (taken.number, restarted) == (0, True)
    assert not silent.owns(first), "the one that was cut off must not tell it"
    silent.release(first)
    assert states(storage) == ["RUNNING", "RUNNING"]


def test_supervisors_of_one_machine_know_how_many_trials_share_its_cores(join):
    mine, other, elsewhere, apart = join(), join(), join(elsewhere=True), join()
    other.record["slots"] = 3
    apart.record["cores"] = f"{1 << 200:x}"
    assert mine.others_here(mine.study.get_trials(deepcopy=False)) == 0
    for owner in (mine, other, other, elsewhere, apart):
        owner.next_trial(10)
    assert mine.others_here(mine.study.get_trials(deepcopy=False)) == 3
    assert other.others_here(other.study.get_trials(deepcopy=False)) == 1


def test_a_supervisor_that_leaves_is_gone_at_once(storage, join):
    left = join(elsewhere=True)
    left.next_trial(10)
    left.close()
    looking = join()
    looking.put_back(())
    assert states(storage) == ["WAITING"]


def test_what_is_interrupted_waits_and_is_taken_once(storage, join):
    first = join()
    trial, _ = first.next_trial(1)
    second = join()
    first.release(trial)
    assert states(storage) == ["WAITING"]
    waiting = opened(storage).trials[0]
    assert second._take(waiting)
    if not isinstance(storage, optuna.storages.JournalStorage):  # there a second caller is a second process
        assert not first._take(waiting)
    assert second.owns(trial)
    assert not first.owns(trial)


def test_no_trial_too_many_is_created_by_one_who_looked_a_moment_earlier(storage, join):
    quick, slow = join(), join()
    before = slow.study.get_trials(deepcopy=False)
    assert quick.next_trial(1) is not None
    assert slow.next_trial(1, before) is None
    assert states(storage) == ["RUNNING"]
    assert slow.next_trial(2)[0].number == 1


def test_what_is_noted_of_a_trial_is_seen_by_all_when_it_begins_and_when_it_ends(join, again):
    owner = join()
    for kind in (SPACE.distributions["x"], FloatDistribution(-5.0, 5.0)):  # the first of a process, and a later one
        trial, _ = owner.next_trial(10)
        x = trial._suggest("x", kind)
        trial.set_user_attr("overrides", ["x=1"])
        trial.set_user_attr("overrides", ["x=2"])
        flush(owner.study)
        seen = again().trials[-1]
        assert (seen.state, seen.params, seen.distributions) == (TrialState.RUNNING, {"x": x}, {"x": kind})
        assert seen.user_attrs["overrides"] == ["x=2"]
        trial.report(3.0, 1)
        assert again().trials[-1].intermediate_values == {1: 3.0}
        trial.set_user_attr("seconds", 1.5)
        told = owner.study.tell(trial, 2.0)
        assert (told.state, told.value) == (TrialState.COMPLETE, 2.0)
        seen = again().trials[-1]
        assert (seen.state, seen.value, seen.params, seen.user_attrs["seconds"]) == (told.state, 2.0, {"x": x}, 1.5)
        assert seen.datetime_complete >= seen.datetime_start
        assert seen.number == told.number


def test_another_distribution_of_a_known_parameter_is_refused(join):
    owner = join()
    for _ in range(2):  # also by what a process remembers
        owner.study.tell(owner.next_trial(10)[0], 1.0)
        trial, _ = owner.next_trial(10)
        trial._suggest("x", SPACE.distributions["x"])
        other, _ = owner.next_trial(10)
        with pytest.raises(ValueError, match="different distribution kind"):
            other._suggest("x", IntDistribution(0, 5))


def test_what_was_noted_of_a_trial_that_another_has_taken_is_not_written(storage, join, again):
    first, second = join(), join(elsewhere=True)
    trial, _ = first.next_trial(1)
    third = again()  # a process of its own
    third._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
    third._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    third._storage.set_trial_user_attr(trial._trial_id, "supervisor", second.record)
    flush(third)
    assert not first.owns(trial)
    if not isinstance(storage, Cache):
        return  # the others write at once
    flush(first.study)
    assert again().trials[0].user_attrs["supervisor"]["id"] == second.id


def test_trials_are_read_as_optuna_reads_them(storage, again):
    study = opened(storage)
    infinite, nan = float("inf"), float("nan")
    study.add_trials(
        [
            create_trial(
                state=TrialState.COMPLETE,
                value=value,
                params={"x": 0.1, "k": "a", "n": 3},
                distributions={
                    "x": FloatDistribution(-5.0, 5.0),
                    "k": CategoricalDistribution(["a", None, 1.5]),
                    "n": IntDistribution(1, 9, log=True),
                },
                user_attrs={"list": [1, {"a": None}], "text": "é"},
                system_attrs={"rung": 0.5},
                intermediate_values={3: nan, 1: infinite, 2: -infinite, 4: 1e-300},
            )
            for value in (1e300, infinite, -infinite)
        ]
    )
    study.ask(SPACE.distributions)
    for _ in range(2):
        study.enqueue_trial({"x": 2.0})
    study.tell(study.ask(SPACE.distributions), state=TrialState.FAIL)
    if not isinstance(storage, Cache):
        return  # it is Optuna's own
    theirs = optuna.storages.RDBStorage._get_trials(storage._backend, study._study_id, None, set(), -1)
    ours = again().trials
    for trial in (*theirs, *ours):  # no nan is equal to another one
        trial.intermediate_values = {step: str(value) for step, value in trial.intermediate_values.items()}
    assert len(theirs) == 6
    assert ours == theirs


def test_the_tally_sees_what_other_supervisors_told(storage):
    study = opened(storage)
    reading = Reading(study, 4)
    tally = Tally(Budget(n_trials=4, patience=2, target=0.5), reading.news(), maximizes(study))
    other = opened(storage)
    for value in (3.0, 1.0, 2.0):
        other.tell(other.ask(SPACE.distributions), value)
    other.ask(SPACE.distributions)
    tally.note(reading.news())
    assert (len(tally.states), tally.unfinished, tally.best.number, tally.why_end()) == (3, 1, 1, "")
    other.tell(other.ask(SPACE.distributions), 4.0)
    tally.note(reading.news())
    assert tally.why_end() == "patience=2"


def test_the_table_has_every_finished_trial(storage, own_folder):
    study = opened(storage)
    first, second, third = (study.ask(SPACE.distributions) for _ in range(3))
    study.tell(second, 2.0)
    results = Results(study, own_folder)
    third.report(7.0, 3)
    study.tell(third, state=TrialState.PRUNED)
    first.set_user_attr("reason", "a bad day")
    study.tell(first, state=TrialState.FAIL)
    results.update()
    told = rows(own_folder)
    assert [(row["number"], row["state"], row["value"], row["epochs"], row["reason"]) for row in told] == [
        ("0", "FAIL", "", "", "a bad day"),
        ("1", "COMPLETE", "2.0", "", ""),
        ("2", "PRUNED", "7.0", "3", ""),
    ]


@pytest.mark.parametrize(("take", "value", "step"), [("best", "0.5", "2"), ("last", "7.0", "3"), (None, "7.0", "3")])
def test_the_value_of_a_pruned_trial_is_what_the_objective_takes(storage, own_folder, take, value, step):
    study = opened(storage)
    study.set_user_attr("objective", {"metric": "loss", "mode": "min", "take": take})
    pruned, complete = study.ask(SPACE.distributions), study.ask(SPACE.distributions)
    for step_of_report, reported in enumerate((1.0, 0.5, 7.0), start=1):
        pruned.report(reported, step_of_report)
        complete.report(reported, step_of_report)
    study.tell(pruned, state=TrialState.PRUNED)
    study.tell(complete, 0.5 if take == "best" else 7.0)
    Results(study, own_folder)
    for row in rows(own_folder):
        assert (row["value"], row["value_step"], row["last_report"]) == (value, step, "7.0")


@pytest.fixture(params=["journal", "sqlite", *SERVERS])
def kept(request) -> list[str]:
    """The options for each storage that outlives the command."""
    if request.param in SERVERS:
        return [f"hydra.sweeper.storage='{server_url(request, request.param)}'"]
    return {"journal": [], "sqlite": ["hydra.sweeper.storage='sqlite:///study.db'"]}[request.param]


@pytest.mark.slow
def test_a_search_goes_on_where_it_was(sweep, kept):
    search = ["x=interval(-5.0,5.0)", "hydra.sweeper.sampler.seed=3", *kept]
    assert sweep(*search, "hydra.sweeper.n_trials=3").returncode == 0
    first = rows()
    done = sweep(*search, "hydra.sweeper.n_trials=5", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert [int(row["number"]) for row in rows()] == [0, 1, 2, 3, 4]
    assert rows()[:3] == first
    assert not Path("s-2").exists()


@pytest.mark.slow
def test_a_used_up_budget_runs_nothing(sweep, kept):
    search = ["x=interval(-5.0,5.0)", "hydra.sweeper.n_trials=2", *kept]
    assert sweep(*search).returncode == 0
    before = Path("pids").read_text()
    done = sweep(*search)
    assert done.returncode == 0
    assert "Finished 2 of 2 trials" in done.stdout
    assert Path("pids").read_text() == before


@pytest.mark.slow
@pytest.mark.parametrize("fixture", SERVERS.values())
def test_a_password_appears_nowhere(sweep, fixture, request):
    url = request.getfixturevalue(fixture)
    search = ["x=interval(-5.0,5.0)", "hydra.sweeper.n_trials=2", f"hydra.sweeper.storage='{url}'"]
    search += ["hydra.sweeper.study_name=passwords"]
    done = sweep(*search)
    assert done.returncode == 0, done.stderr
    wrong = sweep(*[line.replace(PASSWORD, f"{PASSWORD}-not") for line in search])
    assert wrong.returncode == 1
    assert "cannot be opened" in wrong.stderr
    shown = [done.stdout, done.stderr, wrong.stdout, wrong.stderr]
    written = [file.read_bytes().decode(errors="replace") for file in Path("s").rglob("*") if file.is_file()]
    assert len(written) > 8
    assert not any(PASSWORD in text for text in (*shown, *written))
    again = sweep(*search[:1], "hydra.sweeper.n_trials=3", search[2].replace(PASSWORD, "***"))
    assert "its password is kept nowhere; give the whole URL again" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("user", "form"),
    [
        ("odd@corp", "postgresql+psycopg://{user}:{password}@{server}"),
        ("plain", "postgresql+psycopg://{user}@{server}?password={password}"),
        ("plain", "postgresql+psycopg://{server}?user={user}&application_name=me&password={password}"),
    ],
)
def test_an_odd_password_appears_nowhere(sweep, database, user, form):
    """With a slash, a blank and a question mark, a user with an @, and in the query.

    Its words are longer than what a compressed script in a report may have by chance.
    """
    psycopg = pytest.importorskip("psycopg")
    password, server = "very/s3cr3t pa55w0rd?", database.rpartition("@")[2]
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute(f'DROP ROLE IF EXISTS "{user}"')
        connection.execute(f"CREATE ROLE \"{user}\" SUPERUSER LOGIN PASSWORD '{password}'")
    url = form.format(user=user, password=password, server=server)
    search = ["x=1,2", f"hydra.sweeper.storage='{url}'", f"hydra.sweeper.study_name=odd{len(form)}"]
    done = sweep(*search, "hydra.sweeper.report=true")
    assert done.returncode == 0, done.stderr
    wrong = sweep(*[line.replace("very", "not") for line in search])
    assert wrong.returncode == 1
    shown = [done.stdout, done.stderr, wrong.stdout, wrong.stderr]
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        tables = ("study_user_attributes", "study_system_attributes", "trial_user_attributes")
        kept = [str(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in tables]
    written = [file.read_bytes().decode(errors="replace") for file in Path("s").rglob("*") if file.is_file()]
    for text in (*shown, *kept, *written):
        at = text.find("s3cr3t") + text.find("pa55w0rd") + 1
        assert at < 0, text[max(at - 200, 0) : at + 50]


@pytest.mark.parametrize(
    ("module", "url", "said"),
    [
        ("psycopg", "postgresql+psycopg://h/d", r"pip install 'lightning-sweeps\[postgresql\]'"),
        ("MySQLdb", "mysql://h/d", r"Write mysql\+pymysql://"),
        ("pymysql", "mysql+pymysql://h/d", r"pip install 'lightning-sweeps\[mysql\]'"),
        ("redis", "redis://h", r"pip install 'lightning-sweeps\[redis\]'"),
    ],
)
def test_a_driver_that_is_not_installed_is_named_with_its_extra(monkeypatch, module, url, said):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "lightning_sweeps.searches.store.redis_journal", raising=False)
    with pytest.raises(ConfigError, match=said):
        open_url(url)
