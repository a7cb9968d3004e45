"""The ``KeyboardInterrupt`` of a run, which waits while a library holds a lock."""

import os
import threading
from types import FrameType

# An exception between a lock's taking and its ``with`` leaves it taken, and the writer's closing waits for it for ever.
WITH_LOCKS = (f"{os.sep}tensorboard{os.sep}",)
SECONDS_TO_WAIT = 0.01


def interrupt(number: int, frame: FrameType | None) -> None:
    """A signal's handler: raise, as Python's own does, as soon as no function of such a library is being called.

    Raises:
        KeyboardInterrupt: always, sooner or later.
    """
    while frame is not None:
        if any(part in frame.f_code.co_filename for part in WITH_LOCKS):
            again = threading.Timer(SECONDS_TO_WAIT, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt
