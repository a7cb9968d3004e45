"""Reports that follow their searches, over loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from search_commands import SEARCH, rows, start, wait_until
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks_without_torch")]


@contextmanager
def served(folder: str, *options: str) -> Iterator[str]:
    """The address at which ``report FOLDER --serve`` answers; it is ended by Ctrl-C."""
    command = [sys.executable, "-m", "lightning_sweeps.report", folder, "--serve", "--port", "0", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address, _, said = server.stdout.readline().partition(" ")
        assert said == "(Ctrl-C ends it)\n"
        yield address.rstrip("/")
    finally:
        server.send_signal(signal.SIGINT)
        _, error = server.communicate(timeout=30)
    assert error == ""
    assert server.returncode == 130


def get(address: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace"), dict(error.headers)


def test_an_overview_and_its_searches(sweep, own_folder):
    assert sweep("x=3.0,1.0", "hydra.sweep.dir=all/a").returncode == 0
    assert sweep("x=5.0,2.0,4.0", "hydra.sweep.dir=all/deep/b").returncode == 0
    (own_folder / "all" / "broken").mkdir()
    (own_folder / "all" / "broken" / "study.journal").write_text("garbage\nmore\n")
    with served("all") as address:
        status, page, headers = get(f"{address}/")
        assert status == 200
        assert headers["x-content-type-options"] == "nosniff"
        for said in ("3 searches", "deep/b", "1 (trial 1)", "4 (trial 1)", "2 complete", "3 complete", "ended"):
            assert said in page
        assert "damaged" in page, "one that cannot be read does not hide the others"
        status, page, _ = get(f"{address}/deep/b/report.html")
        assert status == 200
        assert "Best: trial 1" in page
        state = json.loads(get(f"{address}/deep/b/report.html?state")[1])["state"]
        assert f'data-live="{state}"'.replace("'", "&#39;") in page
        assert get(f"{address}/broken/report.html")[0] == 503
        assert "x ** 2" not in get(f"{address}/a/trials.csv")[1]
        assert get(f"{address}/a/trials.csv")[1] == Path("all/a/trials.csv").read_text()
        assert "output.log" in get(f"{address}/a/0/")[1]
    assert not list(Path("all").rglob("report.html")), "nothing is written"


def test_nobody_is_let_out_of_the_folder_or_in_from_elsewhere(sweep, own_folder):
    assert sweep("x=3.0,1.0").returncode == 0
    secret = own_folder / "secret.txt"
    secret.write_text("a key")
    (own_folder / "s" / "link").symlink_to(secret)
    (own_folder / "s" / "page.html").write_text("<script>alert(1)</script>")
    with served("s") as address:
        assert "Best: trial 1" in get(f"{address}/")[1], "a search's own folder has its report first"
        for path in (
            "../secret.txt",
            "%2e%2e/secret.txt",
            "..%2fsecret.txt",
            "link",
            "//etc/passwd",
            "0/../../secret.txt",
        ):
            status, said, _ = get(f"{address}/{path}")
            assert status == 404, path
            assert "a key" not in said
        assert get(f"{address}/report.html", Host="evil.example")[0] == 400
        for long in ("a" * 60_000, "a/" * 3000):
            status, said, _ = get(f"{address}/{long}")
            assert status in (400, 404, 414)
            assert len(said) < 200
        status, _, headers = get(f"{address}/page.html")
        assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(urllib.request.Request(f"{address}/", method="POST", data=b"x"), timeout=30)
        port = int(address.rpartition(":")[2])
        others = {one[4][0] for one in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for host in others - {"127.0.0.1"}:
            if host.startswith("127."):
                continue
            with socket.socket() as asked:
                assert asked.connect_ex((host, port)) != 0, "only loopback answers"


def test_mistakes_are_said(own_folder, command):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = str(taken.getsockname()[1])
    for typed, said in (
        (["nowhere", "--serve"], "error: nowhere: no such folder\n"),
        ([".", ".", "--serve"], "error: --serve is for one folder"),
        (["sqlite:///x.db", "--serve"], "error: --serve is for folders"),
        ([".", "--serve", "--port", "70000"], "error: --port 70000: a port is a number from 0"),
        ([".", "--serve", "--port", port], f"error: port {port}: Address already in use; name another one with --port"),
    ):
        refused = command(*typed, module="lightning_sweeps.report")
        assert refused.returncode == 1
        assert refused.stderr.startswith(said)
    taken.close()


def test_a_page_follows_its_search(app):
    """Rows and figures appear without a reload; what was typed and ticked stays, and what is typed is not disturbed."""
    search = start(app, *SEARCH, "y=1,2", "hydra.sweeper.n_trials=60", "sleep=0.5", "steps=2")
    try:
        wait_until(lambda: Path("s/trials.csv").is_file() and len(rows()) > 1)
        with served("s") as address, chromium(1400) as window:
            window.get(f"{address}/report.html")
            window.execute_script("window.same = true")

            def trials() -> int:
                return len(window.find_elements(By.CSS_SELECTOR, "#trials tbody tr"))

            def of(selector: str, what: str) -> Any:  # in one script, since the page may replace a part at any time
                return window.execute_script(f"return document.querySelector(arguments[0]).{what}", selector)

            figures = len(window.find_elements(By.CLASS_NAME, "figure"))
            of(first := "input.pin[value='0']", "click()")
            of("tr[data-trial='1'] td:nth-of-type(2)", "click()")
            window.find_element(By.ID, "filter").send_keys("number<2")
            seen = trials()
            WebDriverWait(window, 60).until(lambda _: trials() > seen + 2)
            shown = len(window.find_elements(By.CSS_SELECTOR, "#trials tbody tr:not([hidden])"))
            assert shown == 2, "the filter holds for what has come"
            assert window.switch_to.active_element.get_attribute("id") == "filter", "the open panel takes no focus"
            assert window.find_element(By.ID, "panel").is_displayed()
            window.find_element(By.ID, "close").click()
            assert of(first, "checked")
            assert window.find_element(By.ID, "side-by-side").is_displayed()
            place = window.find_element(By.CSS_SELECTOR, "#history .figure")
            window.execute_script("arguments[0].scrollIntoView()", place)
            count = "return arguments[0].data ? arguments[0].data[0].x.length : 0"
            WebDriverWait(window, 30).until(lambda _: window.execute_script(count, place))
            drawn = window.execute_script(count, place)
            WebDriverWait(window, 60).until(lambda _: window.execute_script(count, place) > drawn)
            WebDriverWait(window, 60).until(lambda _: len(window.find_elements(By.CLASS_NAME, "figure")) > figures)
            assert window.execute_script("return window.same"), "the page was not reloaded"
            assert "running" in of(".overview", "textContent")
            os.kill(search.pid, signal.SIGKILL)
            WebDriverWait(window, 60).until(lambda _: "stopped" in of(".overview", "textContent"))
            assert [line for line in window.get_log("browser") if line["level"] == "SEVERE"] == []
    finally:
        search.kill()
        search.communicate()


def test_a_server_that_is_gone_is_said(sweep):
    assert sweep("x=3.0,1.0").returncode == 0
    with chromium() as window:
        with served("s") as address:
            window.get(f"{address}/report.html")
            assert not window.find_element(By.ID, "offline").is_displayed()
        WebDriverWait(window, 30).until(lambda _: window.find_element(By.ID, "offline").is_displayed())
