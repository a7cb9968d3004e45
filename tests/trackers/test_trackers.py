"""What trackers have of a search that was killed and resumed: read from their own files, in their own words."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from ports import free_ports
from search_commands import rows, wait_until

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.trackers.ready import require_loggers

EPOCHS = 12
SEARCH = [
    *("logger=[wandb,mlflow,comet,aim,trackio]", "logger.wandb.offline=true", "logger.comet.online=false"),
    *("model=mlp", "model.net.width=8", "optimizer=sgd", "optimizer.lr=0.05,1e-7,1e20", f"trainer.max_epochs={EPOCHS}"),
    *("hydra/sweeper/pruner=threshold", "hydra.sweeper.pruner.lower=0.3", "hydra.sweeper.pruner.n_warmup_steps=3"),
    *("hydra.sweeper.max_failure_rate=1", "hydra.sweeper.report=false", "hydra.sweep.dir=outputs/sweeps/s"),
]
KEYS, KEY = ("WANDB_API_KEY", "COMET_API_KEY", "MLFLOW_TRACKING_TOKEN"), "0123456789abcdef" * 2 + "01234567"
STATES = {"0": "completed", "1": "pruned", "2": "failed"}


@pytest.fixture(scope="module")
def searched(once_for_all_workers, forked_commands):
    """A folder with ``outputs/sweeps/s``: a trial that was killed under way and went on, a pruned one, a failed one."""
    for package in ("wandb", "mlflow", "comet_ml", "aim", "trackio"):
        pytest.importorskip(package)
    return once_for_all_workers("tracked", lambda folder: _search(folder, forked_commands))


def _search(folder, forked_commands):
    environment = {
        **os.environ,
        "TRACKIO_DIR": str(folder / "trackio"),
        "WANDB_SILENT": "true",
        **dict.fromkeys(KEYS, KEY),
    }
    command = [sys.executable, "-m", "lightning_sweeps", "-m", *SEARCH]
    supervisor = forked_commands.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    table = folder / "outputs/sweeps/s/0/metrics.csv"
    wait_until(lambda: table.is_file() and table.read_text().count("\n") > 3, 120)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    resumed = forked_commands.run(["-m", "lightning_sweeps.resume", "outputs/sweeps/s"], folder, **environment)
    assert resumed.returncode == 0, resumed.stderr
    assert [row["state"] for row in rows(folder / "outputs/sweeps/s")] == ["COMPLETE", "PRUNED", "FAIL"]


def values(folder):
    """The trials' objectives, by their numbers as text."""
    return {row["number"]: float(row["value"]) for row in rows(folder / "outputs/sweeps/s") if row["value"]}


@pytest.mark.slow
def test_wandb_has_a_group_with_a_run_for_each_trial(searched):
    known = {}
    for file in sorted(searched.glob("outputs/sweeps/s/*/wandb/offline-run-*/*.wandb")):
        trial, records = file.parts[-4], list(_records_of_wandb(file))
        runs = [record.run for record in records if record.WhichOneof("record_type") == "run"]
        if not runs:
            continue  # killed before it wrote
        summary = {one.key: one.value_json for record in records for one in record.summary.update}
        codes = [record.exit.exit_code for record in records if record.WhichOneof("record_type") == "exit"]
        configured = {one.key: one.value_json for record in records for one in _config_of_wandb(record)}
        known[trial] = runs[-1].run_id
        assert (runs[-1].display_name, runs[-1].run_group) == (f"s/{trial}", "s")
        assert list(runs[-1].tags) == [STATES[trial]]
        assert codes == [int(trial == "2")]
        assert float(configured["optimizer.lr"]) == (0.05, 1e-7, 1e20)[int(trial)]
        if trial in values(searched):
            assert float(summary["objective"]) == pytest.approx(values(searched)[trial])
    assert set(known) == set(STATES)
    both = {file.stem for file in searched.glob("outputs/sweeps/s/0/wandb/offline-run-*/*.wandb")}
    assert both == {f"run-{known['0']}"}, "before and after the kill it is one run"


def _config_of_wandb(record):
    return record.run.config.update if record.WhichOneof("record_type") == "run" else record.config.update


def _records_of_wandb(file):
    """Its file is a log of LevelDB's kind, in blocks of 32 KiB, after 7 bytes of its own."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, position, part = file.read_bytes(), 7, b""
    while position + 7 <= len(data):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        part += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield Record.FromString(part)
            part = b""


@pytest.mark.slow
def test_no_file_has_a_key(searched):
    files = [file for file in searched.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_trial_that_ctrl_c_has_stopped_says_so_and_goes_on_in_its_run(own_folder, command):
    mlflow = pytest.importorskip("mlflow")
    client, more = mlflow.MlflowClient(f"sqlite:///{own_folder}/outputs/mlflow.db"), ["hydra.sweeper.report=false"]
    typed = [
        "logger=mlflow",
        "model=mlp",
        "optimizer.lr=choice(0.01)",
        "hydra.sweeper.n_trials=1",
        "hydra.sweep.dir=s",
        *more,
    ]
    search = [sys.executable, "-m", "lightning_sweeps", "-m", *typed, "trainer.max_epochs=2000"]
    searching = subprocess.Popen(search, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(Path("s/0/checkpoints/last.ckpt").is_file, 120)
    searching.send_signal(signal.SIGINT)
    assert searching.wait(120) == 130
    (run,) = _runs(client)
    assert (run.info.status, run.data.tags["state"]) == ("KILLED", "interrupted")
    last = torch.load("s/0/checkpoints/last.ckpt", weights_only=True)["epoch"]
    shorter = [f"trainer.max_epochs={last + 3}", "hydra.sweeper.allow_changes=true"]
    resumed = command("s", *shorter, module="lightning_sweeps.resume")
    assert resumed.returncode == 0, resumed.stderr
    (again,) = _runs(client)
    assert again.info.run_id == run.info.run_id
    assert (again.info.status, again.data.tags["state"]) == ("FINISHED", "completed")


def _runs(client):
    """The trials' runs."""
    experiment = client.get_experiment_by_name("lightning_sweeps").experiment_id
    return [run for run in client.search_runs([experiment]) if "mlflow.parentRunId" in run.data.tags]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_has_the_trials_below_their_search(searched):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{searched}/outputs/mlflow.db")
    experiment = client.get_experiment_by_name("lightning_sweeps").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    parent = runs.pop("s")
    assert set(runs) == {"s/0", "s/1", "s/2"}
    for name, run in runs.items():
        trial = name.removeprefix("s/")
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["state"] == STATES[trial]
        assert run.info.status == {"0": "FINISHED", "1": "KILLED", "2": "FAILED"}[trial]
        assert float(run.data.params["optimizer.lr"]) == (0.05, 1e-7, 1e20)[int(trial)]
        assert run.data.metrics.get("objective") == values(searched).get(trial)
    steps = {one.step for one in client.get_metric_history(runs["s/0"].info.run_id, "val/accuracy")}
    assert len(steps) == EPOCHS, "one curve"
    assert list((searched / "outputs/mlflow").rglob("*confusion*")), "pictures"
    assert {one.name for one in searched.iterdir()} == {"outputs", "trackio"}


@pytest.mark.slow
def test_comet_has_the_search_as_a_tag(searched):
    found = {}
    for file in searched.glob("outputs/sweeps/s/*/comet/*.zip"):
        with zipfile.ZipFile(file) as archive:
            about = json.loads(archive.read("experiment.json"))
            messages = [json.loads(line)["payload"] for line in archive.read("messages.json").decode().splitlines()]
        params = [one.get("param", one) for one in messages]
        lr = [one["paramValue"] for one in params if one.get("paramName") == "optimizer.lr"]
        found[file.parts[-3]] = set(about["tags"]), lr[-1], about["offline_id"]
    assert {trial: tags for trial, (tags, _, _) in found.items()} == {n: {"s", state} for n, state in STATES.items()}
    assert [found[trial][1] for trial in STATES] == [0.05, 1e-7, 1e20]
    known = json.loads((searched / "outputs/sweeps/s/0/.trackers.json").read_text())
    assert found["0"][2] == known["comet"]


@pytest.mark.slow
def test_aim_has_the_search_as_an_experiment(searched):
    from aim import Repo

    shutil.copytree(searched / "outputs/.aim", "repository/.aim")
    aim = [str(Path(sys.executable).with_name("aim")), "storage", "--repo", "repository", "reindex", "--yes"]
    subprocess.run(aim, check=True, capture_output=True, timeout=120)  # as its page does
    repository = Repo("repository")
    runs = {run.name: run for run in map(repository.get_run, repository.list_all_runs())}
    assert set(runs) == {"s/0", "s/1", "s/2"}
    for name, run in runs.items():
        trial = name.removeprefix("s/")
        assert run.experiment == "s"
        assert run.tags == [STATES[trial]] == [run["state"]]
        assert run["hparams"]["optimizer.lr"] == (0.05, 1e-7, 1e20)[int(trial)]
        assert run.get("objective") == values(searched).get(trial)
    (accuracy,) = (one for one in runs["s/0"].metrics() if one.name == "accuracy" and one.context["subset"] == "val")
    assert len(accuracy.values.sparse_numpy()[0]) == EPOCHS


@pytest.mark.slow
def test_trackio_has_a_run_for_each_trial(searched):
    listed = "import json; from trackio import Api; r = Api().runs('lightning_sweeps')\n"
    listed += "print(json.dumps({one.name: one.config for one in r}))"
    environment = {**os.environ, "TRACKIO_DIR": str(searched / "trackio")}
    command = [sys.executable, "-c", listed]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120)
    runs = json.loads(done.stdout.splitlines()[-1])
    assert {name: run["optimizer.lr"] for name, run in runs.items()} == {"s/0": 0.05, "s/1": 1e-7, "s/2": 1e20}
    assert {run["_Group"] for run in runs.values()} == {"s"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_at_a_server_of_mlflows_has_its_flat_config(own_folder, command):
    mlflow = pytest.importorskip("mlflow")
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    serve += ["--backend-store-uri", f"sqlite:///{own_folder}/server.db"]
    with Path("server.log").open("w") as log:
        server = subprocess.Popen(serve, stdout=log, stderr=log, start_new_session=True)
    try:
        client = mlflow.MlflowClient(address)
        wait_until(lambda: "Uvicorn running" in Path("server.log").read_text(), 120)
        done = command("model=mlp", "trainer.max_epochs=1", "logger=mlflow", MLFLOW_TRACKING_URI=address)
        assert done.returncode == 0, done.stderr
        experiment = client.get_experiment_by_name("lightning_sweeps").experiment_id
        (run,) = client.search_runs([experiment])
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    (folder,) = Path("outputs/runs").glob("*/*")
    assert run.info.run_name == f"{folder.parent.name}/{folder.name}"
    assert {"model": "mlp", "model/net/width": "128", "optimizer/lr": "0.003"}.items() <= run.data.params.items()
    assert run.data.metrics["objective"] == json.loads((folder / "result.json").read_text())["objective"]


WANDB = {"_target_": "lightning.pytorch.loggers.WandbLogger", "offline": False}


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (WANDB, "nobody is logged in to Weights & Biases.\nSet WANDB_API_KEY, run wandb login"),
        ({**WANDB, "offline": True, "api_key": "x"}, "logger.one.api_key: what is in a config ends up in files"),
        ({"_target_": "lightning.pytorch.loggers.CometLogger"}, "Comet has no key"),
    ],
)
def test_what_a_tracker_lacks_is_said_before_training(own_folder, monkeypatch, node, said):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "COMET_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(own_folder))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(ConfigError) as caught:
        require_loggers({"one": node})
    assert said in str(caught.value)


def test_a_tracker_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"logger.one: it needs wandb: pip install 'lightning_sweeps\[wandb\]'"):
        require_loggers({"one": {**WANDB, "offline": True}})


def test_a_key_from_the_environment_is_no_key_in_the_config():
    require_loggers({"one": {"_target_": "my.Logger", "api_key": "${oc.env:MY_KEY}"}, "two": None})


@pytest.mark.slow
def test_a_key_in_a_command_line_reaches_no_file(own_folder, command):
    for multirun in ([], ["-m", "seed=1,2"]):
        done = command(*multirun, "+logger.tensorboard.api_key=my-secret", "hydra.run.dir=r", "hydra.sweep.dir=s")
        assert done.returncode == 1
        assert done.stderr.startswith("error: logger.tensorboard.api_key: what is in a config ends up in files")
    assert not any("my-secret" in file.read_text() for file in own_folder.rglob("*") if file.is_file())


def test_a_server_that_does_not_answer_and_a_password_in_its_url_are_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    (port,) = free_ports(1)
    node = {"_target_": "lightning.pytorch.loggers.MLFlowLogger"}
    with pytest.raises(ConfigError, match=rf"no MLflow server answers at http://127.0.0.1:{port}: Connection refused"):
        require_loggers({"one": {**node, "tracking_uri": f"http://127.0.0.1:{port}"}})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with pytest.raises(ConfigError, match="no MLflow server answers"):
        require_loggers({"one": {**node, "tracking_uri": "${oc.env:MLFLOW_TRACKING_URI,x}"}})
    with pytest.raises(ConfigError, match=r"logger.one.tracking_uri: what is in a config ends up in files"):
        require_loggers({"one": {**node, "tracking_uri": "http://me:secret@127.0.0.1"}})
