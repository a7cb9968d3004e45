"""One selection for all figures, trials side by side, and curves of what is chosen."""

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from browser import chromium
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from test_in_a_browser import numbers
from test_report import searched

from lightning_sweeps.report.write import write_report
from lightning_sweeps.searches.record.saved import Saved

pytestmark = pytest.mark.slow
CROSS = "\N{MULTIPLICATION SIGN}"


@pytest.fixture(scope="module")
def made() -> optuna.Study:
    return searched()


@pytest.fixture(scope="module")
def page(made, tmp_path_factory) -> Path:
    """A report of trials that have folders with metrics and logs."""
    folder = tmp_path_factory.mktemp("search")
    for trial in made.trials:
        own = folder / str(trial.number)
        own.mkdir()
        rows = [f"{epoch},{10 * epoch},{epoch / 2},{1 / (1 + epoch)},{trial.number}" for epoch in range(3)]
        (own / "metrics.csv").write_text("\n".join(["epoch,step,seconds,train/loss,number", *rows]) + "\n")
        (own / "output.log").write_text("".join(f"line {line} of trial {trial.number}\n" for line in range(60)))
    return write_report(Saved(made, folder), folder / "report.html")


@pytest.fixture(scope="module")
def opened() -> Iterator[WebDriver]:
    """One browser for all tests: to start one takes seconds."""
    with chromium(1600, 1200) as window:
        yield window


@pytest.fixture
def window(page, opened) -> Iterator[WebDriver]:
    opened.get(page.as_uri())
    yield opened
    assert [line for line in opened.get_log("browser") if line["level"] == "SEVERE"] == []


def figure(window: WebDriver, name: str) -> WebElement:
    found = window.find_element(By.CSS_SELECTOR, f"#{name} .figure")
    window.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    WebDriverWait(window, 60).until(lambda _: found.find_elements(By.CSS_SELECTOR, ".nsewdrag"))
    return found


def drag(window: WebDriver, place: WebElement, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Over a figure's area, in parts of its width and height from its upper left."""
    area = place.find_element(By.CSS_SELECTOR, ".nsewdrag")
    width, height = area.size["width"], area.size["height"]

    def at(point: tuple[float, float]) -> tuple[int, int]:
        return round((point[0] - 0.5) * width), round((point[1] - 0.5) * height)

    mouse = ActionChains(window).move_to_element_with_offset(area, *at(start)).click_and_hold()
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    mouse.move_to_element_with_offset(area, *at(middle)).move_to_element_with_offset(area, *at(end)).release().perform()


def chosen(window: WebDriver) -> str:
    return window.find_element(By.ID, "chosen").text


def wait_for_rows(window: WebDriver, wanted: set[int]) -> None:
    WebDriverWait(window, 30).until(lambda _: set(numbers(window)) == wanted)


def bright(window: WebDriver, place: WebElement) -> set[int]:
    """The trials that a figure does not dim."""
    told = window.execute_script(
        """const found = [];
        for (const trace of arguments[0].data) {
            if (!trace.customdata || trace.opacity < 0.1) continue;
            const places = trace.selectedpoints ?? [...trace.customdata.keys()];
            for (const at of places) found.push(trace.customdata[at]);
        }
        return found;""",
        place,
    )
    return set(told)


def test_what_is_chosen_in_the_history_is_what_all_else_shows(window, made):
    slices, curves, parallel = (figure(window, name) for name in ("slice0", "curves", "parallel"))
    place = figure(window, "history")
    low, high = window.execute_script("return arguments[0]._fullLayout.yaxis.range", place)
    drag(window, place, (0.01, 0.01), (0.99, 0.5))
    half = low + (high - low) / 2
    wanted = {
        trial.number
        for trial in made.trials
        if (
            trial.value
            if trial.state.name == "COMPLETE"
            else (trial.intermediate_values or {-1: low})[trial.last_step or -1]
        )
        > half
        and trial.state.name in ("COMPLETE", "PRUNED")
    }
    wait_for_rows(window, wanted)
    assert 0 < len(wanted) < 31
    assert chosen(window).startswith(f"{len(wanted)} of 31 trials")
    for one in (slices, curves, parallel):  # those that are far from the screen are drawn when they come near
        window.execute_script("arguments[0].scrollIntoView()", one)
        WebDriverWait(window, 30).until(lambda _, one=one: bright(window, one) <= wanted)
        assert bright(window, one)
    window.find_element(By.CSS_SELECTOR, "#chosen .chip").click()
    wait_for_rows(window, set(range(31)))
    assert not window.find_element(By.ID, "chosen").is_displayed()
    WebDriverWait(window, 30).until(lambda _: len(bright(window, parallel)) > len(wanted))


def test_axes_of_parallel_coordinates_are_chosen_together(window, made):
    place = figure(window, "parallel")
    names = window.execute_script("return arguments[0].layout.meta.axes", place)
    left, right = window.execute_script("return arguments[0]._fullLayout.xaxis.range", place)
    low, high = window.execute_script("return arguments[0]._fullLayout.yaxis.range", place)

    def at(name: str, height: float) -> tuple[float, float]:
        return (names.index(name) - left) / (right - left), 1 - (height - low) / (high - low)

    (x, top), (_, bottom) = at("model", 1.03), at("model", 0.6)
    drag(window, place, (x, top), (x, bottom))  # straight down
    mlp = {
        one.number
        for one in made.trials
        if one.params.get("model") == "mlp" and one.state.name in ("COMPLETE", "PRUNED")
    }
    wait_for_rows(window, mlp)
    assert chosen(window).splitlines()[1] == f"model {CROSS}"
    (x, top), (_, bottom) = at("depth", 1.03), at("depth", 0.5)
    drag(window, place, (x - 0.02, top), (x + 0.02, bottom))
    deep = {number for number in mlp if made.trials[number].params["depth"] > 2}
    wait_for_rows(window, deep)
    assert bright(window, place) == deep
    assert "depth" in chosen(window)
    assert "model" in chosen(window)
    legend = [one.text for one in place.find_elements(By.CSS_SELECTOR, ".legendtext")]
    assert set(legend) == {"pruned", "complete"}, "what is chosen does not change the legend"
    window.find_element(By.ID, "all").click()
    wait_for_rows(window, set(range(31)))


def test_a_box_that_is_moved_chooses_anew(window, made):
    place = figure(window, "history")
    drag(window, place, (0.01, 0.01), (0.4, 0.99))
    WebDriverWait(window, 30).until(lambda _: "Optimization history" in chosen(window))
    before = set(numbers(window))
    drag(window, place, (0.2, 0.5), (0.7, 0.5))
    WebDriverWait(window, 30).until(lambda _: set(numbers(window)) not in (before, set(range(31))))
    after = set(numbers(window))
    assert min(after) > min(before)
    assert bright(window, place) == after
    curves = figure(window, "curves")
    WebDriverWait(window, 30).until(lambda _: bright(window, curves) <= after)


def test_only_figures_of_trials_have_the_tool_to_choose(window):
    def tools(name: str) -> set[str]:
        place = figure(window, name)
        return {one.get_attribute("data-title") for one in place.find_elements(By.CLASS_NAME, "modebar-btn")}

    assert {"Box Select", "Zoom"} <= tools("history")
    assert "Box Select" in tools("curves"), "also where there are lines only"
    assert "Box Select" not in tools("timeline")
    assert "Box Select" not in tools("importance")


def test_curves_are_chosen_by_a_rectangle(window, made):
    place = figure(window, "curves")
    drag(window, place, (0.5, 0.0), (1.0, 0.6))
    WebDriverWait(window, 30).until(lambda _: "Learning curves" in chosen(window))
    left = set(numbers(window))
    assert left
    assert left < {trial.number for trial in made.trials if trial.intermediate_values}


def test_the_filter_and_the_switches_hold_for_figures(window, made):
    place = figure(window, "history")
    window.find_element(By.ID, "filter").send_keys("number<10")
    wait_for_rows(window, set(range(10)))
    assert bright(window, place) <= set(range(10))
    bars = figure(window, "timeline")
    assert bright(window, bars) == set(range(10))
    with_places = "return arguments[0].data.every(trace => trace.base.length === trace.x.length)"
    assert window.execute_script(with_places, bars), "each bar stays where it is"
    complete = {trial.number for trial in made.trials[:10] if trial.state.name == "COMPLETE"}
    assert bright(window, figure(window, "contour")) == complete
    switch = window.find_element(By.CSS_SELECTOR, "input.state[value=pruned]")
    switch.send_keys(Keys.SPACE)
    left = {number for number in range(10) if made.trials[number].state.name != "PRUNED"}
    wait_for_rows(window, left)
    assert bright(window, place) <= left
    assert "without pruned ones" in chosen(window)
    window.find_element(By.ID, "all").click()
    wait_for_rows(window, set(range(31)))
    assert switch.is_selected()
    assert window.find_element(By.ID, "filter").get_attribute("value") == ""


def test_a_click_on_a_point_opens_its_trial_with_the_end_of_its_log(window, made):
    place = figure(window, "history")
    point = place.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace:first-child .point")[2]
    ActionChains(window).move_to_element(point).click().perform()
    panel = window.find_element(By.ID, "panel")
    WebDriverWait(window, 30).until(lambda _: panel.is_displayed())
    number = window.execute_script("return arguments[0].data[0].customdata[2]", place)
    assert panel.find_element(By.TAG_NAME, "h2").text.startswith(f"Trial {number}")
    said = panel.find_element(By.TAG_NAME, "pre").text
    assert said.endswith(f"line 59 of trial {number}")
    assert "line 40" not in said
    lines = panel.find_elements(By.CSS_SELECTOR, ".curve .scatterlayer .trace")
    reported = made.trials[number].intermediate_values
    assert len(lines) == 1
    drawn = window.execute_script("return arguments[0].data[0].y", panel.find_element(By.CLASS_NAME, "curve"))
    assert drawn == [reported[step] for step in sorted(reported)]


def test_trials_side_by_side(window):
    boxes = {int(box.get_attribute("value")): box for box in window.find_elements(By.CSS_SELECTOR, "input.pin")}
    part = window.find_element(By.ID, "side-by-side")
    assert not part.is_displayed()
    boxes[0].click()
    assert "Tick another trial" in part.text
    boxes[2].send_keys(Keys.SPACE)
    assert part.find_element(By.TAG_NAME, "thead").text == "trial 0 trial 2"
    different = [row.find_element(By.TAG_NAME, "th").text for row in part.find_elements(By.CSS_SELECTOR, ".differs")]
    assert "lr" in different
    assert "state" not in different
    WebDriverWait(window, 30).until(lambda _: part.find_elements(By.CSS_SELECTOR, ".curves .scatterlayer .trace"))
    assert len(part.find_elements(By.CSS_SELECTOR, ".curves .scatterlayer .trace")) == 2
    assert not window.find_element(By.ID, "panel").is_displayed(), "a tick is no click on the row"
    for number in (3, 5, 6):
        boxes[number].click()
    assert not boxes[8].is_enabled(), "there is room for five"
    window.find_element(By.CSS_SELECTOR, "tr[data-trial='6']").find_elements(By.TAG_NAME, "td")[1].click()
    button = window.find_element(By.ID, "pin")
    assert button.text == "not side by side any more"
    button.click()
    assert boxes[8].is_enabled()
    window.find_element(By.ID, "close").click()
    window.execute_script("arguments[0].click()", window.find_element(By.ID, "unpin"))
    assert not part.is_displayed()


def test_any_logged_metric_is_drawn_against_what_is_chosen(window):
    place = figure(window, "curves")

    def option(name: str, text: str) -> None:
        window.find_element(By.XPATH, f"//select[@name='{name}']/option[.='{text}']").click()

    option("metric", "number")
    names = window.execute_script("return arguments[0].data.map(one => one.name)", place)
    assert names == ["complete", "pruned", "failed", "unfinished", "best, trial 18"]
    option("against", "seconds")
    traces = window.execute_script("return arguments[0].data.map(one => [one.x, one.y, one.customdata])", place)
    points = [point for x, y, who in traces for point in zip(x, y, who, strict=True) if point[1] is not None]
    assert len(points) == 31 * 3
    assert all(y == number for _, y, number in points)
    assert {x for x, _, _ in points} == {0, 0.5, 1}
    assert window.execute_script("return arguments[0].layout.yaxis.title.text", place) == "number"
    window.find_element(By.NAME, "logy").click()
    assert window.execute_script("return arguments[0]._fullLayout.yaxis.type", place) == "log"
    option("metric", "what was reported")
    assert window.execute_script("return arguments[0]._fullLayout.yaxis.type", place) == "log"
    assert not window.find_element(By.NAME, "against").is_displayed()
