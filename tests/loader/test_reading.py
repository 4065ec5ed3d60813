"""What is said of the disk and the page cache; nothing of it changes a batch."""

import errno
import os

import pytest

from seekless.errors import OptionError
from seekless.loader import reading as module
from seekless.loader.reading import Reading, cached_share, file_system
from seekless.store.disk import Disk

NOWAIT = pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="only Linux tells what is in the page cache")


def reading(reader, paths, nbytes=1):
    return str(Reading(reader, paths, nbytes))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "data.h5").write_bytes(bytes(300_000))
    return tmp_path / "data.h5"


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        (Disk("sda", True), "pread: sda says it is a spinning disk"),
        (Disk("nvme0n1", False), "pread: nvme0n1 says it is a solid disk"),
        (Disk("", None), "pread: what disk this is cannot be told"),
    ],
    ids=["spinning", "solid", "unknown"],
)
def test_the_disk_is_told(monkeypatch, path, disk, said):
    monkeypatch.setattr(module, "disk_of", lambda path: disk)
    monkeypatch.setattr(module, "cached_share", lambda paths: None)
    assert reading("auto", [path]) == said
    monkeypatch.setattr(module, "cached_share", lambda paths: 0.5)
    assert reading("auto", [path]) == f"{said}; 50% in the page cache"


def test_what_was_told_is_said(path):
    assert reading("pread", [path]) == "pread, as told"
    assert not Reading("pread", [path], 1 << 62).direct
    assert reading("auto", []) == "pread"


@pytest.fixture
def far_less(monkeypatch):
    """A machine with 100 MB of memory left, whose files can be read past the page cache."""
    monkeypatch.setattr(module, "memory_left", lambda: 100_000_000)
    monkeypatch.setattr(module, "can_read_directly", os.path.exists)
    monkeypatch.setattr(module, "disk_of", lambda path: Disk("sda", True))


@pytest.mark.usefixtures("far_less")
def test_what_is_far_larger_than_memory_is_read_past_the_page_cache(path):
    found = Reading("auto", [path], 200_000_001)
    assert found.direct
    said = "direct, past the page cache: 0.2 GB an epoch, 0.1 GB of memory left; sda says it is a spinning disk"
    assert str(found) == said
    assert not Reading("auto", [path], 200_000_000).direct


@pytest.mark.usefixtures("far_less")
@pytest.mark.parametrize(
    ("name", "answer"),
    [("memory_left", None), ("can_read_directly", False), ("disk_of", Disk("", None))],
    ids=["memory unknown", "refused", "disk unknown"],
)
def test_what_is_not_known_to_gain_is_read_through_it(monkeypatch, path, name, answer):
    monkeypatch.setattr(module, name, lambda *_: answer)
    assert not Reading("auto", [path], 200_000_001).direct


@pytest.mark.usefixtures("far_less")
def test_a_large_file_that_went_away_is_no_error_here(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "disk_of", os.stat)
    assert not Reading("auto", [tmp_path / "gone"], 200_000_001).direct


def test_direct_as_told(monkeypatch, path):
    monkeypatch.setattr(module, "can_read_directly", lambda path: True)
    found = Reading("direct", [path], 1)
    assert (found.direct, str(found)) == (True, "direct, as told")
    monkeypatch.setattr(module, "can_read_directly", lambda path: False)
    with pytest.raises(OptionError, match=r"reader: found 'direct' for .*data\.h5, whose file system, or this system"):
        Reading("direct", [path], 1)


def test_a_file_that_went_away_is_no_error_here(tmp_path):
    assert reading("auto", [tmp_path / "gone"]) == "pread: what disk this is cannot be told (No such file or directory)"


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "cifs"])
def test_a_network_is_told(monkeypatch, tmp_path, path, kind):
    device = os.stat(path).st_dev
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "22 1 0:20 / /proc rw shared:5 - proc proc rw\n"
        f"23 1 {os.major(device)}:{os.minor(device)} / /data rw,noatime shared:7 - {kind} server:/data rw\n"
    )
    monkeypatch.setattr(module, "MOUNTS", mounts)
    assert file_system(path) == kind
    assert reading("auto", [path]).startswith(f"pread: a network file system ({kind})")


def test_where_there_are_no_mounts_to_read_the_file_system_is_not_told(monkeypatch, tmp_path, path):
    monkeypatch.setattr(module, "MOUNTS", tmp_path / "gone")
    assert file_system(path) == ""


@NOWAIT
def test_what_was_just_written_is_in_the_page_cache(path):
    path.read_bytes()
    assert cached_share([path]) == 1


@NOWAIT
@pytest.mark.parametrize(
    ("answer", "share"),
    [(1, 1), (BlockingIOError(), 0), (OSError(errno.EOPNOTSUPP, "no"), None)],
    ids=["cached", "not cached", "cannot tell"],
)
def test_the_page_cache_is_asked_without_waiting(monkeypatch, path, answer, share):
    def preadv(descriptor, buffers, offset, flags):
        assert flags == os.RWF_NOWAIT
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "preadv", preadv)
    assert cached_share([path, path]) == share


def test_systems_that_cannot_tell_are_not_asked(monkeypatch, path):
    monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
    assert cached_share([path]) is None
