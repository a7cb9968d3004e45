"""A search that ends when what is left to gain is less than the noise of a value."""

import pytest
from search_commands import study

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.terminator import require_terminator


def test_wrong_ones_are_said():
    assert require_terminator(None, 2) is False
    with pytest.raises(ConfigError, match=r"terminator=aut: it is auto, or null\. Did you mean 'auto'"):
        require_terminator("aut", 1)
    with pytest.raises(ConfigError, match="one objective, and there are several"):
        require_terminator("auto", 2)


@pytest.mark.slow
def test_it_ends_where_seeds_differ_more_than_points_do(sweep, app):
    config = app.parent / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("x: 1.0", "x: 1.0\nseed: 1"))
    noisy = "return 0.001 * cfg.x ** 2 + hash((cfg.seed, cfg.x)) % 1000 / 1000"
    app.write_text(app.read_text().replace("return cfg.x ** 2 + cfg.y", noisy))
    search = ["x=interval(-1.0,1.0)", "hydra.sweeper.n_trials=60", "hydra.sweeper.repeats=3", "hydra.sweeper.n_jobs=2"]
    done = sweep(*search, "hydra.sweeper.terminator=auto", "hydra.sweeper.sampler.seed=1")
    assert done.returncode == 0, done.stderr
    assert "Ended by terminator: at most " in done.stdout
    assert 20 <= len([trial for trial in study().trials if trial.state.name == "COMPLETE"]) < 60
    again = sweep(*search, "hydra.sweeper.sampler.seed=1", "hydra.sweeper.n_trials=25")  # without it the search goes on
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_it_waits_where_nothing_tells_of_noise(sweep):
    done = sweep("x=interval(-1.0,1.0)", "hydra.sweeper.n_trials=24", "hydra.sweeper.terminator=auto")
    assert done.returncode == 0, done.stderr
    assert "Finished 24 of 24 trials" in done.stdout
