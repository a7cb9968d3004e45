"""What every storage of a study must do."""

import csv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(params=["journal", "sqlite"])
def storage(request) -> list[str]:
    return {"journal": [], "sqlite": ["hydra.sweeper.storage='sqlite:///study.db'"]}[request.param]


def rows() -> list[dict[str, str]]:
    with Path("s/trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_study_goes_on_where_it_was(sweep, storage):
    search = ["x=interval(-5.0,5.0)", "hydra.sweeper.sampler.seed=3", *storage]
    assert sweep(*search, "hydra.sweeper.n_trials=3").returncode == 0
    first = rows()
    done = sweep(*search, "hydra.sweeper.n_trials=5", "hydra.sweeper.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert [int(row["number"]) for row in rows()] == [0, 1, 2, 3, 4]
    assert rows()[:3] == first
    assert not Path("s-2").exists()


def test_a_used_up_budget_runs_nothing(sweep, storage):
    search = ["x=interval(-5.0,5.0)", "hydra.sweeper.n_trials=2", *storage]
    assert sweep(*search).returncode == 0
    before = Path("pids").read_text()
    done = sweep(*search)
    assert done.returncode == 0
    assert "ended by n_trials=2" in done.stdout
    assert Path("pids").read_text() == before


def test_another_space_is_refused_with_the_difference(sweep, storage):
    assert sweep("x=interval(-5.0,5.0)", "hydra.sweeper.n_trials=1", *storage).returncode == 0
    done = sweep("x=interval(-6.0,5.0)", *storage)
    assert done.returncode == 1
    assert "Changed: x" in done.stderr
