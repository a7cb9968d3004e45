"""Studies on network file systems."""

import logging
from pathlib import Path

import pytest

from lightning_sweeps.search.store.disks import network_file_system, warn_of_network

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
31 22 0:41 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
32 31 8:17 / /home/me/scratch rw - xfs /dev/sdb1 rw
33 22 0:50 / /mnt/my\\040bucket rw - fuse.gcsfuse bucket rw
34 22 0:51 / /homework rw - ext4 /dev/sdc1 rw
"""


@pytest.fixture
def mounts(own_folder: Path) -> Path:
    (own_folder / "mountinfo").write_text(MOUNTS)
    return own_folder / "mountinfo"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/outputs/study.journal", "nfs4"),
        ("/home/me/scratch/study.journal", None),
        ("/mnt/my bucket/study.db", "fuse.gcsfuse"),
        ("/homework/study.journal", None),
        ("/var/study.db", None),
    ],
)
def test_the_innermost_mount_counts(mounts, path, kind):
    assert network_file_system(Path(path), mounts) == kind


def test_a_system_that_does_not_tell_is_taken_as_local(own_folder):
    assert network_file_system(own_folder, own_folder / "nothing") is None


def test_the_warning_says_what_to_use(mounts, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_network(Path("/home/me/study.db"), mounts)
        warn_of_network(Path("/home/me/study.journal"), mounts)
        warn_of_network(Path("/var/study.journal"), mounts)
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("/home/me/study.db lies on a network file system (nfs4): SQLite's file may be damaged")
    assert second.startswith("/home/me/study.journal lies on a network file system (nfs4): supervisors of several")
    assert all("postgresql" in record.getMessage() for record in caplog.records)
