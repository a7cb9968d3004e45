"""The report as the user uses it."""

import math
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from browser import chromium
from optuna.trial import create_trial
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait
from test_report import searched

from lightning_sweeps.report.write import write_report
from lightning_sweeps.searches.record.saved import Saved

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    return write_report(Saved(searched()), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def opened() -> Iterator[WebDriver]:
    """One browser for all tests that need no other width: to start one takes seconds."""
    with chromium() as window:
        yield window


def numbers(window) -> list[int]:
    """The trials of the rows that can be seen, from above."""
    cells = window.find_elements(By.CSS_SELECTOR, "#trials tbody tr:not([hidden]) td:first-child")
    return [int(cell.get_attribute("textContent")) for cell in cells]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_it_is_drawn_without_errors(page, width, scheme):
    with chromium(width) as window:
        window.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        window.get(page.as_uri())
        for figure in window.find_elements(By.CLASS_NAME, "figure"):
            window.execute_script("arguments[0].scrollIntoView()", figure)
            WebDriverWait(window, 60).until(lambda _, one=figure: one.find_elements(By.CSS_SELECTOR, ".plot-container"))
        assert window.execute_script("return document.documentElement.scrollWidth") <= width, "no sideways scrolling"
        paper = window.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
        assert [line for line in window.get_log("browser") if line["level"] == "SEVERE"] == []


def test_nothing_is_uploaded_and_nothing_asked_of_a_network(page):
    with chromium(1600) as window:
        window.get(page.as_uri())
        for figure in window.find_elements(By.CLASS_NAME, "figure"):
            window.execute_script("arguments[0].scrollIntoView()", figure)
            WebDriverWait(window, 60).until(lambda _, one=figure: one.find_elements(By.CSS_SELECTOR, ".modebar-btn"))
        titles = {one.get_attribute("data-title") for one in window.find_elements(By.CLASS_NAME, "modebar-btn")}
        assert "Zoom" in titles
        assert not [title for title in titles if "share" in str(title).lower() or "cloud" in str(title).lower()]
        asked = window.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
        assert [name for name in asked if not name.startswith(("file:", "data:", "blob:"))] == []


def test_the_table_is_sorted_and_sifted_by_the_keyboard(page):
    with chromium() as window:
        window.get(page.as_uri())
        assert sorted(numbers(window)) == list(range(31))
        value = next(head for head in window.find_elements(By.CSS_SELECTOR, "th button") if head.text == "value")
        values = {trial.number: trial.value for trial in searched().trials if trial.values}
        best_last = sorted(values, key=lambda number: values[number])
        complete = [trial.number for trial in searched().trials if trial.state.name == "COMPLETE"]
        assert numbers(window)[: len(complete)] == sorted(complete, key=lambda number: -values[number]), (
            "the best first"
        )
        value.send_keys(Keys.ENTER)
        assert numbers(window)[: len(values)] == best_last
        value.send_keys(Keys.SPACE)
        assert numbers(window)[: len(values)] == best_last[::-1]
        assert value.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
        window.find_element(By.ID, "filter").send_keys("FAIL")
        WebDriverWait(window, 30).until(lambda _: sorted(numbers(window)) == [9, 29])
        assert window.find_element(By.ID, "shown").text == "2 of 31"


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("state=pruned", lambda trial: trial.state.name == "PRUNED"),
        ("state!=complete", lambda trial: trial.state.name != "COMPLETE"),
        ("val>0.5 state=complete", lambda trial: trial.state.name == "COMPLETE" and trial.value > 0.5),
        ("number<=4", lambda trial: trial.number <= 4),
        ("nothing=3", lambda trial: trial.number < 0),
        ("value > 0.5 STATE==complete", lambda trial: trial.state.name == "COMPLETE" and trial.value > 0.5),
        ("state=failed", lambda trial: trial.state.name == "FAIL"),
        ("state!=failed number<12", lambda trial: trial.state.name != "FAIL" and trial.number < 12),
        ("state=unfinished", lambda trial: trial.state.name == "RUNNING"),
        ("failed", lambda trial: trial.state.name == "FAIL"),
        ('"lr">0.01', lambda trial: trial.params.get("lr", 0) > 0.01),
        ("value>", lambda trial: trial.number >= 0),
    ],
)
def test_conditions_on_columns_are_understood(page, opened, typed, wanted):
    opened.get(page.as_uri())
    opened.find_element(By.ID, "filter").send_keys(typed)
    those = [one.number for one in searched().trials if wanted(one)]
    WebDriverWait(opened, 30).until(lambda _: sorted(numbers(opened)) == those)
    said = opened.find_element(By.ID, "shown").text
    assert said == f"{len(those)} of 31" + (": there is no column nothing" if "nothing" in typed else "")


def test_objectives_and_infinite_values_are_compared(own_folder):
    made = optuna.create_study(directions=["minimize", "maximize"])
    for value in (-math.inf, -1e308, -2.5, 3.0, math.inf):
        made.add_trial(create_trial(values=[value, 1.0]))
    file = write_report(Saved(made), own_folder / "report.html")
    with chromium() as window:
        window.get(file.as_uri())
        window.find_element(By.ID, "filter").send_keys('"objective 0"<-1')
        WebDriverWait(window, 30).until(lambda _: sorted(numbers(window)) == [0, 1, 2])
        window.find_element(By.ID, "filter").clear()
        window.find_element(By.ID, "filter").send_keys("value>0")
        WebDriverWait(window, 30).until(lambda _: sorted(numbers(window)) == [3, 4])
        window.find_element(By.ID, "all").click()
        heads = window.find_elements(By.CSS_SELECTOR, "#trials th button")
        next(head for head in heads if head.text == "objective 0").send_keys(Keys.ENTER)
        assert numbers(window) == [0, 1, 2, 3, 4]


def test_a_row_opens_a_panel_with_what_is_known_of_its_trial(page):
    with chromium(1000) as window:
        window.get(page.as_uri())
        panel = window.find_element(By.ID, "panel")
        assert not panel.is_displayed()
        first, second = window.find_elements(By.CSS_SELECTOR, "tbody tr")[:2]
        first.click()
        assert panel.is_displayed()
        assert panel.find_element(By.TAG_NAME, "h2").text.endswith("the best")
        assert not panel.find_elements(By.CLASS_NAME, "other")
        window.switch_to.active_element.send_keys(Keys.ESCAPE)
        assert not panel.is_displayed()
        second.send_keys(Keys.ENTER)
        assert panel.is_displayed()
        assert panel.find_elements(By.CLASS_NAME, "other"), "what is not as in the best one is marked"
        number = second.get_attribute("data-trial")
        assert panel.find_element(By.TAG_NAME, "h2").text == f"Trial {number}"
        trial = searched().trials[int(number)]
        said = panel.find_element(By.TAG_NAME, "dl").text
        for name in trial.params:
            assert name in said
        window.find_element(By.ID, "close").click()
        assert not panel.is_displayed()
        assert window.switch_to.active_element == second, "the keyboard goes on where it was"


def test_pruned_trials_are_in_the_slices_as_rings_that_can_be_hidden(page):
    with chromium(1600) as window:
        window.get(page.as_uri())
        slice_ = window.find_element(By.CSS_SELECTOR, "#slice0 .figure")
        window.execute_script("arguments[0].scrollIntoView()", slice_)
        WebDriverWait(window, 60).until(lambda _: slice_.find_elements(By.CSS_SELECTOR, ".plot-container"))
        traces = window.execute_script(
            "return arguments[0].data.map(one => [one.name, one.marker.symbol, one.x.length])", slice_
        )
        shown = {name: (symbol, count) for name, symbol, count in traces}
        pruned = [one for one in searched().trials if one.state.name == "PRUNED" and one.intermediate_values]
        assert shown["pruned, last value"] == ("circle-open", len(pruned))
        entry = next(one for one in slice_.find_elements(By.CSS_SELECTOR, ".legendtoggle"))
        assert entry
        words = window.execute_script("return arguments[0].data[0].text[0]", slice_)
        assert words.startswith("trial ")
        assert ", complete, " in words


def test_the_rows_that_are_shown_are_saved_as_csv(page):
    with chromium() as window:
        window.get(page.as_uri())
        window.execute_script(
            "URL.createObjectURL = blob => { blob.text().then(text => { window.saved = text; }); return 'blob:x'; };"
            "HTMLAnchorElement.prototype.click = function () { window.named = this.download; };"
        )
        window.find_element(By.ID, "filter").send_keys("number<3")
        WebDriverWait(window, 30).until(lambda _: sorted(numbers(window)) == [0, 1, 2])
        window.find_element(By.ID, "csv").click()
        text = WebDriverWait(window, 10).until(lambda _: window.execute_script("return window.saved"))
        assert window.execute_script("return window.named") == "trials.csv"
        lines = text.splitlines()
        assert lines[0].startswith("number,value,state")
        assert sorted(line.split(",")[0] for line in lines[1:]) == ["0", "1", "2"]
