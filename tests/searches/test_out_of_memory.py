"""Trials that run out of memory: what counts as that, what samplers learn of it, and smaller batches."""

import json
from pathlib import Path

import optuna
import pytest
import torch
from omegaconf import OmegaConf
from optuna.samplers import TPESampler
from optuna.trial import TrialState
from search_commands import rows, start, study, wait_until

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.execute.task import is_out_of_memory
from lightning_sweeps.searches.study.informed import OUT_OF_MEMORY, informed
from lightning_sweeps.searches.study.smaller_batches import halves, require_way

APP = """
import os, time
from pathlib import Path
import hydra
from lightning_sweeps import current_trial

@hydra.main(config_path="conf", config_name="config")
def objective(cfg):
    trial = current_trial()
    with open(f"{trial.number}.log", "a") as file:
        file.write(f"{cfg.seed} {cfg.batch_size} {cfg.trainer.accumulate_grad_batches} {trial.restarted}\\n")
    if cfg.batch_size > cfg.memory:
        if cfg.hidden: raise RuntimeError("a step failed") from MemoryError("no memory left")
        raise MemoryError("no memory left")
    while cfg.waits and not Path("go").exists():
        time.sleep(0.01)
    return cfg.x + cfg.seed

if __name__ == "__main__":
    objective()
"""
CONFIG = """
defaults:
  - override hydra/sweeper: study
x: 1.0
seed: 0
memory: 128
hidden: false
waits: false
batch_size: 64
trainer: {accumulate_grad_batches: 1}
hydra:
  sweeper:
    report: false
    on_oom: halve_batch
"""
SEARCH = ["batch_size=64,512"]


@pytest.fixture
def program(own_folder):
    (own_folder / "conf").mkdir()
    (own_folder / "conf/config.yaml").write_text(CONFIG)
    (own_folder / "app.py").write_text(APP)
    return own_folder / "app.py"


@pytest.fixture
def search(program, python_without_torch):
    return lambda *overrides: python_without_torch(str(program), "-m", "hydra.sweep.dir=s", *overrides)


def log(trial):
    return Path(f"{trial}.log").read_text().splitlines()


def raised(function):
    try:
        function()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def test_what_counts_as_out_of_memory():
    assert is_out_of_memory(raised(lambda: torch.empty(2**60)))  # the real allocator's
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "minimize"]])
def test_a_sampler_stays_away_from_what_needed_too_much(directions):
    """The value falls with the width, and above 60 there is no memory: unless it learns so, it draws little else."""

    def drawn(wrap):
        found = optuna.create_study(directions=directions, sampler=wrap(TPESampler(seed=1, n_startup_trials=10)))
        for _ in range(60):
            trial = found.ask()
            width = trial.suggest_float("width", 0, 100)
            if width > 60:
                trial.set_user_attr(OUT_OF_MEMORY, True)
                found.tell(trial, state=TrialState.FAIL)
            else:
                found.tell(trial, [-width] * len(directions))
        return sum(one.params["width"] > 60 for one in found.trials[10:])

    assert drawn(informed) < 0.6 * drawn(lambda sampler: sampler)


def test_what_is_halved():
    config = OmegaConf.create(
        {"datamodule": {"batch_size": 96}, "batch_size": 7, "trainer": {"accumulate_grad_batches": 2}}
    )
    assert halves(config) == ["datamodule.batch_size=48", "trainer.accumulate_grad_batches=4"]
    config.datamodule.batch_size = 3
    assert halves(config) == [], "other samples would make a step"


@pytest.mark.parametrize(
    ("way", "config", "said"),
    [
        ("halve", {}, "on_oom=halve: it is fail or halve_batch. Did you mean 'halve_batch'"),
        ("halve_batch", {"trainer": {"accumulate_grad_batches": 1}}, "a whole number at none of datamodule.batch_size"),
        ("halve_batch", {"batch_size": 8}, "at none of trainer.accumulate_grad_batches"),
        (
            "halve_batch",
            {"batch_size": 8, "trainer": {"accumulate_grad_batches": 1, "limit_train_batches": 20}},
            "limit_train_batches=20 counts batches",
        ),
    ],
)
def test_a_config_without_a_place_for_it_is_refused(way, config, said):
    with pytest.raises(ConfigError) as refused:
        require_way(way, OmegaConf.create(config))
    assert said in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", ["false", "true"])
def test_it_is_run_again_with_half_the_batch(search, hidden):
    done = search(*SEARCH, f"hidden={hidden}")
    assert done.returncode == 0, done.stderr
    assert log(0) == ["0 64 1 False"]
    assert log(1) == ["0 512 1 False", "0 256 2 True", "0 128 4 True"]
    assert "trial 1: " in done.stdout
    assert "it is run again with batch_size=128 trainer.accumulate_grad_batches=4" in done.stdout
    trial = study().trials[1]
    assert (trial.state, trial.params) == (TrialState.COMPLETE, {"batch_size": 512})
    assert trial.user_attrs["overrides"][-2:] == ["batch_size=128", "trainer.accumulate_grad_batches=4"]


@pytest.mark.slow
def test_without_the_option_it_has_failed_and_is_told_apart(search):
    done = search(*SEARCH, "hydra.sweeper.on_oom=fail")
    assert done.returncode == 0, done.stderr
    assert log(1) == ["0 512 1 False"]
    assert study().trials[1].user_attrs[OUT_OF_MEMORY] is True
    assert rows()[1]["reason"] == "MemoryError: no memory left"


@pytest.mark.slow
def test_what_cannot_be_halved_any_more_has_failed(search):
    assert search("batch_size=4,12", "memory=4").returncode == 0
    assert log(1) == ["0 12 1 False", "0 6 2 True", "0 3 4 True"]
    assert [row["state"] for row in rows()] == ["COMPLETE", "COMPLETE"]
    assert search("batch_size=4,12", "memory=2", "hydra.sweep.dir=t").returncode == 0
    assert rows(Path("t"))[1]["reason"] == "MemoryError: no memory left"


@pytest.mark.slow
def test_a_trial_of_several_parts_is_halved_once(search, python_without_torch):
    done = search("batch_size=64,256", "hydra.sweeper.repeats=2", "hydra.sweeper.n_jobs=1")
    assert done.returncode == 0, done.stderr
    assert log(1) == ["0 256 1 False", "0 128 2 True", "1 128 2 True"]
    assert [trial.value for trial in study().trials] == [1.5, 1.5]
    more = ["--trial", "1", "--seeds", "2", "hydra.sweep.dir=seeds"]
    done = python_without_torch("-m", "lightning_sweeps.rerun", "s", *more)
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in rows(Path("seeds/trial_1"))] == ["COMPLETE"] * 2


@pytest.mark.slow
@pytest.mark.usefixtures("forks")
def test_killed_after_it_was_halved_it_goes_on_with_the_smaller_batch(program, python_without_torch):
    supervisor = start(program, "batch_size=512", "waits=true", "hydra.sweeper.n_trials=1")
    wait_until(lambda: Path("1.log").is_file() or (Path("0.log").is_file() and len(log(0)) == 3))
    supervisor.kill()
    supervisor.communicate()
    Path("go").touch()
    done = python_without_torch("-m", "lightning_sweeps.resume", "s")
    assert done.returncode == 0, done.stderr
    assert log(0)[2:] == ["0 128 4 True", "0 128 4 True"]
    (trial,) = study().trials
    assert trial.user_attrs["overrides"][-1] == "trainer.accumulate_grad_batches=4"
    assert json.loads(json.dumps(trial.user_attrs["seconds"])) < 60
