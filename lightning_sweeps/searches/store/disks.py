"""Whether a study's file is on another machine's disk."""

import logging
import os
import re
from pathlib import Path

log = logging.getLogger(__name__)
NETWORK = re.compile(
    r"nfs\d*|cifs|smb\w*|ceph|lustre|gpfs|beegfs\w*|glusterfs|afs|9p|panfs|ocfs2|wekafs"
    r"|fuse\.(sshfs|s3fs|gcsfuse|rclone|ceph\S*|glusterfs|juicefs|goofys|blobfuse\d*)"
)


def network_file_system(path: Path) -> str | None:
    """The kind of network file system that the path is on; None if it is a local one, or cannot be told."""
    import psutil

    absolute = os.path.realpath(path)
    found, longest = None, -1
    for mounted in psutil.disk_partitions(all=True):
        point = mounted.mountpoint
        inside = absolute == point or absolute.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:  # of two on one point the later one counts
            found, longest = mounted.fstype, len(point)
    return found if found is not None and NETWORK.fullmatch(found) else None


def warn_of_network(file: Path | None) -> None:
    """Warn if several machines could damage the file of a study."""
    kind = network_file_system(file) if file is not None else None
    if file is None or kind is None:
        return
    what = (
        "SQLite's file may be damaged there"
        if file.suffix != ".journal"
        else ("supervisors of several machines are safe there only if its locks work")
    )
    log.warning(
        "%s is on a network file system (%s): %s.\nFor several machines use "
        "hydra.sweeper.storage=postgresql+psycopg://...",
        file,
        kind,
        what,
    )
