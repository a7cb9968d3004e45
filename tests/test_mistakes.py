"""A mistake in a command line is said in at most three lines, before anything is trained, with what to type instead."""

import pytest

ONE = "optimizer.lr=interval(0.1,0.2)"
MISTAKES = {
    "train": "train: a run has overrides, key=value, and no commands; a search has -m before them",
    "+trainer.max_steps=50": "+trainer.max_steps: it is there already; leave out the +",
    "trainer.max_epochs=1.5": "trainer.max_epochs=1.5: this must be a whole number",
    "hydra/sweeper/sampler=bayes": "sampler=bayes: no such option.\nOptions of hydra/sweeper/sampler: auto,",
    "objective.mode=maximum": "objective.mode=maximum: it is min or max",
    "objective.metric=": "objective.metric is empty: name a logged metric",
    "trainer=gpuu": "trainer=gpuu: no such option. Did you mean 'gpu'?",
    "-m optimizer.lr=abc,def": "optimizer.lr=abc: this must be a number, as in adamw.yaml",
    "-m optimizer.lr=interval(0,inf)": "optimizer.lr=interval(0,inf): a range has two finite ends",
    "-m optimizer.lr=interval(nan,1)": "optimizer.lr=interval(nan,1):",
    "-m optimizer.lr=interval(1,0)": "optimizer.lr=interval(1,0): `low <= high` must hold",
    "-m model=cnn,cnnn": "model=cnnn: no such option. Did you mean 'cnn'?",
    "-m model.net.width=int(interval(0,18446744073709551615))": "Optuna keeps no integers from 2**53 on in a range",
    f"-m {ONE} +hydra.sweeper.nope=1": "hydra.sweeper.nope: no such option.",
    f"-m {ONE} +hydra.sweeper.n_trial=1": "hydra.sweeper.n_trial: no such option. Did you mean 'n_trials'?",
    f"-m {ONE} hydra.sweeper.target=nan": "hydra.sweeper.target=nan: it is the value at which the search may end",
    f"-m {ONE} hydra.sweeper.direction=[]": "hydra.sweeper.direction=[]: it is minimize or maximize, or a list of them",
    f"-m {ONE} hydra.sweeper.storage={{_target_:x}}": "it is an Optuna storage URL, such as sqlite:///study.db",
}


@pytest.mark.slow
@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_said_before_the_first_trial(command, own_folder, line):
    done = command(*line.split())
    assert done.returncode == 1, done.stdout
    assert MISTAKES[line] in done.stderr
    assert len(done.stderr.splitlines()) <= 3
    assert "Traceback" not in done.stderr
    assert not list(own_folder.rglob("*.ckpt"))


@pytest.mark.slow
def test_the_folder_of_a_data_base_is_made(sweep):
    assert sweep("x=1,2", "hydra.sweeper.storage=sqlite:///data/bases/study.db").returncode == 0
