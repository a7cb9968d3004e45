"""A trial lives in its program's own world: what a run of the program finds, a trial finds, however it starts."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from search_commands import gone, rows, wait_until

pytestmark = pytest.mark.slow
WAYS = ["fork", "forkserver", "spawn"]
PATH = "from pathlib import Path"
CONFIG = """
x: 1
"""
FRAME = """
{before}
import hydra
from hydra.utils import instantiate

{defined}

@hydra.main(config_path={config!r}, config_name="config"{options})
def train(cfg):
    {body}
    return float(cfg.x)

if __name__ == "__main__":
    {guarded}
    train()
"""


def write(
    body: str, *, before: str = "", defined: str = "", options: str = "", guarded: str = "", at: str = "app.py"
) -> None:
    """A program of somebody's own."""
    Path(at).parent.mkdir(exist_ok=True)
    config = os.path.relpath(Path("conf").absolute(), Path(at).absolute().parent)
    Path("conf").mkdir(exist_ok=True)
    Path("conf/config.yaml").write_text(CONFIG)
    lines = "\n    ".join(body.strip().splitlines())
    text = FRAME.format(before=before, defined=defined, config=config, options=options, body=lines, guarded=guarded)
    Path(at).write_text(text)


def run(*overrides: str, at: str = "app.py", sweeper: str = "study", flags: tuple[str, ...] = (), **environment: str):
    """Run it with ``-m``; the folder is the sweeper's name."""
    options = ["hydra.sweeper.report=false"] if sweeper == "study" else []
    chosen = [f"hydra/sweeper={sweeper}", f"hydra.sweep.dir={sweeper}", *options]
    command = [sys.executable, *flags, at, "-m", *chosen, *overrides]
    return subprocess.run(
        command, env={**_environment(), **environment}, capture_output=True, text=True, timeout=240, check=False
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}


def search(*overrides: str, at: str = "app.py", **environment: str) -> str:
    """Search to a good end; what it printed."""
    done = run(*overrides, at=at, **environment)
    logs = [file.read_text() for file in Path("study").glob("*/output.log")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])
    assert {row["state"] for row in rows(Path("study"))} == {"COMPLETE"}, "\n".join([done.stdout, *logs])
    return done.stdout


def way(name: str) -> str:
    return f"hydra.sweeper.start_method={name}"


WORLD = """
world = {
    "path": sys.path, "argv": sys.argv, "main": sys.modules["__main__"].__file__, "cwd": os.getcwd(),
    "environment": {name: value for name, value in os.environ.items()},
    "flags": [str(sys.flags), sys._xoptions, sys.warnoptions],
    "recursion": sys.getrecursionlimit(), "switch": sys.getswitchinterval(), "gc": gc.isenabled(),
    "umask": os.umask(0o027), "warnings": [str(one) for one in warnings.filters],
    "numpy": [numpy.geterr(), numpy.get_printoptions()["precision"]],
    "torch": [str(torch.get_default_dtype()), torch.get_float32_matmul_precision(),
              torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, torch.get_num_threads()],
    "loggers": [logging.getLogger("mine").level, logging.getLogger("mine").propagate, logging.root.level],
    "resolver": cfg.twice, "start": multiprocessing.get_start_method(allow_none=True),
    "process": multiprocessing.current_process().name, "threads": threading.active_count(),
    "signals": [str(signal.getsignal(number)) for number in (signal.SIGHUP, signal.SIGALRM, signal.SIGPIPE)],
    "drawn": [random.random(), float(numpy.random.rand()), generator.random(), torch.rand(1).item()],
    "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
}
Path("world.json").write_text(json.dumps(world))
"""
SET_BEFORE_THE_START = """
    torch.set_default_dtype(torch.float64); torch.set_float32_matmul_precision("high")
    torch.use_deterministic_algorithms(True); torch.backends.cudnn.benchmark = True; torch.set_num_threads(1)
    numpy.seterr(divide="raise"); numpy.set_printoptions(precision=3); sys.setrecursionlimit(4321)
    sys.setswitchinterval(0.01); gc.disable(); os.umask(0o027); warnings.simplefilter("error", ResourceWarning)
    logging.getLogger("mine").setLevel(logging.ERROR); logging.getLogger("mine").propagate = False
    OmegaConf.register_resolver("twice", lambda x: 2 * x); os.environ["MINE"] = "set by the program"
    multiprocessing.set_start_method("spawn"); resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 4096))
    random.seed(3); numpy.random.seed(3); torch.manual_seed(3); sys.path.insert(1, "/nowhere"); sys.argv.append("x=1")
"""
IMPORTS = (
    "import gc, json, logging, multiprocessing, os, random, resource, signal, sys, threading, warnings\n"
    "from pathlib import Path\nimport numpy, torch\nfrom omegaconf import OmegaConf"
)


@pytest.fixture(scope="module")
def world_of_a_run(tmp_path_factory):
    """The program in a folder, and what its first job under the basic sweeper says of its world."""
    folder = tmp_path_factory.mktemp("world")
    before = Path.cwd()
    os.chdir(folder)
    try:
        seeded = "generator = numpy.random.default_rng(1)"
        write(WORLD, before=IMPORTS, defined=seeded, guarded=SET_BEFORE_THE_START.strip())
        config = Path("conf/config.yaml")
        config.write_text(config.read_text() + "hydra: {job: {chdir: true}}\ntwice: ${twice:21}\n")
        done = run("+y=1,2", sweeper="basic", flags=("-Wdefault::BytesWarning", "-Xfrozen_modules=on"))
        assert done.returncode == 0, done.stderr
    finally:
        os.chdir(before)
    return folder, (folder / "basic" / "0" / "world.json").read_text()


def _flat(world: dict[str, object]) -> dict[str, object]:
    environment = {f"environment {name}": value for name, value in world.pop("environment").items()}
    return {**world, **environment}


# What is not the same, as docs/trials.md says.
OTHER = {"fork": set(), "forkserver": set(), "spawn": set()}


@pytest.mark.parametrize("name", WAYS)
def test_a_trial_finds_the_world_of_its_program(world_of_a_run, name, monkeypatch):
    folder, text = world_of_a_run
    expected = json.loads(text)
    monkeypatch.chdir(folder)
    shutil.rmtree("study", ignore_errors=True)
    done = run("+y=1,2", way(name), flags=("-Wdefault::BytesWarning", "-Xfrozen_modules=on"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(Path(f"study/{number}/world.json").read_text()) for number in range(2)]
    assert expected["cwd"].endswith("basic/0")
    for number, world in enumerate(found):
        assert world["cwd"].endswith(f"study/{number}")
    for world in (*found, expected):
        world["cwd"] = str(Path(world["cwd"]).parent.parent)
        world["argv"] = [one for one in world["argv"] if "hydra" not in one]
    expected = _flat(expected)
    for flat in map(_flat, found):
        differing = {
            key: (flat.get(key), expected.get(key)) for key in flat | expected if flat.get(key) != expected.get(key)
        }
        assert differing.keys() == OTHER[name], differing


TORCH = """
torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark
torch.backends.cuda.matmul.allow_tf32, torch.backends.mps, torch.ops.aten.add
"""
HELD = """
console, lock, queue, log = rich.console.Console(), threading.Lock(), multiprocessing.Queue(), Log()
connection = sqlite3.connect("mine.db", check_same_thread=False)
variable, numbers = contextvars.ContextVar("variable", default=3), (number for number in range(9))
condition, semaphore, file = threading.Condition(), multiprocessing.Semaphore(), open("mine.txt", "a")
scripted = torch.jit.script(square)
"""
USED = """
with lock, log.lock, condition, semaphore:
    console.print(variable.get(), next(numbers), scripted(torch.ones(1)))
queue.put(1); assert queue.get() == 1
connection.execute("create table if not exists t (x)"); file.write("x")
"""
DEFINED = (
    "class Log:\n    def __init__(self): self.lock = threading.Lock()\ndef square(x: torch.Tensor):\n    return x * x\n"
)


@pytest.mark.parametrize(
    ("body", "before", "defined"),
    [
        (TORCH + USED, "import contextvars, multiprocessing, sqlite3, threading, rich.console, torch", DEFINED + HELD),
        (
            "writer.add_scalar('a', cfg.x)",
            "from torch.utils.tensorboard import SummaryWriter",
            "writer = SummaryWriter('events')",
        ),
    ],
    ids=["modules, locks and connections", "a writer with a thread"],
)
def test_nothing_of_a_program_needs_to_be_pickled(own_folder, body, before, defined):
    write(body, before=before, defined=defined)
    search("x=1,2")


CLASS = """
class Dummy:
    def __init__(self, x):
        self.x = x
"""
MADE = """
assert isinstance(instantiate({"x": cfg.x}, _target_=Dummy), Dummy)
assert isinstance(instantiate({"_target_": "__main__.Dummy", "x": 1}), Dummy)
assert pickle.loads(pickle.dumps(Dummy)) is Dummy
"""


@pytest.mark.parametrize("name", WAYS)
def test_a_class_of_the_script_is_one_class(own_folder, name):
    write(MADE, before="import pickle", defined=CLASS, options=", execution_whitelist=['__main__.*']")
    search("x=1,2", way(name))


STARTED = """
if cfg.context == "torch":
    import torch.multiprocessing
    torch.multiprocessing.spawn(work, args=(2,), nprocs=1)
else:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(cfg.context)) as pool:
        assert sorted(pool.map(work, range(2))) == [0, 1]
"""


@pytest.mark.parametrize("name", WAYS)
def test_a_trial_starts_processes_of_the_scripts_functions(own_folder, name):
    write(
        STARTED,
        before="import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor",
        defined="def work(rank, _=0):\n    return rank\n",
    )
    search("+context=fork,spawn,forkserver,torch", way(name))


@pytest.mark.parametrize("name", WAYS)
def test_the_traceback_of_a_trial_names_the_scripts_file_and_shows_its_lines(own_folder, name):
    write("inner(cfg.x)", defined="def inner(x):\n    return 1 / (x - 1)\n")
    run("x=1,2", way(name))
    log = Path("study/0/output.log").read_text()
    assert f'File "{own_folder / "app.py"}", line' in log
    assert "return 1 / (x - 1)" in log
    assert rows(Path("study"))[0]["reason"] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("name", WAYS)
def test_the_working_folder_hides_no_module(own_folder, name):
    """Of ``python app/main.py`` the folder of the script is searched, and not the working folder."""
    for module in ("statistics", "random", "selectors", "struct", "mine"):
        Path(f"{module}.py").write_text("raise RuntimeError('the one of the working folder')\n")
    Path("app").mkdir()
    Path("app/mine.py").write_text("where = 'beside the script'\n")
    write("import mine, random, statistics; assert mine.where == 'beside the script'", at="app/main.py")
    search("x=1,2", way(name), at="app/main.py")


@pytest.mark.parametrize("name", WAYS)
def test_config_files_that_vanish_or_break_while_a_search_runs_are_no_matter(own_folder, name):
    write("Path('conf/config.yaml').unlink(missing_ok=True); Path('conf/db/b.yaml').write_text('y: [1')", before=PATH)
    Path("conf/db").mkdir()
    for option in "ab":
        Path(f"conf/db/{option}.yaml").write_text("y: 1\n")
    search("+db=a,b", "x=1,2", way(name))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"y: [1", "error: +db=b: {file}, line 2: not YAML: did not find expected ',' or ']'"),
        (b"\xff\xfe", "error: +db=b: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_a_config_file_that_cannot_be_read_is_one_line_before_the_first_trial(own_folder, content, said):
    write("")
    Path("conf/db").mkdir()
    Path("conf/db/a.yaml").write_text("y: 1\n")
    Path("conf/db/b.yaml").write_bytes(content)
    done = run("+db=a,b", "x=1,2")
    assert done.returncode == 1
    assert done.stderr.strip() == said.format(file=own_folder / "conf/db/b.yaml")
    assert not Path("study/0").exists()


@pytest.mark.parametrize("name", WAYS)
def test_a_trial_can_start_another_python(own_folder, name):
    installed = [Path("/usr/bin/python3"), *Path.home().glob(".pyenv/versions/*/bin/python")]
    others = [str(python) for python in installed if python.is_file()] or [sys.executable]
    write(f"for one in {others!r}: subprocess.run([one, '-c', 'import json'], check=True)", before="import subprocess")
    search("x=1", way(name))


@pytest.mark.parametrize("name", WAYS)
def test_a_long_temporary_folder_is_no_matter(own_folder, name):
    folder = own_folder / ("long" * 40)
    folder.mkdir()
    write("")
    search("x=1", way(name), TMPDIR=str(folder))


def test_a_parallel_operation_at_an_import_hangs_no_trial(own_folder):
    Path("mine.py").write_text("import torch\nassert torch.rand(5_000_000).sin().sum() > 0\n")
    write("assert torch.rand(5_000_000).sin().sum() > 0", before="import torch, mine")
    said = search("x=1,2", "hydra.sweeper.trial_timeout=60")
    assert "each trial starts an interpreter of its own" in said
    assert "native threads" in said


def test_a_library_whose_threads_a_fork_does_not_harm_costs_no_import(own_folder):
    """pyarrow, which pandas and scikit-learn import where it is installed, starts one of jemalloc's."""
    before = "import os, numpy, pyarrow\nimporter = os.getpid()"
    write("assert os.getpid() != importer; assert pyarrow.array(numpy.arange(10_000)).sum().as_py() > 0", before=before)
    said = search("x=1,2", "hydra.sweeper.trial_timeout=60")
    assert "cannot be forked" not in said


def test_what_a_trial_changes_reaches_no_other(own_folder):
    write(
        "os.environ['CHANGED'] = state['x'] = 'yes' if state or 'CHANGED' in os.environ else 'no'\n"
        "torch.set_default_dtype(torch.float16); os.umask(0o77)\n"
        "Path(str(cfg.x)).write_text(state['x'])",
        before="import os, torch\nfrom pathlib import Path",
        defined="state = {}",
    )
    search("x=1,2,3")
    assert [Path(str(x)).read_text() for x in (1, 2, 3)] == ["no"] * 3


@pytest.mark.parametrize("name", WAYS)
def test_trials_of_an_unseeded_program_draw_different_numbers(own_folder, name):
    """Those of a seeded one draw what a run of it draws, which is a part of its world."""
    drawn = "[random.random(), numpy.random.rand(), generator.random(), torch.rand(1).item()]"
    imports = "import json, random, numpy, torch\nfrom pathlib import Path"
    made = "generator = numpy.random.default_rng()"
    write(f"Path(str(cfg.x)).write_text(json.dumps({drawn}))", before=imports, defined=made)
    search("x=1,2", way(name))
    first, second = (json.loads(Path(str(x)).read_text()) for x in (1, 2))
    assert not any(a == b for a, b in zip(first, second, strict=True))


def test_descriptors_and_locks_of_the_supervisor_are_not_in_trials(own_folder):
    write(
        "open_files = [f'/proc/self/fd/{one}' for one in os.listdir('/proc/self/fd')]\n"
        "links = [os.readlink(one) for one in open_files if os.path.exists(one)]\n"
        "Path('links').write_text(chr(10).join(links))",
        before="import os\nfrom pathlib import Path",
    )
    search("x=1")
    links = Path("links").read_text().splitlines()
    ours = [link for link in links if "study" in link and not link.endswith(("output.log", "app.log"))]
    assert [Path(link).suffix for link in ours] == [".trials"], "only the lock that it holds itself"


def test_a_process_that_a_trial_leaves_behind_holds_no_lock(own_folder):
    """Here one that has left the trial's group, and lives on when the supervisor is killed with its trials."""
    left = (
        "if not Path('left').exists():\n"
        "    if os.fork() == 0:\n"
        "        os.setsid(); Path('left').write_text(str(os.getpid())); time.sleep(600); os._exit(0)\n"
        "    time.sleep(600)"
    )
    write(left, before="import os, time\nfrom pathlib import Path")
    command = [sys.executable, "app.py", "-m", "hydra/sweeper=study", "hydra.sweep.dir=study", "x=1,2"]
    supervisor = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: Path("left").is_file() and Path("left").read_text() != "")
    supervisor.kill()
    supervisor.wait()
    try:
        search("x=1,2")
        assert not gone(int(Path("left").read_text()))
    finally:
        os.kill(int(Path("left").read_text()), 9)


def test_trials_outlive_their_server_and_the_search_goes_on_in_another_way(own_folder):
    write(
        "if cfg.x == 1:\n"
        "    Path('server').write_text(str(os.getppid()))\n"
        "    while not Path('go').exists(): time.sleep(0.01)",
        before="import os, time\nfrom pathlib import Path",
    )
    command = [sys.executable, "app.py", "-m", "hydra/sweeper=study", "hydra.sweep.dir=study", "x=1,2,3"]
    supervisor = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: Path("server").is_file() and Path("server").read_text() != "")
    os.kill(int(Path("server").read_text()), 9)
    Path("go").touch()
    output, _ = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0, output
    assert [row["state"] for row in rows(Path("study"))] == ["COMPLETE"] * 3
    assert "a second interpreter" in output
    assert "the server that trials are started from was killed" in output


HANGS_WHEN_FORKED_TWICE = """
forks = []
os.register_at_fork(after_in_child=lambda: forks.append(1) or (len(forks) > 1 and time.sleep(600)))
"""


def test_a_fork_that_hangs_is_noticed_and_the_search_goes_on_in_another_way(own_folder):
    write("", before="import os, time" + HANGS_WHEN_FORKED_TWICE)
    said = search("x=1,2", "hydra.sweeper.start_timeout=5")
    assert "a second interpreter" in said
    assert "trial 0 did not begin within 5 s (hydra.sweeper.start_timeout)" in said


def test_an_import_that_waits_for_ever_is_noticed_and_said(own_folder):
    write(
        "",
        before="import threading, time\nfrom pathlib import Path\n"
        "if Path('once').exists(): time.sleep(600)\n"
        "Path('once').touch(); threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    )
    done = run("x=1,2", "hydra.sweeper.start_timeout=3")
    assert done.returncode == 1
    assert "the server that trials are started from did not begin within 3 s" in done.stdout
    assert {row["reason"] for row in rows(Path("study"))} == {"did not begin within 3 s (hydra.sweeper.start_timeout)"}


@pytest.mark.parametrize("name", WAYS)
def test_what_a_trial_starts_is_terminated_as_in_the_program(own_folder, name):
    write(
        "process = multiprocessing.get_context('fork').Process(target=work)\n"
        "process.start()\n"
        "while not Path('up').exists(): time.sleep(0.01)\n"
        "process.terminate(); process.join(); Path('up').unlink(); assert process.exitcode == -15",
        before="import multiprocessing, time\nfrom pathlib import Path",
        defined="def work():\n    Path('up').touch()\n    time.sleep(600)",
    )
    search("x=1,2", way(name))


def test_a_server_that_is_late_is_said_in_one_line(own_folder):
    write(
        "",
        before="import time\nfrom pathlib import Path\nif Path('once').exists(): time.sleep(600)\nPath('once').touch()",
    )
    done = run("x=1,2", way("forkserver"), "hydra.sweeper.start_timeout=2")
    assert done.returncode == 1
    assert done.stderr == (
        "error: hydra.sweeper.start_method=forkserver: the server that trials are started from did not begin "
        "within 2 s (hydra.sweeper.start_timeout)\n"
    )


def test_ctrl_c_ends_a_search_whose_server_never_gets_ready(own_folder):
    slow = "if Path('once').exists(): Path('importing').touch(); time.sleep(600)"
    write("", before=f"import time\nfrom pathlib import Path\n{slow}\nPath('once').touch()")
    command = [sys.executable, "app.py", "-m", "hydra/sweeper=study", "hydra.sweep.dir=s", "x=1,2", way("forkserver")]
    search = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(Path("importing").is_file)
    journal = Path("s/study.journal")
    wait_until(lambda: journal.is_file() and '"process"' in journal.read_text())  # the trial has its slot
    search.send_signal(signal.SIGINT)
    output, _ = search.communicate(timeout=30)
    assert search.returncode == 130, output
    assert "Interrupted" in output


STRIPPED = """
import argparse, json, logging, os, sys
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("--k", type=int, default=0)
own, rest = parser.parse_known_args()
sys.argv = [sys.argv[0], *rest]
"""


@pytest.mark.parametrize("name", WAYS)
def test_options_of_the_programs_own_and_of_hydra_reach_trials_resumed_ones_and_reruns(own_folder, name):
    write("Path(f'found-{cfg.x}').write_text(json.dumps([own.k, cfg.name, sys.argv[1]]))", before=STRIPPED)
    Path("conf/other.yaml").write_text("x: 1\nname: other\n")
    chosen = ["hydra/sweeper=study", "hydra.sweep.dir=study", "hydra.sweeper.report=false", way(name)]
    program = ["app.py", "--k", "3", "--config-name", "other", "-m", *chosen, "x=range(1,100)"]
    for command in (
        [*program, "hydra.sweeper.n_trials=1"],
        ["-m", "lightning_sweeps.resume", "study", "hydra.sweeper.n_trials=2"],
        ["-m", "lightning_sweeps.rerun", "study", "--trial", "0"],
    ):
        subprocess.run([sys.executable, *command], env=_environment(), check=True, timeout=120)
        (found,) = Path().glob("found-*")
        assert json.loads(found.read_text()) == [3, "other", "--config-name"]
        found.unlink()


def test_a_rerun_composes_with_the_folder_that_config_dir_named(own_folder):
    write("Path('found').write_text(cfg.size.name)", before="from pathlib import Path")
    Path("more/size").mkdir(parents=True)
    Path("more/size/large.yaml").write_text("name: large\n")
    chosen = ["hydra/sweeper=study", "hydra.sweep.dir=study", "hydra.sweeper.report=false"]
    command = [sys.executable, "app.py", "--config-dir", "more", "-m", *chosen, "x=1", "+size=large"]
    subprocess.run(command, env=_environment(), check=True, timeout=120)
    Path("found").unlink()
    Path("more/size/large.yaml").write_text("name: larger\n")
    tool = [sys.executable, "-m", "lightning_sweeps.rerun", "study"]
    again = subprocess.run(tool, env=_environment(), check=True, timeout=120, capture_output=True, text=True)
    assert Path("found").read_text() == "large"
    assert "changed since trial 0" in again.stderr


@pytest.mark.parametrize("name", ["forkserver", "spawn"])
def test_an_import_that_fails_the_second_time_is_one_error_and_no_failed_trial(own_folder, name):
    write("", before="import os\nfrom pathlib import Path\nos.mkdir('mine')")
    done = run("x=1,2", way(name))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("FileExistsError: [Errno 17] File exists: 'mine'")
    assert "cannot be imported once more" in done.stderr
    assert not Path("study/trials.csv").is_file() or not rows(Path("study"))


@pytest.mark.parametrize("name", WAYS)
def test_the_scripts_logger_has_the_name_that_it_has_in_a_run(own_folder, name):
    write("log.warning('here')", before="import logging\nlog = logging.getLogger(__name__)")
    search("x=1", way(name))
    assert "[__main__][WARNING] - here" in Path("study/0/app.log").read_text()


STAYS = "threading.Thread(target=time.sleep, args=(300,)).start()"


def test_a_thread_that_goes_on_after_its_trial_costs_no_more_than_the_trials_timeout(own_folder):
    write(STAYS, before="import threading, time")
    done = run("x=1,2", "hydra.sweeper.trial_timeout=3")
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in rows(Path("study"))] == ["COMPLETE"] * 2
    assert done.stdout.count("its process went on for 3 s after its end") == 2


WAITS = """
try:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    Path("child").write_text(str(child.pid))
    child.wait()
except KeyboardInterrupt:
    Path("heard").touch()  # a trial that does not listen is killed after ten seconds
    raise
"""


LEAVES = """
table.write("a row\\n")
global unclosed_zip, logger; logger = Logger("of-a-global")
unclosed_zip = zipfile.ZipFile("zip.zip", "w"); unclosed_zip.writestr("a row", "1")
train.logger = Logger("of-a-function")
in_a_cycle = Logger("of-a-cycle"); in_a_cycle.me = in_a_cycle
global unclosed; unclosed = gzip.open("zipped.gz", "wt"); unclosed.write("a row")
atexit.register(Path("at-the-trials-end").touch)
temporary = tempfile.TemporaryDirectory(); Path("temporary").write_text(temporary.name); temporary.me = temporary
"""
WRITES_WHEN_FREED = """
import atexit, gzip, tempfile, zipfile
from pathlib import Path

class Logger:
    def __init__(self, name): self.file = Path(name).absolute()
    def __del__(self): self.file.touch()

class Program:
    def __del__(self, open=open):
        with open("frees", "a") as file: file.write("x")

program = Program()
"""


@pytest.mark.parametrize("name", WAYS)
def test_what_a_trial_leaves_to_its_end_is_done(own_folder, name):
    """As by Python's end, which forks are without: files are written, and what is registered in the trial is called."""
    opened = 'table = open("table", "a"); table.write("a line of the program\\n"); table.flush()\n'
    at_its_end = 'atexit.register(lambda: open("ends", "a").write("x"))\n'
    write(LEAVES, before=WRITES_WHEN_FREED + opened + at_its_end)
    search(f"hydra.sweeper.start_method={name}", "x=1")
    assert Path("table").read_text().endswith("a row\n")
    assert Path("table").read_text().count("a row") == 1
    assert gzip.decompress(Path("zipped.gz").read_bytes()) == b"a row"
    with zipfile.ZipFile("zip.zip") as written:
        assert written.namelist() == ["a row"]
    assert {file.name for file in Path().glob("of-a-*")} == {"of-a-global", "of-a-function", "of-a-cycle"}
    assert Path("at-the-trials-end").is_file()
    assert not Path(Path("temporary").read_text()).exists()
    interpreters = {"fork": 1, "forkserver": 1, "spawn": 2}  # which have an end of their own
    assert len(Path("ends").read_text()) == interpreters[name]
    assert len(Path("frees").read_text()) == interpreters[name]


def test_what_the_program_has_not_written_yet_is_written_once(own_folder):
    opened = 'table = open("table", "a"); table.write("a line of the program\\n")\n'
    write("table.write(f'{cfg.x}\\n')", before=opened)
    search("x=1,2")
    assert sorted(Path("table").read_text().splitlines()) == ["1", "2", "a line of the program"]


@pytest.mark.parametrize("name", WAYS)
def test_ctrl_c_reaches_what_a_trial_has_started(own_folder, name):
    write(WAITS, before="import subprocess, sys\nfrom pathlib import Path")
    command = [sys.executable, "app.py", "-m", "hydra/sweeper=study", "hydra.sweep.dir=study", way(name), "x=1"]
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as searching:
        wait_until(lambda: Path("child").is_file() and Path("child").read_text() != "")
        searching.send_signal(signal.SIGINT)
        searching.communicate(timeout=60)
    assert searching.returncode == 130
    assert Path("heard").is_file()
    assert gone(int(Path("child").read_text()))


WRITES = """
try:
    Path("begun").touch(); time.sleep(600)
finally:
    with open(Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir, "large.ckpt"), "w") as file:
        for _ in range(60):
            file.write("x"); file.flush(); time.sleep(0.2)
    Path("whole").touch()
"""


@pytest.mark.parametrize("stop_timeout", ["60", "2"])
def test_a_stopped_trial_finishes_its_writing_within_a_limit(own_folder, stop_timeout):
    write(WRITES, before="import time\nfrom pathlib import Path\nimport hydra.core.hydra_config")
    command = [sys.executable, "app.py", "-m", "hydra/sweeper=study", "hydra.sweep.dir=study", "x=1"]
    limit = f"hydra.sweeper.stop_timeout={stop_timeout}"
    with subprocess.Popen([*command, limit], env=_environment(), stderr=subprocess.DEVNULL) as searching:
        wait_until(Path("begun").is_file)
        searching.send_signal(signal.SIGINT)
        assert searching.wait(60) == 130
    assert Path("whole").is_file() is (stop_timeout == "60")  # it takes twelve seconds, more than others get


def test_ctrl_c_ends_a_search_in_one_process(own_folder):
    write("Path('begun').touch(); time.sleep(600)", before="import time\nfrom pathlib import Path")
    command = [sys.executable, "app.py", "-m", "hydra/sweeper=study", "hydra.sweep.dir=study", "x=1,2"]
    with subprocess.Popen([*command, "hydra.sweeper.isolation=none"], env=_environment()) as searching:
        wait_until(Path("begun").is_file)
        searching.send_signal(signal.SIGINT)
        assert searching.wait(30) == 130
