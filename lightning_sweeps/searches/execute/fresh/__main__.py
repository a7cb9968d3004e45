"""A new interpreter for trials, started with the path of this folder.

So its ``sys.path`` begins with a folder that has nothing but this file, and no module of the working folder gets in the
way of the standard library's. With the program's own ``sys.path`` everything else is imported.
"""

import os
import pickle
import sys


def _read(descriptor: int) -> bytes:
    """The whole file, whose position is shared with other processes."""
    size = os.fstat(descriptor).st_size
    content = b""
    while len(content) < size:
        content += os.pread(descriptor, size - len(content), len(content))
    return content


role, world, *descriptors = sys.argv[1], *map(int, sys.argv[2:])
first = pickle.loads(_read(world))  # noqa: S301 (our own, in a file without a name)
sys.path[:], sys.argv[:] = first["path"], first["typed"]

from lightning_sweeps.searches.execute.fresh_server import begin  # noqa: E402

begin(role, first, world, *descriptors)
