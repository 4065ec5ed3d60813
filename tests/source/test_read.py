"""Reading one small file whole, and telling it from a changed one."""

import os

import pytest

from seekless.source.read import read_file, read_stamped, stamp_at


@pytest.mark.parametrize("size", [0, 1, 4096, 300_000])
def test_a_file_is_read_whole(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    assert read_file(str(tmp_path / "a")) == data


def test_a_file_that_comes_in_pieces_is_read_whole(tmp_path, monkeypatch):
    data, read = os.urandom(1000), os.read
    (tmp_path / "a").write_bytes(data)
    monkeypatch.setattr(os, "read", lambda descriptor, count: read(descriptor, min(count, 300)))
    assert read_file(str(tmp_path / "a")) == data


@pytest.mark.parametrize("size", [0, 10, 999, 1001, 5000])
def test_a_file_that_changes_its_size_meanwhile_is_refused(tmp_path, monkeypatch, size):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    fstat = os.fstat

    def changed(descriptor):
        status = fstat(descriptor)
        os.truncate(tmp_path / "a", size)
        return status

    monkeypatch.setattr(os, "fstat", changed)
    with pytest.raises(OSError, match="it changed its size while it was read") as refused:
        read_file(str(tmp_path / "a"))
    assert refused.value.filename == str(tmp_path / "a")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_no_file_stays_open(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    before = sorted(os.listdir("/proc/self/fd"))
    read_file(str(tmp_path / "a"))
    with pytest.raises(IsADirectoryError):
        read_file(str(tmp_path))
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_stamp_tells_a_changed_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    os.utime(path, ns=(5, 5))
    data, before = read_stamped(str(path))
    assert (data, stamp_at(str(path))) == (b"one", before)
    os.utime(path, ns=(7, 5))
    assert stamp_at(str(path)) == before
    os.utime(path, ns=(5, 6))
    later = stamp_at(str(path))
    path.write_bytes(b"more")
    os.utime(path, ns=(5, 5))
    longer = stamp_at(str(path))
    assert len({before, later, longer, stamp_at(str(tmp_path / "gone"))}) == 4
    assert stamp_at(str(tmp_path / "gone")) == 0
