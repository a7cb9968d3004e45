"""How a search grows: ``python benchmarks/scale.py [--only PART] [--storage journal|postgresql]``.

``asking``: one supervisor's part of a trial in its own process, against the trials that the study has already.
``batches``: the same for several trials that are created in one transaction and written in one.
``waiting``: trials of two seconds under 1 to 32 supervisors. ``storing``: trials of no time and without processes of
their own, which is all the storage can take. PostgreSQL is started for it, with the safety of the disk that it has
when it is installed.
"""

import argparse
import copy
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from run import machine

from lightning_sweeps.searches.engine.budget import Budget
from lightning_sweeps.searches.engine.tally import Tally
from lightning_sweeps.searches.record.trials_csv import Results
from lightning_sweeps.searches.space.samplers import Numbered
from lightning_sweeps.searches.space.space import Space
from lightning_sweeps.searches.store.journal import JOURNAL, open_journal, read_journal
from lightning_sweeps.searches.store.storage import flush, open_url
from lightning_sweeps.searches.study.news import Reading, maximizes
from lightning_sweeps.searches.study.opening import open_study
from lightning_sweeps.searches.study.owners import Owner

HERE = Path(__file__).parent
SPACE = Space({name: FloatDistribution(-5.0, 5.0) for name in "abcd"})
SAMPLERS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0),
    "tpe, no constant liar": lambda: optuna.samplers.TPESampler(seed=0, constant_liar=False),
    "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=0),
    "gp": lambda: optuna.samplers.GPSampler(seed=0),
}
LARGEST = {"gp": 100}  # a Gaussian process takes the cube of it
UNLIMITED = 1_000_000
APP = """
import time
import hydra

@hydra.main(config_path=None)
def objective(cfg):
    time.sleep(cfg.sleep)
    return cfg.a ** 2 + cfg.b

if __name__ == "__main__":
    objective()
"""


@contextmanager
def storages(wanted: str | None) -> Iterator[dict[str, str | None]]:
    """The URL of each storage by its name; None stands for the journal in the search's folder."""
    with ExitStack() as stack:
        found: dict[str, str | None] = {}
        if wanted in (None, "journal"):
            found["journal"] = None
        if wanted in (None, "postgresql"):
            sys.path.insert(0, str(HERE.parent / "tests"))  # how the tests start a server
            from postgresql import server

            found["PostgreSQL"] = stack.enter_context(server("-c max_connections=200"))
            found["PostgreSQL, Optuna's gRPC proxy"] = stack.enter_context(proxy(found["PostgreSQL"]))
        yield found


@contextmanager
def proxy(url: str) -> Iterator[str]:
    """Optuna's proxy before a storage, as a process of its own."""
    from ports import free_ports

    (port,) = free_ports(1)
    program = "import optuna, sys; url, port = sys.argv[1:]; storage = optuna.storages.get_storage(url); "
    program += "optuna.storages.run_grpc_proxy_server(storage, host='127.0.0.1', port=int(port))"
    server = subprocess.Popen([sys.executable, "-c", program, url, str(port)], stderr=subprocess.DEVNULL)
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def finished(number: int, draw: random.Random) -> FrozenTrial:
    """A complete trial as a search leaves it."""
    params = {name: draw.uniform(-5, 5) for name in SPACE.distributions}
    return create_trial(
        params=params,
        distributions=SPACE.distributions,
        value=sum(value**2 for value in params.values()),
        intermediate_values={step: 1.0 / (step + 1) for step in range(3)},
        user_attrs={
            "folder": f"/home/me/outputs/sweeps/2026-01-01/12-00-00/{number}",
            "overrides": [f"{name}={value}" for name, value in params.items()],
            "seconds": 61.234,
            "epochs": 3,
        },
    )


def asking(where: dict[str, str | None], counts: Sequence[int], n: int = 10) -> None:
    """Milliseconds to ask for a trial and to tell one, with the tables that are rewritten after it."""
    print(f"\n| storage | sampler | trials before | ask, ms | tell, ms | open the study, ms | n |\n{'|---' * 7}|")
    for name, url in where.items():
        with tempfile.TemporaryDirectory() as folder:
            draw = random.Random(0)
            for count in counts:
                if str(url).startswith("grpc:") and count > 1_000:  # it would take minutes to fill
                    continue
                study = opened(url, Path(folder), SAMPLERS["random"]())
                there = len(study.get_trials(deepcopy=False))
                study.add_trials([finished(number, draw) for number in range(there, count)])
                for sampler, make in SAMPLERS.items():
                    if count > LARGEST.get(sampler, count):
                        continue
                    ask, tell, opening = ask_and_tell(url, Path(folder), make(), n)
                    shown = " | ".join(f"{1000 * value:.1f}" for value in (ask, tell, opening))
                    print(f"| {name} | {sampler} | {count:,} | {shown} | {n} |", flush=True)


def opened(url: str | None, folder: Path, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    if url is not None and url.startswith("grpc:"):
        storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(url.rpartition(":")[2]))
        storage.wait_server_ready(timeout=60)
    else:
        storage = open_journal(folder) if url is None else open_url(url)
    pruner = optuna.pruners.NopPruner()
    name = "asking through it" if str(url).startswith("grpc:") else "asking"
    return open_study(storage, name, ["minimize"], Numbered(sampler, 0), pruner, SPACE)


def ask_and_tell(
    url: str | None, folder: Path, sampler: optuna.samplers.BaseSampler, n: int
) -> tuple[float, float, float]:
    """Median seconds of what a supervisor does before a trial and after it, and of opening the study."""
    begun = time.perf_counter()
    study = opened(url, folder, sampler)
    owner, reading = Owner(study, folder, 60.0), Reading(study, UNLIMITED)
    tally = Tally(Budget(UNLIMITED), reading.news(), maximizes(study))
    results = Results(study, folder, list(SPACE.distributions))
    opening = time.perf_counter() - begun
    asks, tells = [], []
    for _ in range(n + 1):
        begun = time.perf_counter()
        trial = suggested(owner, reading)
        flush(study)
        asked = time.perf_counter()
        assert owner.owns(trial)
        study.tell(trial, sum(value**2 for value in trial.params.values()))
        tally.note(reading.news())
        results.update(reading.trials)
        asks.append(asked - begun)
        tells.append(time.perf_counter() - asked)
    owner.close()
    return statistics.median(asks[1:]), statistics.median(tells[1:]), opening  # a process's first one imports


def suggested(owner: Owner, reading: Reading) -> Trial:
    found = owner.next_trial(UNLIMITED, reading.trials)
    assert found is not None
    for name, distribution in SPACE.distributions.items():
        found[0]._suggest(name, distribution)
    return found[0]


def batches(url: str, sizes: Sequence[int], count: int = 1_000, n: int = 10) -> None:
    """What asking for so many trials at once would save on a database, a trial."""
    print(f"\n| trials before | sampler | asked at once | ask, ms a trial | CPU, ms a trial | n |\n{'|---' * 6}|")
    with tempfile.TemporaryDirectory() as folder:
        draw = random.Random(0)
        study = opened(url, Path(folder), SAMPLERS["random"]())
        study.add_trials([finished(number, draw) for number in range(len(study.get_trials(deepcopy=False)), count)])
        there = len(study.get_trials(deepcopy=False))  # more than that, where ``asking`` has filled it
        for sampler in ("random", "tpe"):
            for size in sizes:
                wall, cpu = ask_at_once(url, Path(folder), SAMPLERS[sampler](), size, n)
                print(f"| {there:,} | {sampler} | {size} | {1000 * wall:.1f} | {1000 * cpu:.1f} | {n} |", flush=True)


def ask_at_once(url: str, folder: Path, sampler: optuna.samplers.BaseSampler, size: int, n: int) -> tuple[float, float]:
    """Median seconds, and seconds of this process's CPU, of a trial among so many that are asked for together."""
    from optuna.storages._rdb.storage import _create_scoped_session

    from lightning_sweeps.searches.store import rows

    study = opened(url, folder, sampler)
    owner = Owner(study, folder, 60.0)
    storage = study._storage
    walls, cpus = [], []
    for _ in range(n + 1):
        study.get_trials(deepcopy=False)  # as ``tell`` has read them
        begun, cpu = time.perf_counter(), time.process_time()
        template = create_trial(state=TrialState.RUNNING, user_attrs={"supervisor": owner.record})
        with _create_scoped_session(storage._backend.scoped_session) as session:
            created = [rows.create_trial(session, study._study_id, UNLIMITED, template) for _ in range(size)]
        for frozen in created:
            storage._add_trials_to_cache(study._study_id, [frozen])
            storage._hold(copy.deepcopy(frozen))
        trials = [Trial(study, frozen._trial_id) for frozen in created]
        for trial in trials:
            for name, distribution in SPACE.distributions.items():
                trial._suggest(name, distribution)
        with _create_scoped_session(storage._backend.scoped_session) as session:
            for trial in trials:
                rows.write_trial(session, trial._trial_id, storage._noted[trial._trial_id])
                storage._noted[trial._trial_id] = rows.Noted()
        walls.append((time.perf_counter() - begun) / size)
        cpus.append((time.process_time() - cpu) / size)
        for trial in trials:
            study.tell(trial, 0.0)
    owner.close()
    return statistics.median(walls[1:]), statistics.median(cpus[1:])


def growing(
    where: dict[str, str | None], counts: Sequence[int], sleep: float, seconds: float, rounds: int, *options: str
) -> None:
    """Finished trials a second under so many supervisors, over ``seconds`` after all of them have told one.

    Medians of so many rounds, and the whole range of the supervisors' CPU.
    """
    columns = ["storage", "supervisors", "trials/s", "times one", "a supervisor's CPU, ms a trial"]
    columns += ["of a core, a running trial (range)", "whole machine busy", "n"]
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name, url in where.items():
        one = None
        for count in counts:
            found = []
            for _ in range(rounds):
                with tempfile.TemporaryDirectory() as folder:
                    found.append(supervisors(url, count, Path(folder), sleep, seconds, *options))
            rate, busy = statistics.median(each[0] for each in found), statistics.median(each[2] for each in found)
            trials = [1000 * cpu / (each * seconds) for each, cpu, _ in found]
            shares = [100 * cpu / seconds / count for _, cpu, _ in found]
            one = rate if count == 1 else one
            times = f"{rate / one:.1f}" if one else "-"
            share = f"{statistics.median(shares):.2f} % ({min(shares):.2f} to {max(shares):.2f})" if sleep else "-"
            print(
                f"| {name} | {count} | {rate:.2f} | {times} | {statistics.median(trials):.1f} "
                f"| {share} | {100 * busy:.0f} % | {rounds} |",
                flush=True,
            )


def supervisors(
    url: str | None, count: int, folder: Path, sleep: float, seconds: float, *options: str
) -> tuple[float, float, float]:
    """Trials a second, the supervisors' seconds of CPU, and the share of the machine's CPU that was busy."""
    (folder / "app.py").write_text(APP)
    name = f"{count}-{sleep}-{time.time()}"
    journal = folder / "s" / JOURNAL
    shared = open_url(url) if url is not None else None  # makes the tables before several would at one moment

    def told() -> list[FrozenTrial]:
        if shared is None and not journal.is_file():  # to open it would make it, before the search has
            return []
        try:
            study = optuna.load_study(study_name=name, storage=shared or read_journal(journal.parent))
        except KeyError:  # the search has not made it yet
            return []
        return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    search = [sys.executable, "app.py", "-m", "hydra/sweeper=study", "hydra/sweeper/sampler=random", f"+sleep={sleep}"]
    search += ["hydra.sweeper.sampler.seed=0", f"hydra.sweeper.n_trials={UNLIMITED}", "hydra.sweeper.n_jobs=1"]
    search += [f"+{parameter}=interval(-5.0,5.0)" for parameter in SPACE.distributions]
    search += [*options, f"hydra.sweeper.study_name='{name}'"]
    if url is not None:
        search.append(f"hydra.sweeper.storage='{url}'")
        commands = [[*search, f"hydra.sweep.dir=s{number}"] for number in range(count)]
    else:
        commands = [
            [*search, "hydra.sweep.dir=s"],
            *[[*search, "hydra.sweep.dir=s", "hydra.sweeper.join=true"]] * (count - 1),
        ]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"log{number}").open("wb") as log:
                environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}  # GPUs are not for many supervisors
                started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment))
            if number == 0:
                wait_for(told, started, folder)
        wait_for(
            lambda: len({trial.user_attrs["supervisor"]["id"] for trial in told()}) == count,
            started,
            folder,
        )
        begun, before = datetime.now(), [cpu_seconds(one.pid) for one in started]  # noqa: DTZ005 (Optuna's are local)
        machine_before = machine_seconds()
        time.sleep(seconds)
        busy, idle = (b - a for a, b in zip(machine_before, machine_seconds(), strict=True))
        spent = sum(cpu_seconds(one.pid) for one in started) - sum(before)
    finally:
        for one in started:
            one.send_signal(signal.SIGTERM)
        for one in started:
            one.wait()
    ends = [trial.datetime_complete for trial in told()]
    within = sum(end is not None and begun < end <= begun + timedelta(seconds=seconds) for end in ends)
    return within / seconds, spent, busy / (busy + idle)


def wait_for(condition: Callable[[], object], started: Sequence[subprocess.Popen[bytes]], folder: Path) -> None:
    while not condition():
        for number, one in enumerate(started):
            if one.poll() is not None:
                sys.exit(f"supervisor {number} has ended:\n{(folder / f'log{number}').read_text()[-2000:]}")
        time.sleep(1.0)


def cpu_seconds(pid: int) -> float:
    """Of this process alone, without the trials, which are another's children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine_seconds() -> tuple[float, float]:
    """Busy and idle, of all cores together."""
    user, nice, system, idle, wait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return user + nice + system + irq + softirq, idle + wait


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["asking", "batches", "waiting", "storing"])
    parser.add_argument("--storage", choices=["journal", "postgresql"])
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 100, 1_000, 10_000])
    parser.add_argument("--supervisors", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(machine())
    with storages(arguments.storage) as where:
        if arguments.only in (None, "asking"):
            asking(where, arguments.trials)
        if arguments.only in (None, "batches") and (url := where.get("PostgreSQL")):
            batches(url, [1, 4, 16])
        direct = {name: url for name, url in where.items() if not str(url).startswith("grpc:")}
        if arguments.only in (None, "waiting"):
            growing(direct, arguments.supervisors, 2.0, arguments.seconds, arguments.rounds)
        if arguments.only in (None, "storing"):
            growing(direct, arguments.supervisors, 0.0, arguments.seconds, 1, "hydra.sweeper.isolation=none")


if __name__ == "__main__":
    main()
