"""A rehearsal says nothing of what it cannot know, and never ends a search for that."""

import threading
from multiprocessing import Pipe

from omegaconf import OmegaConf

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.searches.execute.rehearsal import Rehearsal
from lightning_sweeps.searches.execute.rehearsing import Rehearsing
from lightning_sweeps.searches.execute.task import READY


class Process:
    ended = False

    def signal(self, number):
        self.ended = True


class Processes:
    """One that answers in a thread."""

    start_timeout = 20.0
    watched = ()
    servers = type("Servers", (), {"imports_each_time": False})

    def __init__(self, rehearse):
        self.program = type("Program", (), {"task_function": type("Task", (), {"rehearse": staticmethod(rehearse)})})

    def take(self):
        ours, theirs = Pipe()

        def answer():
            theirs.send(READY)
            assert isinstance(theirs.recv(), Rehearsal)
            answer_all(theirs, self.program)

        threading.Thread(target=answer, daemon=True).start()
        return Process(), ours

    def prepare(self):
        pass


def answer_all(connection, program):
    """As ``Rehearsal`` does, but for the screen, which is this process's."""
    from lightning_sweeps.searches.execute.rehearsal import _answer

    while True:
        try:
            connection.send(_answer(program, "rehearse", connection.recv()))
        except (EOFError, OSError):
            return


def rehearse(config):
    if config.x < 0:
        raise ConfigError("x is negative")
    if config.x > 9:
        raise RuntimeError("odd")


def test_it_says_what_is_wrong_and_nothing_else():
    asked = Rehearsing(Processes(rehearse))
    assert asked(OmegaConf.create({"x": 1})) is None
    assert asked(OmegaConf.create({"x": -1})) == "x is negative"
    assert asked(OmegaConf.create({"x": 10})) is None, "what is odd there need not be in a trial"
    asked.close()


def test_a_config_that_does_not_pickle_is_left_to_its_trial():
    asked = Rehearsing(Processes(rehearse))
    assert asked(OmegaConf.create({"x": -1, "own": lambda: None}, flags={"allow_objects": True})) is None
    assert asked(OmegaConf.create({"x": -1})) == "x is negative"
    asked.close()
