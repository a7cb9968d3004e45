"""The docs' commands about a search that is there, as they stand, and that no command of the docs is left out."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from forked_commands import Interpreter
from postgresql import server
from search_commands import study

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parent.parent / "docs"
WITH_SEARCHES = ("going_on", "report", "pruning", "warm_start", "how_sure", "machines")
SEARCH, OTHER = "outputs/sweeps/2026-11-27/10-00-00", "outputs/sweeps/2026-11-27/11-00-00"
NAMES = {
    "outputs/sweeps/<date>/<time>": SEARCH,
    "outputs/sweeps/<date>/A": SEARCH,
    "outputs/sweeps/<date>/B": OTHER,
    "report A B": f"report {SEARCH} {OTHER}",
    "n_trials=40": "n_trials=9",
    "max_epochs=50": "max_epochs=3",
    "--seeds 5": "--seeds 2",
    "--top 3": "--top 2",
    "--seeds 3": "--seeds 2",
}
# What other tests run, and which.
ELSEWHERE = {
    r"--serve": "report/test_serve.py",
    r"^tensorboard": "test_tensorboard.py",
    r"--to-experiment": "test_rerun.py",
    r"sqlite:///study.db|postgresql\+psycopg://": "this file",
    r"hydra/launcher=": "searches/test_workers.py, test_ray.py and test_slurm.py",
    r"trainer=ddp": "searches/test_ranks.py",
    r"trials_per_device": "searches/test_on_gpu.py",
    r"^pip |^python -m venv|^nox": "test_readme.py and test_wheel.py",
    r"logger=": "trackers",
    r"sampler=hub/": "searches/test_hub.py",
    r"^python -m lightning_sweeps -m search=cnn( |$)": "test_readme.py, with fewer trials",
    r"^python -m lightning_sweeps model=cnn trainer=gpu": "test_readme.py",
    r"^python -m lightning_sweeps\.report latest": "test_docs.py, in the ten minutes",
}
FAILING = """
from pathlib import Path
from lightning.pytorch import Callback
from lightning_sweeps import current_trial

class Memory(Callback):  # for all trials but one, until there is more
    def on_fit_start(self, trainer, module):
        if current_trial().number == 3 and not Path("more").exists(): raise MemoryError("out of memory")
"""
SPACE = ["optimizer.lr=tag(log,interval(1e-4,1e-1))", "model.net.width=choice(32,64,128)"]


def commands(page: str, languages: tuple[str, ...] = ("", "bash")) -> list[str]:
    """The commands in a page's blocks, without their comments."""
    text = (DOCS / f"{page}.md").read_text()
    blocks = re.findall(r"^ *```(\w*)[^\n]*\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    lines = [line for language, block in blocks if language in languages for line in block.splitlines()]
    starts = r"(python|pip|tensorboard|nox|optuna-dashboard|sbatch|srun) "
    return [re.sub(r"\s+#( .*|)$", "", line.strip()) for line in lines if re.match(starts, line.strip())]


def elsewhere(line: str) -> bool:
    return any(re.search(pattern, line) for pattern in ELSEWHERE)


LINES = [line for page in WITH_SEARCHES for line in commands(page, ("",)) if not elsewhere(line)]


@pytest.fixture(scope="module")
def two_searches(forked_commands: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a search of eight trials, of which one has failed, with its copy, and the module that they use."""
    folder = tmp_path_factory.mktemp("searches")
    (folder / "mine.py").write_text(FAILING)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LIGHTNING_SWEEPS_TRUST", "mine")
        patch.setenv("PYTHONPATH", str(folder))
        words = ["-m", "model=mlp", *SPACE, "trainer.max_epochs=2", "+callbacks.memory={_target_: mine.Memory}"]
        words += ["hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=8", f"hydra.sweep.dir={SEARCH}"]
        done = forked_commands.run(["-m", "lightning_sweeps", *words])
        assert done.returncode == 0, done.stderr
        assert "1 failed: MemoryError: out of memory" in done.stdout
        shutil.copytree(SEARCH, OTHER)
        (folder / "more").touch()
        yield folder


@pytest.mark.parametrize("line", LINES)
def test_a_command_about_a_search_runs_as_it_stands_there(two_searches, own_folder, python, line):
    shutil.copytree(two_searches, own_folder, dirs_exist_ok=True)
    for name, ours in NAMES.items():
        line = line.replace(name, ours)
    assert "<" not in line
    done = python(*shlex.split(line)[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_warm_starts_are_what_the_docs_say(two_searches, own_folder, python):
    earlier = Path("outputs/sweeps/2026-11-23/12-00-00")
    shutil.copytree(two_searches, own_folder, dirs_exist_ok=True)
    shutil.copytree(SEARCH, earlier)
    storage = optuna.storages.RDBStorage("sqlite:///study.db")
    here = study(earlier)
    optuna.copy_study(
        from_study_name=here.study_name, from_storage=here._storage, to_storage=storage, to_study_name="first"
    )
    Path("points.csv").write_text("optimizer.lr,model.net.width\n0.02,32\n0.01,32\n")
    (shown,) = re.findall(r"^```yaml\n(.*?)```", (DOCS / "warm_start.md").read_text(), re.DOTALL | re.MULTILINE)
    Path("conf/search").mkdir(parents=True)
    Path("conf/search/warm.yaml").write_text(f"# @package _global_\n{shown}")
    words = ["-m", "--config-dir=conf", "model=mlp", "search=warm", *SPACE, "trainer.max_epochs=1"]
    words += ["hydra.sweeper.n_trials=14", "hydra.sweeper.report=false", "hydra.sweep.dir=s"]
    done = python("-m", "lightning_sweeps", *words)
    assert done.returncode == 0, done.stderr
    first = [(trial.params["optimizer.lr"], trial.params["model.net.width"]) for trial in study().trials]
    assert first[1:4] == [(0.003, 64), (0.02, 32), (0.01, 32)]  # 0 is the config's own; the third means the second
    assert "the first 13 are those of warm_start; its sampler knows 7 earlier trials" in done.stdout


def test_a_study_in_a_file_of_sqlites_is_made_and_reported_as_it_stands_there(own_folder, python):
    (made,) = [line for line in commands("json") if "sqlite" in line]
    done = python(*shlex.split(made)[1:], "trainer.max_epochs=1", "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stderr
    (name,) = optuna.get_all_study_names("sqlite:///study.db")
    (shown,) = [line for line in commands("report") if "sqlite" in line]
    done = python(*shlex.split(shown.replace("NAME", name))[1:])
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()


def test_searches_in_a_database_are_made_and_compared_as_it_stands_there(own_folder, python):
    (made,) = [line for line in commands("machines") if "postgresql+psycopg" in line]
    (shown,) = [line for line in commands("report") if "postgresql+psycopg" in line]
    with server() as url:
        for name in ("a", "b"):
            line = made.replace("postgresql+psycopg://me:secret@host/studies", url).replace("=cnn", f"={name}")
            words = shlex.split(line.replace(f"search={name}", "search=cnn"))[1:]
            done = python(*words, "trainer.max_epochs=1", "hydra.sweeper.n_trials=1", f"hydra.sweep.dir={name}")
            assert done.returncode == 0, done.stderr
        done = python(*shlex.split(shown.replace("postgresql+psycopg://me@host/studies", url))[1:])
    assert done.returncode == 0, done.stderr
    assert Path("comparison.html").is_file()


def test_no_command_of_the_docs_is_left_out():
    import test_docs
    import test_readme

    run = {re.sub(r"\s+#( .*|)$", "", line.strip()) for line in test_readme.LINES}
    left = []
    for file in sorted(DOCS.rglob("*.md")):
        page = file.relative_to(DOCS).with_suffix("").as_posix()
        if page.startswith("moving/") or page == "start":  # test_docs.py runs every line
            continue
        as_they_stand = commands(page, ("bash",)) if file.name in test_docs.WITH_COMMANDS else []
        known = {*as_they_stand, *run, *LINES}
        left += [f"{page}: {line}" for line in commands(page) if line not in known and not elsewhere(line)]
    assert left == []
