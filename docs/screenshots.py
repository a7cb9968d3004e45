"""The README's pictures of a browser: ``nox -s pictures`` (or ``python docs/screenshots.py``).

A search with pruned and failed trials that is killed half-way and resumed, then its report and TensorBoard on it.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "tests"))  # how the tests start a browser and a TensorBoard

from browser import chromium  # noqa: E402
from search_commands import rows, wait_until  # noqa: E402
from tensorboards import tensorboard  # noqa: E402

TRIALS = 40
SEARCH = [
    *("model=mlp", "model.net.width=choice(16,32,64,128)", "model.net.depth=range(1,4)", "optimizer=choice(adamw,sgd)"),
    *("optimizer.lr=tag(log,interval(1e-4,1000))", "trainer.max_epochs=12", f"hydra.sweeper.n_trials={TRIALS}"),
    *("hydra/sweeper/pruner=median", "hydra.sweeper.sampler.seed=3", "hydra.sweeper.n_jobs=2"),
]


def search(folder: Path) -> Path:
    """Run it in the folder, with a kill and a resume; the sweep's folder."""
    sweep = folder / "outputs" / "sweeps" / "2026-11-23" / "12-00-00"
    sweep.mkdir(parents=True)
    started = [sys.executable, "-m", "lightning_sweeps", "-m", *SEARCH, f"hydra.sweep.dir={sweep}"]
    supervisor = subprocess.Popen(started, cwd=folder)
    wait_until(lambda: (sweep / "trials.csv").is_file() and len(rows(sweep)) > TRIALS // 2, seconds=300)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    subprocess.run([sys.executable, "-m", "lightning_sweeps.resume", str(sweep)], cwd=folder, check=True)
    return sweep


def shoot(window: WebDriver, name: str) -> None:
    """Write the picture when the page has come to rest."""
    before, now = b"", window.get_screenshot_as_png()
    while now != before:
        time.sleep(2)
        before, now = now, window.get_screenshot_as_png()
    (IMAGES / name).write_bytes(now)
    sys.stdout.write(f"{IMAGES / name}\n")


def main() -> None:
    """Write all pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep = search(folder)
        with chromium(1200, 1500) as window:
            window.get((sweep / "report.html").as_uri())
            shoot(window, "report.png")
        begun = {folder.name for folder in sweep.iterdir() if list(folder.glob("events.out.*"))}
        with tensorboard(["--logdir", str(sweep)], folder, begun) as address, chromium(1400, 800) as window:
            window.get(f"{address}/#hparams")
            WebDriverWait(window, 60).until(lambda _: "hparams" in window.page_source)
            shoot(window, "hparams.png")
            window.get(f"{address}/?tagFilter=val/#timeseries")
            window.refresh()
            shoot(window, "tensorboard.png")


if __name__ == "__main__":
    main()
