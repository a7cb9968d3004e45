"""What a forked trial has of its program and must not share with it: random generators, files, and what an end does."""

import atexit
import gc
import threading
import weakref

from lightning_sweeps.files.left_open import files_among, finish, flush
from lightning_sweeps.searches.execute.let_go import Globals, finalize
from lightning_sweeps.searches.execute.seeds import Generators


class Inherited:
    """What a program has that will be forked, perhaps by way of a process in between.

    To look for it touches every object, whose memory is then no longer shared with a process that was forked before.
    """

    def __init__(self) -> None:
        gc.unfreeze()  # the collector does not list what is frozen
        objects = gc.get_objects()
        gc.freeze()
        self._generators = Generators(objects)
        self._files = files_among(objects)
        flush(self._files)  # or each trial would write it once more

    def leave_the_end_to_the_program(self) -> None:
        """In the server, before trials: what is there, or registered for the end, is not for the end of each trial."""
        atexit._clear()  # noqa: SLF001 (so does multiprocessing, from Python 3.13 on)
        for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # noqa: SLF001
            finalizer.atexit = False
        weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]  # noqa: SLF001
        self._globals = Globals()

    def begin_a_trial(self) -> None:
        """After the fork."""
        self._generators.after_fork()

    def end_a_trial(self) -> None:
        """Do what an interpreter does when it ends, which a forked process does not.

        It waits for threads and calls what the trial has registered with ``atexit``; it frees what the trial has made,
        or at least finalizes it; and it writes files that were left open. What the server has frozen was there before.
        """
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
        atexit.unregister(gc.unfreeze)  # our own main function's, for an interpreter that frees everything
        atexit._run_exitfuncs()  # noqa: SLF001
        if self._globals.let_go():
            gc.collect()
            finalize(gc.get_objects())
        flush(self._files)
        finish(files_among(gc.get_objects()))
