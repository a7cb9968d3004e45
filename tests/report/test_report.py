"""The report: what is in it for every kind of study, and its tables."""

import csv
import io
import json
import math
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from search_commands import rows, start, study, wait_until

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.report.table import as_text, shown
from lightning_sweeps.report.write import write_comparison, write_report
from lightning_sweeps.searches.record.saved import Saved, open_saved

REPORT = "lightning_sweeps.report"


class Page(HTMLParser):
    """What a page has: its ids, the cells of its table, its figures, and what it would fetch."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.rows: list[list[str]] = []
        self.figures: list[dict[str, object]] = []
        self.figure: dict[str, dict[str, object]] = {}  # by its section
        self._section = ""
        self.fetched: list[str] = []
        self.text = ""
        self.details: dict[str, object] = {}
        self._inside = ""
        self._cell = False
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "section":
            self._section = found["id"]
        address = found.get("src") or (found.get("href") if tag != "a" else None)
        if address:
            self.fetched.append(address)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._cell = self._cell or tag in ("td", "th")
        self._inside = "json" if found.get("type") == "application/json" else tag
        if found.get("id") == "details":
            self._inside = "details"

    def handle_endtag(self, tag):
        self._inside = ""
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self._inside == "json":
            self.figures.append(json.loads(data))
            self.figure[self._section] = self.figures[-1]
        elif self._inside == "details":
            self.details = json.loads(data)
        elif self._cell:
            self.rows[-1][-1] += data
        elif self._inside not in ("script", "style"):
            self.text += data


def searched(count: int = 30, direction: str = "maximize") -> optuna.Study:
    """A study with every state of a trial, as another tool would have left it."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        depth = trial.suggest_int("depth", 1, 4)
        kind = trial.suggest_categorical("model", ["cnn", "mlp"])
        for step in range(4):
            trial.report(x * step, step)
            if trial.number % 3 == 1 and step == 2:
                raise optuna.TrialPruned
        if trial.number % 10 == 9:
            raise ValueError("a bad day")
        return x * depth + (kind == "cnn")

    made = optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=0))
    made.optimize(objective, count, catch=(ValueError,))
    made.ask()  # one that runs
    return made


def test_every_question_has_its_figure(own_folder):
    page = Page(write_report(Saved(searched()), own_folder / "report.html"))
    figures = ["history", "curves", "importance", "parallel", "slice0", "slice1", "slice2", "contour", "timeline"]
    assert [name for name in page.ids if name in figures] == figures
    assert len(page.figures) == len(figures)
    assert page.fetched == [], "it needs no network"
    assert "18 complete, 10 pruned, 2 failed, 1 unfinished" in page.text
    assert "It rests on 18 complete trials" in page.text
    assert "saved by pruning" in page.text
    assert "another tool made this study" in page.text
    assert page.rows[0][:3] == ["number", "value", "state"]
    assert set(page.details["trials"]) == {str(number) for number in range(31)}
    assert len(page.rows) == 1 + 31


def test_what_failed_stands_above_all_else_if_that_is_most_of_it(own_folder):
    made = optuna.create_study()
    for reason in ("out of memory", "out of memory", "no such file"):
        made.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"reason": reason}))
    made.add_trial(create_trial(value=0.25))
    text = Page(write_report(Saved(made), own_folder / "report.html")).text
    assert "3 of 4 trials failed. 2 of them: out of memory; there are 2 reasons" in text
    assert text.index("3 of 4 trials failed") < text.index("Best: trial 3")
    made.add_trial(create_trial(value=0.5))
    made.add_trial(create_trial(value=0.75))
    assert "trials failed" not in Page(write_report(Saved(made), own_folder / "report.html")).text


def test_too_few_trials_for_importances_is_said(own_folder):
    page = Page(write_report(Saved(searched(9)), own_folder / "report.html"))
    assert "9 trials with a value are too few for importances; 10 are needed." in page.text
    assert "contour" not in page.ids


def test_history_marks_what_was_pruned_and_what_failed(own_folder):
    page = Page(write_report(Saved(searched()), own_folder / "report.html"))
    traces = {trace["name"]: trace for trace in page.figures[0]["data"]}
    assert traces["pruned, last value"]["x"] == [number for number in range(30) if number % 3 == 1]
    assert traces["failed, no value"]["x"] == [9, 29]
    assert len({trace["marker"].get("symbol") for name, trace in traces.items() if name != "best so far"}) == 3


@pytest.mark.parametrize("trials", [[], [TrialState.FAIL], [TrialState.PRUNED], [TrialState.COMPLETE]], ids=str)
def test_a_search_that_has_hardly_begun(trials, own_folder):
    made = optuna.create_study()
    for state in trials:
        made.add_trial(create_trial(state=state, value=1.0 if state is TrialState.COMPLETE else None))
    page = Page(write_report(Saved(made), own_folder / "report.html"))
    assert len(page.rows) == 1 + len(trials)


def test_parameters_that_depend_on_others_are_drawn_where_they_are(own_folder):
    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("lr", 1e-4, 1e-1, log=True) + trial.suggest_float("decay", 0, 1)
        if trial.suggest_categorical("model", ["cnn", "mlp"]) == "cnn":
            return rate + trial.suggest_int("channels", 8, 64)
        return rate + trial.suggest_int("width", 8, 64)

    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    made.optimize(objective, 30)
    page = Page(write_report(Saved(made), own_folder / "report.html"))
    assert {"importance", "parallel", "contour"} <= set(page.ids)
    assert "value by channels" in page.text
    parallel = page.figure["parallel"]
    assert parallel["layout"]["meta"]["axes"] == ["value", "lr", "decay", "model", "channels", "width"]
    assert "not set" in [one["text"] for one in parallel["layout"]["annotations"]]
    by_trial = {}
    for trace in parallel["data"]:
        for number, height in zip(trace["customdata"], trace["y"], strict=True):
            by_trial.setdefault(number, []).append(height)
    assert set(by_trial) == set(range(30))
    for trial in made.trials:
        unset = [trial.params.get("channels") is None, trial.params.get("width") is None]
        assert [height < 0 for height in by_trial[trial.number][4:6]] == unset


def test_a_contour_has_the_best_value_of_each_place_and_every_trial_in_words(own_folder):
    made = optuna.create_study(direction="maximize")
    space = {"lr": FloatDistribution(1e-4, 1e-1, log=True), "kind": CategoricalDistribution(["cnn", None, "mlp"])}
    for number in range(12):
        params = {"lr": 10.0 ** -(1 + number % 3), "kind": ["cnn", "mlp"][number // 3 % 2]}
        broken = {"constraints": {"size<1": 1.0 if number == 4 else -1.0}}
        value = math.inf if number == 11 else float(number)
        made.add_trial(create_trial(value=value, params=params, distributions=space, user_attrs=broken))
    drawn = Page(write_report(Saved(made), own_folder / "report.html")).figure["contour"]
    surface, allowed, violating = drawn["data"]
    rates, kinds = ("x", "y") if drawn["layout"]["xaxis"]["title"]["text"] == "lr" else ("y", "x")
    assert surface[rates] == [0.001, 0.01, 0.1]
    assert surface[kinds] == [0, 1]
    assert drawn["layout"][f"{kinds}axis"]["ticktext"] == ["cnn (6)", "mlp (5)"]
    heights = surface["z"] if kinds == "y" else [list(row) for row in zip(*surface["z"], strict=True)]
    assert heights == [[8, 7, 6], [5, 10, 9]], "of two trials at the same place the better one; none that is infinite"
    assert allowed["customdata"] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert violating["customdata"] == [4]
    assert violating["text"] == ["trial 4, complete, 4<br>lr=0.01<br>kind=mlp"]


def test_a_contour_of_many_trials_is_drawn_from_some_if_all_violate_a_constraint_too(own_folder):
    space = {"x": FloatDistribution(0, 1), "y": IntDistribution(0, 9)}
    for broken in (1.0, -1.0):
        made = optuna.create_study()
        for number in range(130):
            params = {"x": number / 130, "y": number % 10}
            attributes = {"constraints": {"size<1": broken}}
            made.add_trial(create_trial(value=number, params=params, distributions=space, user_attrs=attributes))
        page = Page(write_report(Saved(made), own_folder / "report.html"))
        assert "Drawn from 120 of the 130 complete trials" in page.text
        assert len(page.figure["contour"]["data"][1]["x"]) == 120


def test_a_time_line_has_the_slots_and_ends_now_while_a_trial_runs(own_folder):
    made = optuna.create_study()
    begun = datetime.now().replace(microsecond=0) - timedelta(minutes=1)  # noqa: DTZ005 (as Optuna notes its times)
    for number, (state, slot) in enumerate([(TrialState.COMPLETE, 0), (TrialState.FAIL, 1), (TrialState.RUNNING, 0)]):
        trial = create_trial(
            state=state,
            value=1.0 if state is TrialState.COMPLETE else None,
            user_attrs={"process": {"slot": slot}},
            params={"x": number},
            distributions={"x": IntDistribution(0, 9)},
        )
        trial.datetime_start = begun + timedelta(seconds=20 * number)
        trial.datetime_complete = None if state is TrialState.RUNNING else begun + timedelta(seconds=20 * number + 15)
        made.add_trial(trial)
    violating = create_trial(value=0.0, user_attrs={"constraints": {"size<1": 1.0}})
    violating.datetime_start, violating.datetime_complete = begun, begun + timedelta(seconds=1)
    made.add_trial(violating)
    made.enqueue_trial({"x": 7})  # it has not begun
    drawn = Page(write_report(Saved(made), own_folder / "report.html")).figure["timeline"]
    bars = {bar["name"]: bar for bar in drawn["data"]}
    assert set(bars) == {"complete", "failed", "unfinished", "violates a constraint"}
    assert [bars[name]["y"] for name in ("complete", "failed", "unfinished")] == [["slot 0"], ["slot 1"], ["slot 0"]]
    assert bars["failed"]["base"] == [(begun + timedelta(seconds=20)).isoformat()]
    assert bars["failed"]["x"] == [15_000]
    assert 20_000 <= bars["unfinished"]["x"][0] < 80_000
    assert bars["unfinished"]["text"][0].startswith("trial 2, unfinished")


def test_a_report_does_not_import_matplotlib(own_folder, python_without_torch):
    """Optuna's own figures do, if it is installed, for which the end of a search would wait half a second."""
    Path("write.py").write_text(
        "import sys, optuna\nfrom pathlib import Path\n"
        "from lightning_sweeps.report.write import write_report\n"
        "from lightning_sweeps.searches.record.saved import Saved\n"
        "study = optuna.create_study()\n"
        "study.optimize(lambda trial: trial.suggest_float('x', 0, 1) + trial.suggest_int('y', 0, 9), 12)\n"
        "write_report(Saved(study), Path('report.html'))\n"
        "print(sorted({'matplotlib', 'torch'} & sys.modules.keys()))\n"
    )
    done = python_without_torch("write.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    assert {"contour", "timeline"} <= set(Page(Path("report.html")).ids)


def test_several_objectives_have_a_pareto_front(own_folder):
    made = optuna.create_study(directions=["minimize", "maximize"])
    made.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)), 12)
    page = Page(write_report(Saved(made), own_folder / "report.html"))
    assert {"pareto", "history0", "history1", "timeline"} <= set(page.ids)
    front = ", ".join(str(trial.number) for trial in made.best_trials)
    assert f"Pareto fronttrials {front}" in page.text
    assert "best" not in page.ids
    assert page.rows[0][:3] == ["trial", "objective 0", "objective 1"], "the front has a table"
    assert [int(row[0]) for row in page.rows[1 : 1 + len(made.best_trials)]] == [one.number for one in made.best_trials]
    header = page.rows[1 + len(made.best_trials)]
    assert header[:4] == ["number", "objective 0", "objective 1", "state"]
    assert "value" not in header
    names = [trace["name"] for trace in page.figure["pareto"]["data"]]
    assert names == ["another one is better", "Pareto front"]
    front_dots = page.figure["pareto"]["data"][1]["customdata"]
    assert front_dots == [one.number for one in made.best_trials]
    assert page.figure["parallel"]["layout"]["meta"]["axes"][:2] == ["objective 0", "objective 1"]


def test_trials_that_violate_a_constraint_are_squares_and_no_best(own_folder):
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for value in (3.0, 1.0, 2.0):
        noted = {"constraints": {"memory < 3": 1.0 if value < 2 else -1.0}}
        made.add_trial(
            create_trial(
                value=value, system_attrs={"constraints": [noted["constraints"]["memory < 3"]]}, user_attrs=noted
            )
        )
    page = Page(write_report(Saved(made), own_folder / "report.html"))
    traces = {trace["name"]: trace for trace in page.figure["history"]["data"]}
    assert traces["best so far"]["y"] == [3, 2, 2]
    assert traces["violates a constraint"]["customdata"] == [1]


def test_repeats_with_other_seeds_are_a_distribution(own_folder):
    made = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.GridSampler({"seed": [1, 2, 3], "x": [1, 2]})
    )
    made.optimize(lambda trial: trial.suggest_int("x", 1, 2) + trial.suggest_int("seed", 1, 3) / 10)
    page = Page(write_report(Saved(made), own_folder / "report.html"))
    assert "repeats" in page.ids
    (boxes,) = [figure["data"] for figure in page.figures if figure["data"][0]["type"] == "box"]
    assert [box["name"] for box in boxes] == ["x=2<br>2.2 ± 0.1", "x=1<br>1.2 ± 0.1"]


def test_what_a_person_wrote_is_text_not_markup(own_folder):
    made = optuna.create_study()
    evil = "</script><script>alert(1)</script>"
    made.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"reason": evil}))
    made.add_trial(create_trial(value=1.0, intermediate_values={1: 1.0}))
    file = write_report(Saved(made), own_folder / "report.html")
    assert Page(file).rows[2][-1] == evil
    assert "<script>alert" not in file.read_text(encoding="utf-8")


def test_a_thousand_trials_fit(own_folder):
    file = write_report(Saved(searched(1000)), own_folder / "report.html")
    assert file.stat().st_size < 15e6
    curves = Page(file).figures[1]["data"]
    assert len(curves) <= 5, "one line for a state, not for a trial"


def test_somebody_elses_file_stays(own_folder):
    file = own_folder / "report.html"
    file.write_text("<p>mine")
    with pytest.raises(ConfigError, match="it is no report"):
        write_report(Saved(searched(3)), file)
    assert file.read_text() == "<p>mine"


def test_searches_side_by_side(own_folder):
    a, b = searched(10), searched(20)
    page = Page(write_comparison([Saved(a, Path("s/a")), Saved(b, Path("s/b"))], own_folder / "comparison.html"))
    assert [row[0] for row in page.rows[1:3]] == ["a", "b"]
    by_trials = page.figures[0]["data"]
    assert [trace["name"] for trace in by_trials] == ["a", "b"]
    assert len({trace["line"]["dash"] for trace in by_trials}) == 2
    assert by_trials[1]["y"][-1] == b.best_value
    with pytest.raises(ConfigError, match="another direction"):
        write_comparison([Saved(a), Saved(searched(3, "minimize"))], own_folder / "comparison.html")


def with_config(made: optuna.Study, **config: object) -> Saved:
    return Saved(
        made, None, OmegaConf.create({"hydra": {"sweeper": {"n_trials": 10}, "sweep": {"dir": "x"}}, **config})
    )


def test_what_differs_in_searches_is_a_table(own_folder):
    """Ranges, the best values, and what is fixed in one and not in the other."""

    def made(high: float) -> optuna.Study:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(lambda trial: trial.suggest_float("lr", 0, high) + trial.suggest_int("same", 1, 1), 3)
        return study

    searches = [with_config(made(1), epochs=5, net="mlp"), with_config(made(2), epochs=9, net="mlp")]
    page = Page(write_comparison(searches, own_folder / "comparison.html"))
    found = {row[0]: row[1:] for row in page.rows}
    first, second = (
        f"0 to {high}; best {shown(one.study.best_params['lr'])}" for high, one in zip("12", searches, strict=True)
    )
    assert found["lr"] == [first, second]
    assert found["epochs"] == ["5", "9"]
    assert not {"net", "same", "hydra.sweep.dir"} & set(found)


def test_searches_that_differ_in_their_seeds_are_a_band(own_folder):
    one, two, other = searched(10), searched(12), searched(8)
    searches = [with_config(one, seed=1), with_config(two, seed=2), with_config(other, seed=1, net="cnn")]
    page = Page(write_comparison(searches, own_folder / "comparison.html"))
    low, high, middle, single = page.figure["by_trials"]["data"]
    assert middle["name"].endswith("and 1 more seeds")
    assert (low["y"][-1], high["y"][-1]) == tuple(sorted((one.best_value, two.best_value)))
    assert len(middle["y"]) == 12, "the shorter one stays at its best"
    assert high["fill"] == "tonexty"
    assert "fill" not in single
    assert "A band reaches from the worst to the best" in page.text


def test_tables(own_folder):
    made = searched(5)
    told = list(csv.DictReader(io.StringIO(as_text(Saved(made), "csv"))))
    assert [row["state"] for row in told] == ["COMPLETE", "PRUNED", "COMPLETE", "COMPLETE", "PRUNED", "RUNNING"]
    plain = json.loads(as_text(Saved(made), "json"))
    assert plain[0]["value"] == made.trials[0].value
    assert plain[5]["value"] is None
    lines = as_text(Saved(made), "md").splitlines()
    assert lines[0] == "| number | state | value | lr | depth | model | epochs | seconds |"
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.slow
def test_a_report_lies_in_the_folder_of_a_search(sweep, command):
    done = sweep("x=3.0,1.0", "hydra.sweeper.report=true")
    assert done.returncode == 0, done.stderr
    assert "report   s/report.html" in done.stdout
    page = Page(Path("s/report.html"))
    assert "Best: trial 1" in page.text
    assert "nowrunning" not in page.text, "it has ended when that is written"
    assert "python -m lightning_sweeps.rerun" in page.text
    assert "slot 0" in json.dumps(page.figures)
    assert "hydra.sweep.dir=s" in page.text, "the command is there"
    assert "python app.py x=1.0" in page.text

    Path("s/report.html").unlink()
    assert command("s", module=REPORT).stdout == "s/report.html\n"
    assert len(Page(Path("s/report.html")).rows) == 3
    assert list(csv.DictReader(io.StringIO(command("s", "--format", "csv", module=REPORT).stdout))) == rows()
    for typed, said in (
        (["nowhere"], "nowhere: no such folder"),
        (["."], "The newest search below it: "),
        (["sqlite:///nothing.db"], "there is no file nothing.db"),
        (["s", "--study", "other"], "no study 'other' in it. There are: app"),
        (["s", "--output", "no/folder/x.html"], "error: no/folder: No such file or directory; write elsewhere"),
        (["s", "--output", "."], ". is a folder; name a file"),
        (["s", "--output", "s/study.journal"], "is there already, and it is no report"),
        (["s", "--format", "csv", "--output", "s/study.journal"], "is there already; nothing is overwritten"),
        (["s", "s/../s"], "s/../s is named twice: compare a search with another one"),
        (["s", "sqlite:///x.db", "--study", "a"], "of several, name the study of each: URL#study"),
        (["s/0"], "It is a trial's folder; its search is "),
        (["app.py"], "no such folder; a file of SQLite's is named sqlite:///app.py"),
    ):
        refused = command(*typed, module=REPORT)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not Path("nothing.db").exists()
    assert command("s/study.journal", "--output", "t.csv", module=REPORT).returncode == 0
    assert len(Path("t.csv").read_text().splitlines()) == 3, "the ending names the format"


@pytest.mark.slow
def test_a_study_in_a_storage_of_its_own(own_folder, command):
    storage = "sqlite:///theirs.db"
    for name in ("one", "two"):
        made = optuna.create_study(storage=storage, study_name=name)
        made.optimize(lambda trial: trial.suggest_float("x", 0, 1), 3)
    assert (
        "2 studies in it; add --study NAME, or #NAME to the URL. There are: one, two"
        in command(storage, module=REPORT).stderr
    )
    done = command(storage, "--study", "two", module=REPORT)
    assert (done.stdout, done.stderr) == ("report-two.html\n", "")
    assert len(Page(Path("report-two.html")).rows) == 4
    assert command(f"{storage}#one", module=REPORT).stdout == "report-one.html\n"
    done = command(f"{storage}#one", f"{storage}#two", module=REPORT)
    assert (done.stdout, done.stderr) == ("comparison.html\n", "")
    assert [row[0] for row in Page(Path("comparison.html")).rows[1:3]] == ["one", "two"]
    assert "is named twice" in command(f"{storage}#one", f"{storage}#one", module=REPORT).stderr
    made = optuna.create_study(storage=storage, study_name="a/b c")
    made.add_trial(create_trial(value=1.0))
    assert command(f"{storage}#a/b c", module=REPORT).stdout == "report-a-b-c.html\n"
    assert "no study 'three'" in command(f"{storage}#three", module=REPORT).stderr


@pytest.mark.slow
def test_a_running_search_is_only_read(app, sweep):
    assert sweep("x=3.0,1.0").returncode == 0
    torn = Path("s/study.journal")
    torn.write_bytes(torn.read_bytes() + b'{"op_code": 4, "wor')
    before = torn.read_bytes()
    saved = open_saved("s")
    assert len(saved.study.trials) == 2
    write_report(saved, Path("report.html"))
    assert torn.read_bytes() == before, "a line that is being written is left alone"
    assert len(study().trials) == 2


@pytest.mark.slow
def test_a_damaged_journal_is_said_with_its_line(sweep, command):
    assert sweep("x=3.0,1.0").returncode == 0
    journal = Path("s/study.journal")
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:4], "garbage", *lines[4:]]) + "\n")
    for module in (REPORT, "lightning_sweeps.rerun", "lightning_sweeps.resume"):
        done = command("s", module=module)
        assert done.returncode == 1
        assert "study.journal is damaged: line 5 of it cannot be read" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("forks_without_torch")
def test_a_killed_search_says_how_to_go_on(app):
    search = start(app, "x=1.0,2.0,3.0", "+faults={1: hang}")
    try:
        wait_until(Path("hanging").exists)
        page = Page(write_report(open_saved("s"), Path("report.html")))
    finally:
        search.kill()
        search.communicate()
    assert "nowrunning" in page.text
    assert "go on with" not in page.text
    assert "python -m lightning_sweeps.resume" in Page(write_report(open_saved("s"), Path("report.html"))).text


def test_a_folder_that_was_moved_has_its_trials(own_folder):
    made = optuna.create_study()
    made.add_trial(create_trial(value=1.0, user_attrs={"folder": "/gone/s/0"}))
    (own_folder / "moved" / "0").mkdir(parents=True)
    saved = Saved(made, own_folder / "moved")
    assert saved.folder_of(made.trials[0]) == own_folder / "moved" / "0"
    assert Saved(made).folder_of(made.trials[0]) is None


def test_a_copied_search_has_its_own_trials(own_folder):
    for name in ("s", "copy"):
        (own_folder / name / "0").mkdir(parents=True)
    made = optuna.create_study()
    made.add_trial(create_trial(value=1.0, user_attrs={"folder": str(own_folder / "s" / "0")}))
    assert Saved(made, own_folder / "copy").folder_of(made.trials[0]) == own_folder / "copy" / "0"


def test_a_log_has_no_colours_and_an_infinite_value_a_mark(own_folder):
    made = optuna.create_study()
    for value in (1.0, float("inf"), 0.5):
        made.add_trial(create_trial(value=value))
    folder = own_folder / "s"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "output.log").write_text("\x1b[31mred\x1b[0m\n10%\r100%\n")
    page = Page(write_report(Saved(made, folder), own_folder / "report.html"))
    assert page.details["trials"]["0"]["log"] == "red\n100%"
    traces = {trace["name"]: trace for trace in page.figure["history"]["data"]}
    assert traces["infinite value"]["customdata"] == [1]
    assert traces["best so far"]["y"] == [1, 0.5, 0.5]


def test_a_report_reads_the_trials_once_and_copies_none(own_folder, monkeypatch):
    """Optuna's figures ask for copies of all trials once a parameter: 200 parameters took 19 seconds."""
    made = optuna.create_study()

    def objective(trial):
        return sum(trial.suggest_float(f"p{number}", 0, 1) for number in range(30))

    made.optimize(objective, n_trials=12)
    asked = []
    original = type(made._storage).get_all_trials

    def counting(self, study_id, deepcopy=True, states=None):
        if self is made._storage:
            asked.append(deepcopy)
        return original(self, study_id, deepcopy, states)

    monkeypatch.setattr(type(made._storage), "get_all_trials", counting)
    write_report(Saved(made), own_folder / "report.html")
    assert asked == [False]
