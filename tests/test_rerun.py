"""A trial of a search once more: the same number, other seeds, an experiment."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import composed
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from search_commands import rows, study, wait_until

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.rerun.composition import Primary, drift, experiment

PRIMARY = Primary(CONF, "config")
SEARCH = [
    *("-m", "model=mlp", "model.net.width=8,16", "optimizer=sgd,adam", "trainer.max_epochs=2", "hydra.sweep.dir=s"),
    *("hydra.sweeper.n_jobs=2", "datamodule.augmentation.shift=1"),
]
RERUN = "lightning_sweeps.rerun"


def config_of(*overrides: str) -> dict[str, object]:
    with composed(*overrides, folder=Path("run")) as config:
        return OmegaConf.to_container(config, resolve=False)


def test_nothing_has_drifted_in_what_was_just_composed():
    typed = ["search=mnist_mlp", "optimizer.lr=0.003", "callbacks=[default,early_stopping]", "scheduler=onecycle"]
    assert drift(config_of(*typed), PRIMARY, typed) == []


@pytest.mark.parametrize(
    ("typed", "changed"),
    [
        (["optimizer.lr=0.5"], "++optimizer.lr=0.5"),
        (["trainer.precision=null"], "++trainer.precision=null"),
        (["model.net.width=[8,16]", "model=mlp"], "++model.net.width=[8,16]"),
        (["+note='it\\'s, {a=b}: \\\\'"], None),
        (["+trainer.limit_val_batches=1.0"], "++trainer.limit_val_batches=1.0"),
        (["+deep={a: {b: [1, null, true]}, c d: x}"], None),
        (["~callbacks.progress"], "~callbacks.progress"),
        (["+seed2=${seed}"], None),
    ],
    ids=str,
)
def test_what_has_drifted_comes_back_as_overrides(typed, changed):
    groups = [override for override in typed if override == "model=mlp"]
    wanted = config_of(*typed)
    found = drift(wanted, PRIMARY, groups)
    assert changed is None or changed in found
    assert drift(wanted, PRIMARY, [*groups, *found]) == []
    assert config_of(*groups, *found) == wanted


def test_an_experiment_has_the_choices_and_the_values_that_differ():
    typed = ["search=mnist_mlp", "optimizer.lr=0.003", "callbacks=[default,early_stopping]"]
    with composed(*typed, folder=Path("run")):
        choices = OmegaConf.to_container(HydraConfig.get().runtime.choices)
    choices["callbacks"] = ["default", "early_stopping"]
    text = experiment(config_of(*typed), choices, PRIMARY, "mine", "python x.py", "about it")
    assert text.startswith("# @package _global_\n# python x.py experiment=mine\n# about it\n")
    content = OmegaConf.to_container(OmegaConf.create(text))
    groups = {key: value for one in content.pop("defaults") for key, value in one.items()}
    assert groups == {
        "override /model": "mlp",
        "override /optimizer": "adam",
        "override /datamodule": "mnist",
        "override /callbacks": ["default", "early_stopping"],
    }
    assert content == {"optimizer": {"lr": 0.003}, "trainer": {"max_epochs": 3}}


def choices_of(*typed: str) -> dict[str, object]:
    with composed(*typed, folder=Path("run")):
        return OmegaConf.to_container(HydraConfig.get().runtime.choices)


def test_an_experiment_cannot_take_a_key_away():
    with pytest.raises(ConfigError, match=r"the run has no callbacks.progress.*\nLeave --to-experiment out"):
        experiment(config_of("~callbacks.progress"), choices_of("~callbacks.progress"), PRIMARY, "mine", "", "")


def test_an_experiment_can_leave_a_group_out_and_have_its_own_instead():
    typed = ["~model", "+model={_target_:lightning.pytorch.demos.boring_classes.BoringModel}"]
    text = experiment(config_of(*typed), choices_of(*typed), PRIMARY, "mine", "", "")
    assert {"override /model": None} in OmegaConf.to_container(OmegaConf.create(text))["defaults"]


@pytest.mark.slow
def test_trials_come_back(own_folder, command):
    searched = command(*SEARCH)
    assert searched.returncode == 0, searched.stderr
    assert searched.stdout.count("python -m lightning_sweeps.rerun s") == 1
    best = OmegaConf.load("s/best.yaml")
    assert (best.epochs, best.seed) == (2, 0)
    assert best.seconds > 0
    assert Path("s", best.checkpoint).is_file()
    assert not any(name.startswith("test/") for name in study().best_trial.user_attrs)

    once = command("s", module=RERUN)
    assert once.returncode == 0, once.stderr
    assert f"trial {best.number}: val/accuracy" in once.stdout
    assert "the same to the last bit as in the search" in once.stdout
    (run,) = own_folder.glob("outputs/runs/*/*/trial_*")
    result = json.loads((run / "result.json").read_text())
    assert result["objective"] == best.value
    assert "test/accuracy" in result["metrics"]

    two = command("s", "--top", "2", "trainer.max_epochs=1", "hydra.run.dir=two", module=RERUN)
    assert two.returncode == 0, two.stderr
    numbers = [row["number"] for row in sorted(rows(), key=lambda row: (-float(row["value"]), int(row["number"])))]
    assert sorted(folder.name for folder in Path("two").iterdir()) == sorted(f"trial_{one}" for one in numbers[:2])
    assert len(re.findall(r"; in the search 0\.\d+", two.stdout)) == 2

    seeds = command("s", "--trial", "1", "--seeds", "3", "hydra.sweep.dir=seeds", module=RERUN)
    assert seeds.returncode == 0, seeds.stderr
    found = {row["seed"]: float(row["value"]) for row in rows(Path("seeds/trial_1"))}
    assert set(found) == {"1", "2", "3"}
    mean, spread = statistics.mean(found.values()), statistics.stdev(found.values())
    assert f"{mean:.6g} ± {spread:.2g} (mean ± standard deviation of 3 seeds from 1 on)" in seeds.stdout

    for typed, said in (
        (["s", "--trial", "9"], "no trial 9: its trials are counted from 0 to 3"),
        (["nowhere"], "nowhere: no such folder"),
        (["."], "no search here (it has no multirun.yaml)."),
        (["s", "--to-experiment", "../x"], "a name has letters, digits, - and _"),
        (["s", "--to-experiment", "mnist_mlp"], "is there already"),
        (["s", "--to-experiment", "x", "a=1"], "writes one trial as it was"),
    ):
        refused = command(*typed, module=RERUN)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("forks")
def test_a_rerun_that_is_stopped_has_failed(own_folder, command):
    assert command(*SEARCH, "hydra.sweeper.n_jobs=1", "optimizer=adam").returncode == 0
    rerun = subprocess.Popen(
        [sys.executable, "-m", RERUN, "s", "trainer.max_epochs=100000", "hydra.run.dir=again"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: bool(list(Path("again").glob("*/metrics.csv"))), seconds=120)
    rerun.send_signal(signal.SIGTERM)
    output, _ = rerun.communicate()
    assert rerun.returncode != 0
    assert "in the search" not in output


@pytest.mark.slow
def test_a_mistake_leaves_no_folder(own_folder, command):
    assert command(*SEARCH, "optimizer=adam", "trainer.max_epochs=1").returncode == 0
    done = command("s", "optimzer.lr=1", module=RERUN)
    assert done.returncode == 1
    assert "no such key" in done.stderr
    assert not list(own_folder.glob("outputs/runs/*/*"))
    assert "name the search's folder" in command("sqlite:///study.db", module=RERUN).stderr


@pytest.mark.slow
def test_a_program_of_ones_own(app, sweep, command):
    searched = sweep("x=3.0,1.0", "y=5")
    assert searched.returncode == 0, searched.stderr
    found = command("s", module=RERUN)
    assert found.returncode == 0, found.stderr
    assert "app.py -m x=1.0 y=5 " in found.stdout
    assert "trial 1: value 6, the same to the last bit as in the search; s-again/" in found.stdout
    as_json = json.loads(command("s", "--json", "y=6", module=RERUN).stdout)
    assert [(one["trial"], one["values"], one["values_in_the_search"]) for one in as_json] == [(1, [7.0], [6.0])]
    assert "config has no key 'seed'" in command("s", "--seeds", "2", module=RERUN).stderr
    file = app.parent / "conf" / "config.yaml"
    file.write_text(file.read_text().replace("sleep: 0.0", "sleep: 0.25"))
    again = command("s", module=RERUN)
    assert again.returncode == 0, again.stderr
    assert "The config files have changed since trial 1; it is run as it was: ++sleep=0.0" in again.stderr
    refused = command("s", "--to-experiment", "mine", module=RERUN)
    assert "must begin with _self_" in refused.stderr
    file.write_text(file.read_text().replace("defaults:\n", "defaults:\n  - _self_\n"))
    made = command("s", "--to-experiment", "mine", module=RERUN)
    assert made.returncode == 0, made.stderr
    assert OmegaConf.load("conf/experiment/mine.yaml") == {"y": 5, "sleep": 0.0}
    assert "# python app.py +experiment=mine\n" in Path("conf/experiment/mine.yaml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("subdir", ["myconf", "null", ".hydra"])
def test_a_rerun_finds_the_composed_config_where_it_was_kept(app, sweep, command, subdir):
    """Also in a search that has been moved, whose trials' folders have slashes in their names."""
    named = f"hydra.sweep.subdir='a/{subdir}/${{hydra.job.num}}'"
    assert sweep("x=3.0,1.0", f"hydra.output_subdir={subdir}", named).returncode == 0
    config = app.parent / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("y: 0", "y: 99"))
    Path("s").rename("moved")
    again = command("moved", module=RERUN)
    assert again.returncode == 0, again.stderr
    if subdir == "null":
        assert "composed config of trial 1 is gone, or was not kept (hydra.output_subdir)" in again.stderr
    else:
        assert "it is run as it was: ++y=0" in again.stderr


@pytest.mark.slow
def test_a_rerun_has_the_number_that_its_trial_had(app, sweep, command):
    assert sweep("x=3.0,1.0", "+seed='${hydra:job.num}'", "y='${seed}'").returncode == 0
    assert "hydra.job.num=1" in OmegaConf.to_container(OmegaConf.load("s/best.yaml"))["command"]
    assert command("s", module=RERUN).returncode == 0
    (composed_again,) = Path("s-again").rglob(".hydra/hydra.yaml")
    assert OmegaConf.load(composed_again).hydra.job.num == 1


@pytest.mark.slow
def test_an_experiment_lies_in_the_persons_own_folder_of_configs(own_folder, command):
    own = Path("cfg/model")
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(MINE)
    typed = ["--config-dir=cfg", "model=mine", "optimizer.lr=0.1,0.01", "trainer.max_epochs=1", "hydra.sweep.dir=s"]
    searched = command("-m", *typed, "hydra.sweeper.report=false")
    assert searched.returncode == 0, searched.stderr
    made = command("s", "--to-experiment", "best", module=RERUN)
    assert made.returncode == 0, made.stderr
    assert "written to cfg/experiment/best.yaml" in made.stdout
    (line,) = re.findall(
        r"^# python -m lightning_sweeps (.*)$", Path("cfg/experiment/best.yaml").read_text(), re.MULTILINE
    )
    again = command(*line.split(), "hydra.run.dir=run")
    assert again.returncode == 0, again.stderr
    values = [float(row["value"]) for row in rows()]
    assert json.loads(Path("run/result.json").read_text())["objective"] == max(values)


MINE = """
_target_: lightning_sweeps.models.Classifier
_recursive_: false
_convert_: all
net: {_target_: lightning_sweeps.models.MLP, image_shape: '???', num_classes: '???', width: 8}
"""


@pytest.mark.slow
def test_a_network_that_was_built_too_early_says_which_line_is_missing(own_folder, command):
    own = Path("cfg/model")
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(MINE.replace("_recursive_: false\n", ""))
    done = command("--config-dir=cfg", "model=mine", "hydra.run.dir=run")
    assert done.returncode == 1
    assert "model.net: it was built before the Classifier" in done.stderr
    assert "_recursive_: false" in done.stderr


SEVERAL = """
import hydra

@hydra.main(config_path="conf", config_name="config")
def train(cfg):
    return cfg.x, -cfg.x

if __name__ == "__main__":
    train()
"""


@pytest.mark.slow
def test_a_program_of_ones_own_with_several_objectives(app, python_without_torch, command):
    app.write_text(SEVERAL)
    typed = ["x=1.0,2.0", "hydra.sweeper.direction=[minimize,maximize]", "hydra.sweep.dir=s"]
    assert python_without_torch("app.py", "-m", *typed).returncode == 0
    refused = command("s", module=RERUN)
    assert re.search(r"choose of its Pareto front: --front, or --trial [01]( or --trial [01])?\n", refused.stderr)
    again = command("s", "--trial", "1", "--json", module=RERUN)
    assert again.returncode == 0, again.stderr
    (told,) = json.loads(again.stdout)
    assert told["values"] == told["values_in_the_search"]
    assert len(told["values"]) == 2
    assert "the same to the last bit as in the search" in again.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("forks")
def test_an_interrupted_rerun_is_said_in_json(app, sweep):
    assert sweep("x=1.0").returncode == 0
    command = [sys.executable, "-m", RERUN, "s", "--json", "sleep=300"]
    rerun = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_until(lambda: len(list(Path().glob("s-again/*/*/trial_0/0/.hydra/config.yaml"))) == 1, 60)
    os.killpg(rerun.pid, signal.SIGINT)
    output, _ = rerun.communicate(timeout=60)
    assert rerun.returncode == 130
    assert [(one["trial"], one["status"], one["values"]) for one in json.loads(output)] == [(0, "interrupted", [])]
