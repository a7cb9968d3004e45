"""Studies on network file systems."""

import logging
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lightning_sweeps.searches.store.disks import network_file_system, warn_of_network

MOUNTED = [
    ("/", "ext4"),
    ("/home", "nfs4"),
    ("/home/me/scratch", "xfs"),
    ("/mnt/my bucket", "fuse.gcsfuse"),
    ("/homework", "ext4"),
]


@pytest.fixture
def mounts(monkeypatch):
    found = [SimpleNamespace(mountpoint=point, fstype=kind) for point, kind in MOUNTED]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: found)


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
    assert network_file_system(Path(path)) == kind


def test_the_mounts_of_this_machine_are_read(own_folder):
    assert psutil.disk_partitions(all=True)
    network_file_system(own_folder)


def test_the_warning_says_what_to_use(mounts, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_network(Path("/home/me/study.db"))
        warn_of_network(Path("/home/me/study.journal"))
        warn_of_network(Path("/var/study.journal"))
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("/home/me/study.db is on a network file system (nfs4): SQLite's file may be damaged")
    assert second.startswith("/home/me/study.journal is on a network file system (nfs4): supervisors of several")
    assert all("postgresql" in record.getMessage() for record in caplog.records)
