"""``--json``: one document on stdout, for programs that read."""

import json
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
QUICK = ["model=mlp", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.accelerator=cpu"]


def test_a_run_prints_its_result(own_folder, command):
    done = command("--json", *QUICK, "hydra.run.dir=run", "test=false")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("folder") == str(own_folder / "run")
    assert found == json.loads(Path("run/result.json").read_text())
    assert "everything is in" in done.stderr
    kept = yaml.safe_load(Path("run/.hydra/hydra.yaml").read_text())["hydra"]
    assert "--json" not in json.dumps({name: value for name, value in kept.items() if name != "help"})


def test_a_search_prints_its_summary_and_so_does_its_report(own_folder, command):
    more = ["hydra.sweep.dir=s", "hydra.sweeper.report=false", "hydra.sweeper.max_failure_rate=1"]
    done = command("-m", "--json", *QUICK, "optimizer=sgd", "optimizer.lr=0.1,1e30,0.01", "trainer.max_epochs=3", *more)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["folder"] == str(own_folder / "s")
    assert (found["metric"], found["directions"], found["n_trials"]) == ("val/accuracy", ["maximize"], 3)
    assert found["trials"] == {"complete": 2, "pruned": 0, "failed": 1, "unfinished": 0}
    best = found["best"]
    assert best["state"] == "COMPLETE"
    assert (Path("s") / best["checkpoint"]).is_file()
    assert best["folder"] == str(best["number"])
    assert f"optimizer.lr={best['params']['optimizer.lr']}" in best["overrides"]
    assert found["front"] is None
    assert "trial   1  failed: " in done.stderr
    assert "--json" not in json.dumps(json.loads(Path("s/provenance.json").read_text())[0]["program"])
    reported = command("s", "--json", module="lightning_sweeps.report")
    told = json.loads(reported.stdout)
    assert [row["state"] for row in told.pop("rows")] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert told == found


def test_a_failed_search_prints_its_summary_and_a_mistake_nothing(own_folder, command):
    failing = ["optimizer=sgd", "optimizer.lr=1e30", "seed=1,2", "trainer.max_epochs=3", "hydra.sweep.dir=s"]
    done = command("-m", "--json", *QUICK, *failing)
    assert done.returncode == 1
    assert json.loads(done.stdout)["trials"]["failed"] == 2
    assert json.loads(done.stdout)["best"] is None
    assert "error: the search ended by failures" in done.stderr
    for wrong in (["--json", "model=mlpp"], ["-m", "--json", "model=mlpp,cnn"]):
        done = command(*wrong)
        assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("multirun", [[], ["-m"]])
def test_a_config_is_printed(own_folder, command, multirun):
    done = command(*multirun, "--cfg", "job", "--json", "search=quick", "seed=3")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    config = found["first_trial"]["config"] if multirun else found
    assert config["seed"] == 3
    assert config["optimizer"]["_target_"] == "torch.optim.AdamW"
    assert not list(own_folder.iterdir())
