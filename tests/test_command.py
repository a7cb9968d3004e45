"""The command as the user types it: real processes, real signals, real folders."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
import torch
from conftest import only_run

pytestmark = pytest.mark.slow
SMALL = ["model=mlp", "trainer.max_epochs=2"]


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stderr.strip().splitlines()


def test_the_default_run_reaches_97_percent(command, own_folder):
    done = command()
    assert done.returncode == 0, done.stderr
    run = only_run(own_folder)
    assert {path.name for path in run.iterdir()} >= {".hydra", "checkpoints", "metrics.csv", "result.json", "run.log"}
    assert list(run.glob("events.out.tfevents*"))
    assert json.loads((run / "result.json").read_text())["metrics"]["test/accuracy"] >= 0.97
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr == ""
    assert "epoch  19" in done.stdout, "a line per epoch where there is no terminal"


@pytest.mark.usefixtures("forks")
def test_two_runs_in_the_same_second_get_two_folders(own_folder):
    run = [sys.executable, "-m", "lightning_sweeps", *SMALL, "hydra.run.dir=outputs/runs/x/same"]
    started = [subprocess.Popen(run, cwd=own_folder, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=200) for process in started] == [0, 0]
    folders = sorted((own_folder / "outputs" / "runs" / "x").iterdir())
    assert [folder.name for folder in folders] == ["same", "same-2"]
    for folder in folders:
        assert (folder / json.loads((folder / "result.json").read_text())["last_checkpoint"]).is_file()


@pytest.mark.parametrize("name", ["join", "new", "replay", "report", "rerun", "resume", "schemas", "status"])
def test_help_of_a_command_beside_a_run_is_for_people(command, name):
    done = command("--help", module=f"lightning_sweeps.{name}", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m lightning_sweeps.{name} ")
    assert "``" not in done.stdout
    if name not in ("join", "resume"):
        assert re.search(r"\n\n[A-Z].*\.\n", done.stdout), "a sentence that says what it does"
        assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "first", "second"),
    [
        (
            ["model=cnnn"],
            "error: model=cnnn: no such option. Did you mean 'cnn'?",
            "Options of model: cnn, mlp, resnet18",
        ),
        (["modl=cnn"], "error: modl: no such key. Did you mean 'model'?", "Keys of the config: .*"),
        (["model.net.widht=3"], ".*Did you mean 'model.net.width'[?]", "Keys of model.net: .*"),
        (["model.net.width=[3"], "error: .*model.net.width=.3: this is no override.*", "Put values with .*"),
        (["optimizer.lr=abc"], "error: optimizer.lr=abc: this must be a number, as in adamw.yaml, .*", None),
        (["test=maybe"], "error: test=maybe: it is true, false or auto", None),
        (["trainer.devices=99", "trainer=cpu"], "error: trainer.devices=99: there are . CPU cores here.*", None),
        (["model=null"], "error: a config group is empty: .*", None),
        (["callbacks=[nope]"], "error: callbacks=nope: no such option.*", "Options of callbacks: .*"),
        (["optimizer.lr=1,2"], "error: Ambiguous value .*", "To run with each of several values add -m; .*"),
        (["hydra.run.dir="], "error: hydra.run.dir is empty: .*", None),
        (["datamodule.batch_size=0"], "error: .*batch_size=0: it must be a whole number of at least 1", None),
        (["datamodule.batch_size=5000"], "error: .*larger than the 1258 training images; use at most 1258", None),
        (["datamodule=mnist", "datamodule.download=false"], "error: there is no MNIST in .*", "Put train-images.*"),
        (["model.net._target_=os.system"], "error: .*'os.system' is not trusted.*", "Trust its package .*"),
        (["objective.metric=val/acc"], "error: .* Did you mean 'val/accuracy'[?]", "Logged so far: .*"),
        (["optimizer=sgd", "optimizer.lr=1e20"], "error: the loss became .* at batch . of epoch 0.*", "Try a lower .*"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_takes_two_lines(command, own_folder, arguments, first, second):
    done = command(*arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    said = lines_of(done)
    assert re.fullmatch(first.replace("[?]", "?").replace("?", "[?]"), said[0]), said
    assert len(said) == (1 if second is None else 2)
    assert second is None or re.fullmatch(second, said[1]), said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said_with_what_is_there(command):
    done = command("model=cnn", "trainer=gpu")
    assert done.returncode == 1
    assert re.search(r"no GPU here. There are \d+ CPU cores", lines_of(done)[0])
    assert lines_of(done)[1].startswith("Use trainer=cpu, or trainer=auto")


def test_the_traceback_of_an_error_goes_to_the_log(command, own_folder):
    done = command("optimizer.lr=-1")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "Traceback (most recent call last)" in (only_run(own_folder) / "run.log").read_text()


def test_hydra_full_error_still_gives_the_traceback(command):
    done = command("optimizer.lr=-1", HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr


def test_a_file_where_the_folder_should_be(command, own_folder):
    (own_folder / "outputs").write_text("")
    done = command(*SMALL)
    assert done.returncode == 1
    assert lines_of(done)[0].startswith("error: cannot write the output folder")
    assert "hydra.run.dir=" in lines_of(done)[1]
    assert len(lines_of(done)) == 2


@pytest.fixture
def tiny_disk(own_folder):
    """A real file system of 200 KiB."""
    disk = own_folder / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said(command, tiny_disk):
    done = command("trainer.max_epochs=3", f"hydra.run.dir={tiny_disk}/run")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "No space left on device" in lines_of(done)[0]
    assert str(tiny_disk) in lines_of(done)[0]
    assert len(lines_of(done)) == 2


def test_a_read_only_disk_is_said(command, tiny_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    done = command("trainer.max_epochs=3", f"hydra.run.dir={tiny_disk}/run")
    assert done.returncode == 1
    assert "Read-only file system" in lines_of(done)[0]
    assert len(lines_of(done)) == 2


def started(own_folder: Path, *overrides: str) -> pexpect.spawn:
    """A run on a terminal that would train for long."""
    arguments = ["-m", "lightning_sweeps", "model=mlp", "trainer.max_epochs=100000", *overrides]
    return pexpect.spawn(
        sys.executable, arguments, cwd=str(own_folder), timeout=200, encoding="utf-8", dimensions=(40, 160)
    )


def test_ctrl_c_saves_and_the_printed_command_goes_on(own_folder):
    child = started(own_folder)
    child.expect(r"epoch +3 ")
    child.sendintr()
    kept = r"(?:saved|the last epoch's checkpoint is) (\S+last.ckpt)"  # the latter if it came between two epochs
    child.expect(rf"interrupted in epoch \d+; {kept}. Go on with:\r\n(python -m lightning_sweeps .*?)\r\n")
    checkpoint, again = child.match.groups()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    run = only_run(own_folder)
    assert json.loads((run / "result.json").read_text())["status"] == "interrupted"
    saved = torch.load(own_folder / checkpoint, weights_only=True)

    typed = again.replace("python", sys.executable, 1) + f" trainer.max_steps={saved['global_step'] + 5} test=false"
    done = subprocess.run(typed, shell=True, cwd=own_folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    newest = max((own_folder / "outputs" / "runs").glob("*/*/result.json"), key=lambda file: file.stat().st_mtime)
    assert json.loads(newest.read_text())["steps"] == saved["global_step"] + 5


def test_ctrl_c_while_starting_leaves_quietly(own_folder):
    child = started(own_folder)
    while "torch" not in Path(f"/proc/{child.pid}/maps").read_text():
        time.sleep(0.01)
    child.sendintr()
    said = child.read()
    child.close()
    assert child.exitstatus == 130
    assert "Traceback" not in said


def test_kill_leaves_a_checkpoint_to_go_on_from(command, own_folder):
    child = started(own_folder)
    child.expect(r"epoch +4 ")
    os.kill(child.pid, signal.SIGKILL)
    child.expect(pexpect.EOF)
    checkpoint = only_run(own_folder) / "checkpoints" / "last.ckpt"
    epoch = torch.load(checkpoint, weights_only=True)["epoch"]
    done = command("model=mlp", f"ckpt_path={checkpoint}", f"trainer.max_epochs={epoch + 2}", "hydra.run.dir=on")
    assert done.returncode == 0, done.stderr
    assert json.loads((own_folder / "on" / "result.json").read_text())["epochs"] == epoch + 2


def test_a_terminal_gets_a_bar_and_a_line_per_epoch(own_folder):
    child = started(own_folder, "model=mlp", "trainer.max_epochs=2", "datamodule.batch_size=2", "test=false")
    child.expect(r"epoch 0/1 .*it/s  loss ")
    child.expect(r"epoch +1 .*val/accuracy")
    child.expect("everything is in")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_two_processes_make_one_run(command, own_folder):
    done = command("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_epochs=4", "model=mlp")
    assert done.returncode == 0, done.stderr
    run = only_run(own_folder)
    found = json.loads((run / "result.json").read_text())
    assert found["steps"] == 4 * 10, "each process has half of the 20 batches"
    assert found["metrics"]["test/accuracy"] > 0.8
    assert done.stdout.count("stage fit") == 1
    assert done.stdout.count("everything is in") == 1


def test_an_error_in_two_processes_is_said_once(command):
    done = command("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "objective.metric=val/acc")
    assert done.returncode == 1
    assert done.stderr.count("this metric is never logged") == 1


def test_profile_leaves_a_trace_of_training(command, own_folder):
    done = command("trainer=profile", "test=false")
    assert done.returncode == 0, done.stderr
    (file,) = only_run(own_folder).glob("fit-profile*training_step*.json")
    names = {event.get("name", "") for event in json.loads(file.read_text())["traceEvents"]}
    assert any("training_step" in name for name in names)
    assert any("aten::" in name for name in names)


def test_the_stock_sweeper_runs_the_app_over_values(command, own_folder):
    done = command("-m", "hydra/sweeper=basic", "model=mlp", "optimizer.lr=1e-3,1e-2", "trainer.max_epochs=1")
    assert done.returncode == 0, done.stderr
    results = sorted((own_folder / "outputs" / "sweeps").glob("*/*/*/result.json"))
    assert [file.parent.name for file in results] == ["0", "1"]
    assert len({json.loads(file.read_text())["objective"] for file in results}) == 2


EXAMPLE = Path(__file__).parent.parent / "examples" / "own_project"


@pytest.fixture
def example(own_folder):
    """The example, away from this repository."""
    target = own_folder / "elsewhere"
    shutil.copytree(EXAMPLE, target)
    return target


def test_an_own_project_trains_with_its_own_command(command, example, own_folder):
    done = command("experiment=diabetes", module="own_project", PYTHONPATH=str(example))
    assert done.returncode == 0, done.stderr
    found = json.loads((only_run(own_folder) / "result.json").read_text())
    assert found["objective_metric"] == "val_loss"
    assert found["objective"] < 0.5
    helped = command("--help", module="own_project", PYTHONPATH=str(example))
    assert "regression" in helped.stdout
    assert "mlp" in helped.stdout


def test_an_own_project_is_trusted_from_the_environment_or_not_at_all(command, example):
    arguments = ["--config-dir", str(example / "own_project" / "conf"), "experiment=diabetes", "trainer.max_epochs=1"]
    done = command(*arguments, PYTHONPATH=str(example))
    assert done.returncode == 1
    assert "LIGHTNING_SWEEPS_TRUST=package" in done.stderr
    done = command(*arguments, PYTHONPATH=str(example), LIGHTNING_SWEEPS_TRUST="own_project")
    assert done.returncode == 0, done.stderr


def test_a_closed_pipe_is_no_error(own_folder):
    typed = f"{shlex.quote(sys.executable)} -m lightning_sweeps -sc install=bash | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", typed], capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
