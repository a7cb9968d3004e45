"""Files that a program leaves open: an interpreter writes what they still hold when it ends; ``os._exit`` does not."""

import io
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

# Of every file object. Its abstract twin, ``io.IOBase``, asks other objects for their class, which may run their code.
_FILE = io.TextIOWrapper.__mro__[-2]
_TEXT = io.TextIOWrapper
_BYTES = (io.BufferedWriter, io.BufferedRandom)


def files_among(objects: Iterable[object]) -> list[Any]:
    """The file objects, open or closed."""
    return [one for one in objects if issubclass(type(one), _FILE)]


def flush(files: Collection[Any]) -> None:
    """Have Python's own file objects write what they hold: texts first, which are above files of bytes."""
    for kind in (_TEXT, _BYTES):
        for one in files:
            if issubclass(type(one), kind):
                with suppress(OSError, ValueError):  # a full disk; a closed file
                    one.flush()


def finish(files: Collection[Any]) -> None:
    """The same, and close files of other classes, which may have an end to write, as those of gzip have."""
    flush(files)
    streams = (sys.stdout, sys.stderr, sys.stdin)
    for one in files:
        if type(one).__module__ != "_io" and not any(one is stream for stream in streams):
            with suppress(Exception):  # whatever a class raises, as Python does when it ends
                one.close()
    flush(files)  # what they have written into files below them
