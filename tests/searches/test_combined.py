"""Conditions, zips, repeats, a warm start and several objectives in one search on two slots, killed again and again."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from search_commands import gone, start, study, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forks_without_torch")]
KILLS = 10
SPACE = """
    direction: [minimize, maximize]
    n_trials: 14
    n_jobs: 2
    repeats: 3
    params:
      x: interval(-5.0,5.0)
      kind: a,b,c
      size: zip(y=choice(1,2,3), steps=choice(0,2,4))
      z: interval(0.0,1.0)
      w: choice(1,2)
    conditions:
      z: kind=a,b
      w: [kind=b, z>0.3]
    warm_start:
      - {x: 0.5, kind: b, z: 0.5, w: 2}
      - {kind: c}
"""
CONFIG = "x: 1.0\nseed: 5\nkind: a\nz: 0.0\nw: 0"


def found(folder: str):
    """What a search came to: of each trial its parameters, values and parts."""
    trials = study(Path(folder)).trials
    return [(trial.params, trial.values, trial.user_attrs.get("parts")) for trial in trials]


def begun(parts: Path) -> int:
    """How many parts of trials have begun so far."""
    return len(parts.read_text().split()) if parts.is_file() else 0


def test_a_search_with_everything_that_is_killed_ten_times_is_the_undisturbed_one(app, sweep):
    config = app.parent / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("x: 1.0", CONFIG).rstrip() + SPACE)
    values = "return cfg.x ** 2 + cfg.y + cfg.seed / 10 + cfg.z, cfg.w + cfg.seed"
    app.write_text(app.read_text().replace("return cfg.x ** 2 + cfg.y", values))
    search = ["hydra/sweeper/sampler=random", "hydra.sweeper.sampler.seed=3", "sleep=0.2"]
    assert sweep(*search, "hydra.sweep.dir=undisturbed").returncode == 0
    draw = random.Random(time.time())
    moments = []
    parts = app.parent / "pids"
    parts.unlink()
    for _ in range(KILLS):
        process = start(app, *search)
        before = begun(parts)
        wait_until(lambda before=before: begun(parts) > before)
        moments.append(draw.uniform(0.0, 0.2))  # a part takes 0.2 s, and its slot's next one may be hit too
        time.sleep(moments[-1])
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert gone(process.pid)
    last = sweep(*search)
    assert last.returncode == 0, (moments, last.stderr)
    assert found("s") == found("undisturbed"), moments
    assert all(len(parts) == 3 for *_, parts in found("s"))
    kinds = {params["kind"]: ("z" in params, params.get("z", 0) > 0.3, "w" in params) for params, *_ in found("s")}
    assert kinds["c"] == (False, False, False)
    assert found("s")[0][0] | {"size": None} == {"x": 0.5, "kind": "b", "size": None, "z": 0.5, "w": 2}
