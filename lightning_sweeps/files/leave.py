"""Leave a process of this package's own without freeing its objects one by one: the system frees them all at once.

After a run, Python takes two seconds to free the half million objects of torch and Lightning. All else is done as ever:
threads are waited for, what is registered with ``atexit`` is called, and files that were left open are written. But an
object may have more to do when it is freed, as a zip file has that was not closed; so this is for code that has none.
"""

import atexit
import os
import sys
from collections.abc import Callable
from typing import ClassVar


class Leaving:
    """Inside is all that this process does. It leaves with the exit code of that, unless it raises an error.

    Args:
        unless: whether objects have to be freed, asked at the end.
    """

    _code: ClassVar[int | None] = None  # None: end as Python does

    @classmethod
    def be_last(cls) -> None:
        """Take the last turn when this process ends, unless somebody has it already, such as a profiler or coverage.

        So it is called before anything else is imported.
        """
        if getattr(atexit, "_ncallbacks", lambda: 1)() == 0:
            atexit.register(cls._leave)

    def __init__(self, unless: Callable[[], bool]) -> None:
        self._unless = unless

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._unless():
            return
        if error is None:
            Leaving._code = 0
        elif isinstance(error, SystemExit) and isinstance(error.code, int):
            Leaving._code = error.code

    @classmethod
    def _leave(cls) -> None:
        if cls._code is None:
            return
        import gc

        from lightning_sweeps.files.left_open import files_among, finish

        gc.unfreeze()  # the collector does not list what is frozen
        finish(files_among(gc.get_objects()))
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # Python says so
        os._exit(cls._code)
