"""A search as the user meets it: real processes, real signals, real files."""

import json
import signal
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState
from search_commands import OTHER_FAULTS, SEARCH, gone, rows, start, study, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.ways]


def test_every_combination_runs_once(sweep):
    done = sweep("x=1,2,3", "y=0,10")
    assert done.returncode == 0, done.stderr
    assert "all 6 combinations" in done.stdout
    assert [(row["x"], row["y"], float(row["value"])) for row in rows()] == [
        (str(x), str(y), x**2 + y) for x in (1, 2, 3) for y in (0, 10)
    ]
    best = OmegaConf.load("s/best.yaml")
    assert (best.number, best.value, list(best.overrides)) == (0, 1.0, ["x=1", "y=0"])
    assert all((Path("s") / str(number) / ".hydra" / "config.yaml").is_file() for number in range(6))


def test_each_failure_has_its_reason_and_the_search_goes_on(sweep):
    faults = "++faults={1:raise,2:notanumber,3:text,4:nothing,5:exit,6:killed,7:terminated}"
    done = sweep(*SEARCH, faults, "hydra.sweeper.n_trials=15", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stdout
    reasons = {int(row["number"]): row["reason"] for row in rows() if row["state"] == "FAIL"}
    assert reasons == {
        1: "ValueError: a bad day",
        2: "returned nan",
        3: 'returned "good" (str); a number is needed',
        4: "returned None, and reported nothing",
        5: "its process left with exit code 3 and no result",
        6: "killed by SIGKILL (out of memory?)",
        7: "stopped by a signal",
    }
    assert "a bad day" in Path("s/1/output.log").read_text()
    assert len(rows()) == 15


def test_three_failures_at_the_start_end_the_search(sweep):
    done = sweep(*SEARCH, "++faults={0:raise,1:raise,2:raise}", "hydra.sweeper.n_trials=15")
    assert done.returncode == 1
    assert "the first 3 trials failed" in done.stdout
    assert "ValueError: a bad day" in done.stdout
    assert len(rows()) == 3


def test_a_trial_killed_from_outside_is_tried_again_where_asked(sweep):
    done = sweep(*SEARCH, "++faults={1:once}", "hydra.sweeper.n_trials=3", "hydra.sweeper.max_retries=1")
    assert done.returncode == 0, done.stdout
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 3


def test_a_trial_that_takes_too_long_fails(sweep):
    done = sweep(*SEARCH, "++faults={1:hang}", "hydra.sweeper.n_trials=3", "hydra.sweeper.trial_timeout=1.5")
    assert done.returncode == 0, done.stdout
    assert [row["state"] for row in rows()] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert rows()[1]["reason"] == "timed out after trial_timeout=1.5 s"


@pytest.mark.parametrize(
    ("option", "ended"),
    [
        ("target=20", "Ended by target=20"),
        ("patience=3", "Ended by patience=3"),
        ("n_trials=4", "Finished 4 of 4 trials"),
    ],
)
def test_each_budget_ends_the_search_and_is_named(sweep, option, ended):
    options = ["hydra.sweeper.n_trials=60", f"hydra.sweeper.{option}"][option.startswith("n_trials") :]
    done = sweep(*SEARCH, *options)
    assert done.returncode == 0, done.stdout
    assert ended in done.stdout
    assert len(rows()) < 60


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_pruned_trials_are_pruned_with_their_last_value(sweep, isolation):
    done = sweep(
        *SEARCH,
        "steps=6",
        "hydra/sweeper/pruner=median",
        "hydra.sweeper.pruner.n_startup_trials=3",
        "hydra.sweeper.n_trials=12",
        f"hydra.sweeper.isolation={isolation}",
    )
    assert done.returncode == 0, done.stdout
    pruned = [trial for trial in study().trials if trial.state is TrialState.PRUNED]
    assert pruned
    assert all(trial.value == trial.intermediate_values[trial.last_step] for trial in pruned)


def test_one_slot_with_a_seed_gives_the_same_trials(sweep):
    for folder in ("first", "second"):
        assert sweep(*SEARCH, "hydra.sweeper.n_trials=12").returncode == 0
        Path("s").rename(folder)
    first, second = (study(Path(folder)).trials for folder in ("first", "second"))
    assert [(trial.params, trial.values) for trial in first] == [(trial.params, trial.values) for trial in second]


def test_a_used_up_timeout_stops_the_running_trials_which_go_on(sweep):
    search = [*SEARCH, "hydra.sweeper.n_trials=4"]
    done = sweep(*search, "++faults={2:hang}", "hydra.sweeper.timeout=3")
    assert done.returncode == 0, done.stdout
    assert "Ended by timeout=3.0 s after 2 of 4 trials (2 complete, 1 unfinished)" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("hydra.sweep.dir=s")
    assert sweep(*search, OTHER_FAULTS).returncode == 0
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 4


@pytest.mark.usefixtures("forks_without_torch")
def test_ctrl_c_stops_the_trials_and_the_same_command_goes_on(sweep, app):
    search = [*SEARCH, "hydra.sweeper.n_trials=5"]
    supervisor = start(app, *search, "++faults={2:hang}")
    wait_until(Path("hanging").is_file)
    supervisor.send_signal(signal.SIGINT)
    output, _ = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 130, output
    assert "hydra.sweep.dir=s" in output.splitlines()[-1]
    assert [row["number"] for row in rows()] == ["0", "1"]
    before = study().trials[2].params
    done = sweep(*search, OTHER_FAULTS)
    assert done.returncode == 0, done.stdout
    assert [row["number"] for row in rows()] == ["0", "1", "2", "3", "4"]
    assert study().trials[2].params == before
    assert all(gone(int(line)) for line in Path("pids").read_text().split())


@pytest.mark.usefixtures("forks_without_torch")
def test_a_folder_has_one_supervisor(sweep, app):
    first = start(app, *SEARCH, "++faults={0:hang}")
    wait_until(Path("hanging").is_file)
    second = sweep(*SEARCH)
    assert second.returncode == 1
    assert "a supervisor is at work" in second.stderr
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("hydra.sweeper.n_trials=0", "hydra.sweeper.n_trials=0: it is a whole number, at least 1"),
        ("hydra.sweeper.timeout=-1", "hydra.sweeper.timeout=-1: it is a length of time, such as 90 (seconds) or 1h30m"),
        ("hydra.sweeper.max_failure_rate=2", "hydra.sweeper.max_failure_rate=2.0: it is from 0 to 1"),
        ("hydra.sweeper.isolation=thread", "hydra.sweeper.isolation=thread: it is process or none"),
        ("hydra.sweeper.direction=up", "hydra.sweeper.direction=up: it is minimize or maximize, or a list of them"),
        ("hydra/sweeper/pruner=threshold", "hydra/sweeper/pruner: Either lower or upper must be specified."),
        ("hydra/sweeper/sampler=grid", "sampler=grid needs choices or ranges with a step"),
        ("hydra.sweeper.storage=nonsense", "hydra.sweeper.storage=nonsense: cannot be opened."),
    ],
)
def test_what_cannot_be_is_said_in_two_lines(sweep, option, said):
    done = sweep(*SEARCH, option)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") <= 2


@pytest.mark.parametrize(
    ("sampler", "start_up"),
    [
        ("tpe", "n_startup_trials"),
        ("gp", "n_startup_trials"),
        ("cmaes", "n_startup_trials"),
        ("nsgaii", "population_size"),
        ("nsgaiii", "population_size"),
    ],
)
def test_every_sampler_draws_by_what_it_was_told(sweep, sampler, start_up):
    """After its start-up, which is random, it draws other points than a start-up that goes on."""
    drawn = []
    for count in (3, 100):
        more = [f"hydra.sweeper.sampler.{start_up}={count}", f"hydra.sweep.dir=s{count}", "hydra.sweeper.n_trials=7"]
        done = sweep(*SEARCH, "y=interval(-5.0,5.0)", f"hydra/sweeper/sampler={sampler}", *more)
        assert done.returncode == 0, done.stderr
        found = rows(Path(f"s{count}"))
        assert [row["state"] for row in found] == ["COMPLETE"] * 7
        drawn.append([(row["x"], row["y"]) for row in found])
    assert drawn[0][:3] == drawn[1][:3]
    assert drawn[0][3:] != drawn[1][3:]


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "cmaes", "qmc", "nsgaii", "nsgaiii"])
def test_every_sampler_works_in_two_slots(sweep, sampler):
    done = sweep(*SEARCH, f"hydra/sweeper/sampler={sampler}", "hydra.sweeper.n_trials=13", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 13


@pytest.mark.parametrize(
    "pruner", ["median", "percentile", "asha", "hyperband", "threshold", "patient", "wilcoxon", "none"]
)
def test_every_pruner_works(sweep, pruner):
    more = ["hydra.sweeper.pruner.upper=3"] if pruner == "threshold" else []
    search = [*SEARCH, "steps=6", "hydra.sweeper.n_trials=10"]
    done = sweep(*search, f"hydra/sweeper/pruner={pruner}", *more)
    assert done.returncode == 0, done.stderr
    states = [row["state"] for row in rows()]
    assert set(states) <= {"COMPLETE", "PRUNED"}
    assert ("PRUNED" in states) == (pruner not in ("none", "patient"))


def test_combinations_that_failed_are_run_again_when_more_are_asked_for(sweep, command):
    done = sweep("x=1.0,2.0,3.0", "+faults={0: raise, 2: raise}", "hydra.sweeper.max_failure_rate=1")
    assert "to run the failed trials again:" in done.stdout
    assert "hydra.sweeper.n_trials=5" in done.stdout
    done = command("s", "hydra.sweeper.n_trials=5", module="lightning_sweeps.resume")
    assert done.returncode == 0, done.stderr
    assert [row["x"] for row in rows()] == ["1.0", "2.0", "3.0", "1.0", "3.0"]
    assert [row["state"] for row in rows()] == ["FAIL", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    done = command("s", "hydra.sweeper.n_trials=9", module="lightning_sweeps.resume")
    assert len(rows()) == 5, "nothing is repeated that has a value"
    assert "to run the failed trials again" not in done.stdout


def test_another_space_or_direction_is_refused(sweep):
    assert sweep(*SEARCH, "hydra.sweeper.n_trials=2").returncode == 0
    other = sweep("x=interval(-1.0,5.0)", "hydra.sweeper.n_trials=4")
    assert other.returncode == 1
    assert "another search space" in other.stderr
    other = sweep(*SEARCH, "hydra.sweeper.direction=maximize")
    assert "has direction" in other.stderr
    assert len(rows()) == 2


def test_a_search_that_failed_at_its_start_goes_on_when_it_is_mended(sweep):
    assert sweep(*SEARCH, "++faults={0:raise,1:raise,2:raise}", "hydra.sweeper.n_trials=6").returncode == 1
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=6")
    assert done.returncode == 0, done.stdout
    assert [row["state"] for row in rows()] == ["FAIL"] * 3 + ["COMPLETE"] * 3


@pytest.mark.usefixtures("forks_without_torch")
def test_the_seconds_of_a_trial_are_those_it_worked(sweep, app):
    search = [*SEARCH, "hydra.sweeper.n_trials=1", "sleep=0.5"]
    supervisor = start(app, *search, "++faults={0:hang}")
    wait_until(Path("hanging").is_file)
    supervisor.send_signal(signal.SIGINT)
    supervisor.communicate(timeout=30)
    begun = study().trials[0].datetime_start
    assert sweep(*search, OTHER_FAULTS).returncode == 0
    assert begun is not None
    (trial,) = study().trials
    assert 0.5 < float(rows()[0]["seconds"]) < (trial.datetime_complete - begun).total_seconds()


def test_only_a_script_that_is_imported_again_needs_its_guard(sweep, app):
    app.write_text(app.read_text().replace('if __name__ == "__main__":', "if True:"))
    done = sweep("x=1,2", "hydra.sweeper.start_method=fork")
    assert done.returncode == 0, done.stderr
    for way in ("forkserver", "spawn"):
        done = sweep("x=1,2", f"hydra.sweeper.start_method={way}", f"hydra.sweep.dir={way}")
        assert done.returncode == 1
        assert "if __name__ == '__main__':" in done.stderr
        assert "Traceback" not in done.stderr


COMMAND, SERVER = 1, 1  # each imports what the program imports


@pytest.mark.parametrize(
    ("module", "options", "times"),
    [
        ("", [], COMMAND),
        ("", ["hydra.sweeper.start_method=forkserver"], COMMAND + SERVER),
        ("", ["hydra.sweeper.preload=false"], COMMAND + 2),
        ("threading.Thread(target=time.sleep, args=(600,), daemon=True).start()", [], COMMAND + SERVER + 2),
        ("torch.cuda._is_in_bad_fork = lambda: os.getpid() != importer", [], COMMAND + SERVER + 2),
    ],
    ids=["once", "once more", "not wanted", "starts threads", "asks CUDA"],
)
def test_what_a_program_imports_is_imported_once_for_all_trials(sweep, app, monkeypatch, module, options, times):
    """Where that is torch and lightning it takes seconds. The module stands for them, and notes who imports it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("LIGHTNING_SWEEPS_START_METHOD", raising=False)
    noted = "import os, threading, time, torch\nimporter = os.getpid()\nprint('imported', file=open('imports', 'a'))\n"
    Path("heavy.py").write_text(noted + module + "\n")
    app.write_text(app.read_text().replace("import hydra\n", "import hydra\nimport heavy\n", 1))
    done = sweep("x=1,2", *options)
    assert done.returncode == 0, done.stderr
    assert len(Path("imports").read_text().split()) == times


def test_what_torchs_first_optimizer_imports_is_there_in_every_trial(sweep, app):
    """Else each trial of a program that uses torch without Lightning would import 900 modules, for a second or more."""
    app.write_text(app.read_text().replace("import hydra\n", "import hydra, torch\n", 1))
    noted = "print('torch._dynamo' in sys.modules, file=open('found', 'a')); return cfg.x ** 2"
    app.write_text(
        app.read_text().replace("return cfg.x ** 2 + cfg.y", noted).replace("import hydra", "import sys, hydra", 1)
    )
    assert sweep("x=1,2").returncode == 0
    assert Path("found").read_text().split() == ["True", "True"]


def test_trials_without_a_seed_draw_different_numbers(sweep, app):
    app.write_text(app.read_text().replace("import hydra\n", "import random, hydra, numpy.random, torch\n", 1))
    drawn = "[random.random(), numpy.random.rand(), torch.rand(1).item()]"
    app.write_text(app.read_text().replace("return cfg.x ** 2 + cfg.y", f"Path(str(cfg.x)).write_text(str({drawn}))"))
    sweep("x=1,2,3", "hydra.sweeper.max_failure_rate=1")
    for numbers in zip(*(json.loads(Path(str(x)).read_text()) for x in (1, 2, 3)), strict=True):
        assert len(set(numbers)) == 3


def test_trials_in_one_process_have_one_handler_each(sweep):
    done = sweep("x=1,2,3,4", "hydra.sweeper.isolation=none", "++talk=true")
    assert done.returncode == 0, done.stderr
    for number in range(4):
        text = (Path("s") / str(number) / "app.log").read_text()
        assert [line.rpartition(" - ")[2] for line in text.splitlines()] == [f"trial {number} speaks"]
    assert done.stdout.count("search in s") == 1


def test_a_process_that_does_not_leave_holds_up_nobody(sweep):
    """Its value counts, and the search ends; the slot is free when the process has gone."""
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=8", "hydra.sweeper.n_jobs=2", "++faults={1:lingers}")
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 8


def test_each_slot_has_its_gpu(sweep, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    done = sweep(*SEARCH, "hydra.sweeper.n_trials=8", "sleep=0.2")
    assert done.returncode == 0, done.stdout
    assert "2 at a time" in done.stdout
    assert set(Path("gpus").read_text().split()) == {"3", "5"}


def test_the_report_of_many_trials_is_written_by_a_process_that_got_ready_beside_them(sweep, app):
    """What it imports takes a second; the supervisor is not to wait for that."""
    seen = "import atexit, os, sys\natexit.register(lambda: print('sklearn' in sys.modules, file=open('seen', 'a')))\n"
    app.write_text(seen + app.read_text())
    done = sweep("x=range(1,7)", "y=0,10", "sleep=0.2", "hydra.sweeper.report=true", "hydra.sweeper.start_method=fork")
    assert done.returncode == 0, done.stderr
    assert Path("seen").read_text() == "False\n"
    assert '"ticktext":["value","x","y"]' in Path("s/report.html").read_text()


def test_a_budget_that_is_raised_to_all_combinations_runs_those_that_are_left(sweep):
    for budget in ("2", "4", "9"):
        done = sweep("x=1,2,3", "y=0,10", f"hydra.sweeper.n_trials={budget}", "hydra.sweeper.sampler.seed=5")
        assert done.returncode == 0, done.stderr
        drawn = [(row["x"], row["y"]) for row in rows()]
        assert len(drawn) == min(int(budget), len(set(drawn)) if budget == "9" else 9)
    assert sorted(set(drawn)) == sorted((x, y) for x in "123" for y in ("0", "10"))


def test_a_trials_own_exit_fork_or_huge_number_is_its_own_matter(sweep, app):
    ways = """
    if cfg.x == 1: sys.exit("no data")
    if cfg.x == 2: return 10**400
    if cfg.x == 3: os.fork()
    if cfg.x == 4: trial.report(1.0, step=-1)
    if cfg.x == 5: return float("inf")
    if cfg.x == 6: return float("-inf")
"""
    app.write_text(app.read_text().replace("    fault = None", f"{ways}    fault = None", 1))
    done = sweep("x=9,1,2,3,4,5,6", "hydra.sweeper.max_failure_rate=1")
    assert done.returncode == 0, done.stderr
    assert {row["x"]: row["reason"] or row["value"] for row in rows()} == {
        "9": "81.0",
        "1": "SystemExit: no data",
        "2": "returned a number that is too large for a float",
        "3": "9.0",
        "4": "ValueError: report(step=-1): a step is a whole number, 0 or more",
        "5": "inf",
        "6": "returned [-inf], which nothing could beat",
    }
    assert OmegaConf.load("s/best.yaml").value == 9.0


BRUTE_FORCE = "hydra.sweeper.sampler={_target_: optuna.samplers.BruteForceSampler}"


@pytest.mark.parametrize("budget", ["20", "4"])
def test_a_sampler_that_stops_the_study_ends_the_search(sweep, budget):
    done = sweep("x=1,2,3", "y=0,10", "hydra/sweeper/sampler=random", f"hydra.sweeper.n_trials={budget}", BRUTE_FORCE)
    assert done.returncode == 0, done.stderr + done.stdout
    assert len(rows()) == min(6, int(budget))
    assert (budget == "4") is ("its sampler, which has nothing more to try" not in done.stdout)


OWN = """
import optuna
class Pruner(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        raise LookupError("my pruner")
class Early(optuna.samplers.RandomSampler):
    def before_trial(self, study, trial):
        if trial.number == 1: raise LookupError("my sampler's beginning")
class Stopping(optuna.samplers.RandomSampler):
    def sample_relative(self, study, trial, space):
        if trial.number == 2: study.stop()
        return super().sample_relative(study, trial, space)
class Leaving(optuna.samplers.RandomSampler):
    def sample_independent(self, *_):
        raise SystemExit("no more")
class Sampler(optuna.samplers.RandomSampler):
    def sample_relative(self, study, trial, space):
        if trial.number == 1: raise LookupError("my sampler")
        return super().sample_relative(study, trial, space)
    def after_trial(self, study, trial, state, values):
        if trial.number == 2: raise LookupError("my sampler's end")
def space(config, trial):
    if trial.number == 1: raise LookupError("my space")
"""


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("hydra.sweeper.custom_search_space=own.space", "its parameters: LookupError: my space"),
        ("hydra.sweeper.sampler={_target_: own.Sampler}", "its parameters: LookupError: my sampler"),
        ("hydra.sweeper.sampler={_target_: own.Early}", "its parameters: LookupError: my sampler's beginning"),
        ("hydra.sweeper.pruner={_target_: own.Pruner}", "its report: LookupError: my pruner"),
    ],
)
def test_what_a_part_of_somebodys_own_raises_fails_its_trial_and_not_the_search(sweep, app, options, reason):
    Path("own.py").write_text(OWN)
    app.write_text(app.read_text().replace("@hydra.main(", '@hydra.main(execution_whitelist=["own.*"], ', 1))
    done = sweep(*SEARCH[:1], options, "hydra.sweeper.n_trials=4", "steps=1", "hydra.sweeper.max_failure_rate=1")
    found = [row["reason"] for row in rows()]
    if "report" in reason:
        assert done.returncode == 1
        assert found == [reason] * 4
    else:
        assert done.returncode == 0, done.stderr
        assert found == ["", reason, "", ""]


def test_a_lost_or_renamed_study_is_not_begun_anew_over_its_trials(sweep):
    assert sweep("x=1,2,3", "hydra.sweeper.n_trials=2").returncode == 0
    before = Path("s/trials.csv").read_text()
    for lose in (
        lambda: (Path("s/study.journal").rename("kept"), [])[1],
        lambda: (Path("s/study.journal").touch(), [])[1],
        lambda: (Path("kept").replace("s/study.journal"), ["hydra.sweeper.study_name=other"])[1],
        lambda: ["hydra.sweeper.storage=sqlite:///other.db"],
    ):
        done = sweep("x=1,2,3", *lose())
        assert done.returncode == 1
        assert "its trials.csv has 2 trials, but the study" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 2
        assert Path("s/trials.csv").read_text() == before
    assert sweep("x=1,2,3").returncode == 0
    assert {row["x"] for row in rows()} == {"1", "2", "3"}


def test_trials_of_another_objective_are_refused_and_of_other_overrides_unless_that_is_meant(sweep):
    search = ["x=1,2,3", "+objective={metric:loss,mode:min}"]
    assert sweep(*search, "y=5", "hydra.sweeper.n_trials=1").returncode == 0
    done = sweep("x=1,2,3", "+objective={metric:other,mode:min}", "y=5", "hydra.sweeper.n_trials=2")
    assert done.returncode == 1
    assert "cannot be compared" in done.stderr
    done = sweep(*search, "y=7", "hydra.sweeper.n_trials=2")
    assert done.returncode == 1
    assert "+ y=7, - y=5" in done.stderr
    assert len(rows()) == 1
    done = sweep(
        *search, "y=7", "hydra.sweeper.n_trials=2", "hydra.sweeper.allow_changes=true", "hydra.sweeper.report=true"
    )
    assert done.returncode == 0, done.stderr
    assert "from trial 1 on: + y=7, - y=5" in Path("s/report.html").read_text()
    assert [trial.user_attrs["overrides"][-1] for trial in study().trials] == ["y=5", "y=7"]
    assert sweep(*search, "y=8", "hydra.sweeper.n_trials=3").returncode == 1  # allowed once
    assert sweep(*search, "y=7", "hydra.sweeper.n_trials=3").returncode == 0


def test_a_folder_that_a_person_names_is_used_unless_something_in_it_would_be_mixed(sweep):
    Path("s").mkdir()
    Path("s/README.md").write_text("mine")
    Path("s/mine.db").touch()
    assert sweep("x=1,2").returncode == 0
    assert Path("s/trials.csv").is_file()
    assert not Path("s-2").exists()
    for name in ("0", "trials.csv", "study.journal"):
        Path("t").mkdir(exist_ok=True)
        (Path("t") / name).touch()
        done = sweep("x=1,2", "hydra.sweep.dir=t")
        assert done.returncode == 1
        assert name in done.stderr
        assert "name another folder" in done.stderr
        (Path("t") / name).unlink()


def test_two_trials_never_share_a_folder(sweep):
    done = sweep("x=1,2", "y=3,4", "hydra.sweep.subdir='same'")
    assert done.returncode == 1
    assert "gives several trials one folder" in done.stderr
    done = sweep("x=range(1,100)", "hydra.sweep.subdir='x${x}'", "hydra.sweeper.n_trials=2", "hydra.sweep.dir=t")
    assert done.returncode == 0, done.stderr
    Path("t/x50").mkdir()
    Path("t/x50/mine").touch()
    done = sweep("x=range(1,100)", "hydra.sweep.subdir='x${x}'", "hydra.sweeper.n_trials=99", "hydra.sweep.dir=t")
    assert {row["reason"] for row in rows(Path("t"))} == {
        "",
        "cannot be composed: its folder x50 is there already, and is not its own",
    }


def test_a_pruner_that_is_told_nothing_says_so_once(sweep):
    done = sweep("x=1,2,3", "hydra/sweeper/pruner=median")
    assert done.stdout.count("trial 0 has reported nothing, so MedianPruner has nothing to prune by") == 1
    assert done.stdout.splitlines()[0].endswith(
        "minimize what the program returns (for the other way: hydra.sweeper.direction=maximize)"
    )
    told = sweep("x=1,2,3", "hydra/sweeper/pruner=median", "steps=2", "hydra.sweep.dir=t")
    assert "reported nothing" not in told.stdout


def own_parts(app: Path) -> None:
    Path("own.py").write_text(OWN)
    app.write_text(app.read_text().replace("@hydra.main(", '@hydra.main(execution_whitelist=["own.*"], ', 1))


def test_a_sampler_that_stops_the_study_while_it_draws_ends_the_search(sweep, app):
    own_parts(app)
    done = sweep(*SEARCH[:1], "hydra.sweeper.sampler={_target_: own.Stopping}", "hydra.sweeper.n_trials=9")
    assert done.returncode == 0, done.stderr
    assert "its sampler, which has nothing more to try" in done.stdout
    assert {row["state"] for row in rows()} == {"COMPLETE"}
    assert len(rows()) in (2, 3)  # the one that was drawn then may wait to be run


def test_a_sampler_that_always_raises_ends_the_search_after_the_first_failures(sweep, app):
    own_parts(app)
    leaving = "hydra.sweeper.sampler={_target_: own.Leaving}"
    done = sweep(*SEARCH[:1], leaving, "hydra.sweeper.n_trials=9", "hydra.sweeper.warm_start=null")
    assert done.returncode == 1
    assert "the first 3 trials failed" in done.stdout
    assert [row["reason"] for row in rows()] == ["its parameters: SystemExit: no more"] * 3


def test_a_part_that_is_not_there_is_said_in_two_lines(sweep):
    for option in ("hydra.sweeper.custom_search_space=nope.space", "hydra.sweep.subdir='${nope}'"):
        done = sweep("x=1,2", option)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert option.partition("=")[0] in done.stderr.splitlines()[0]


def test_a_fork_in_a_search_in_one_process_is_the_trials_own_matter(sweep, app):
    forks = "    if os.fork() == 0: return 123.0\n    os.wait()\n    fault = None"
    app.write_text(app.read_text().replace("    fault = None", forks, 1))
    done = sweep("x=1,2", "hydra.sweeper.isolation=none")
    assert done.returncode == 0, done.stderr
    assert [row["value"] for row in rows()] == ["1.0", "4.0"]
    assert done.stdout.count("Finished 2 of 2 trials") == 1


def test_what_a_trial_has_left_behind_is_killed_when_it_ends_well(sweep, app):
    leaves = '    Path(f"child-{cfg.x}").write_text(str(subprocess.Popen(["sleep", "600"]).pid))\n    fault = None'
    app.write_text(app.read_text().replace("    fault = None", leaves, 1))
    assert sweep("x=1,2").returncode == 0
    for x in (1, 2):
        wait_until(lambda x=x: gone(int(Path(f"child-{x}").read_text())))


def test_a_search_may_run_in_a_thread(sweep, app):
    """As in a notebook's or an application's; there Python lets nobody set signal handlers."""
    started = "    thread = threading.Thread(target=objective)\n    thread.start()\n    thread.join()\n"
    app.write_text(app.read_text().replace("    objective()\n", started))
    done = sweep("x=1,2", "hydra.sweeper.isolation=none")
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in rows()] == ["COMPLETE"] * 2
    assert sweep("x=1,2,3").returncode == 0
