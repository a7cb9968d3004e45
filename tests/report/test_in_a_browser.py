"""The report as a person uses it."""

from pathlib import Path

import pytest
from browser import chromium
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from test_report import searched

from lightning_sweeps.report.write import write_report
from lightning_sweeps.searches.record.saved import Saved

pytestmark = pytest.mark.slow


@pytest.fixture
def page(own_folder) -> Path:
    return write_report(Saved(searched()), own_folder / "report.html")


def numbers(window) -> list[int]:
    """The trials of the rows that can be seen, from above."""
    cells = window.find_elements(By.CSS_SELECTOR, "tbody tr:not([hidden]) td:first-child")
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
        assert numbers(window) == list(range(31))
        value = next(head for head in window.find_elements(By.CSS_SELECTOR, "th button") if head.text == "value")
        values = {trial.number: trial.value for trial in searched().trials if trial.values}
        best_last = sorted(values, key=lambda number: values[number])
        value.send_keys(Keys.ENTER)
        assert numbers(window)[: len(values)] == best_last
        value.send_keys(Keys.SPACE)
        assert numbers(window)[: len(values)] == best_last[::-1]
        assert value.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
        window.find_element(By.ID, "filter").send_keys("FAIL")
        assert sorted(numbers(window)) == [9, 29]
        assert window.find_element(By.ID, "shown").text == "2 of 31"
