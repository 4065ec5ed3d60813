"""Reading small files whole, with the next ones on their way, and telling one from a changed one."""

import os

import pytest

from seekless.source import read
from seekless.source.read import OPENS_AHEAD, FilesAhead, read_file, read_stamped, stamp_at


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


@pytest.fixture(params=[False, True], ids=["in memory", "on a disk"])
def advised(request, monkeypatch):
    """What the kernel was asked for ahead, in order, where the first file is said to be on a disk."""
    if request.param and not hasattr(os, "posix_fadvise"):
        pytest.skip("no posix_fadvise here")
    monkeypatch.setattr(read, "_is_on_disk", lambda descriptor: request.param)
    sizes = []
    monkeypatch.setattr(os, "posix_fadvise", lambda file, *rest: sizes.append(os.fstat(file).st_size), raising=False)
    return sizes if request.param else None


def made(folder, count):
    paths = [str(folder / str(number)) for number in range(count)]
    for number, path in enumerate(paths):
        with open(path, "wb") as file:
            file.write(b"x" * number)
    return paths


@pytest.mark.parametrize("count", [1, OPENS_AHEAD, 50])
def test_files_come_in_order_whole_and_once(tmp_path, advised, count):
    paths = made(tmp_path, count)
    with FilesAhead(paths) as files:
        assert [files.read() for _ in paths] == [read_stamped(path) for path in paths]
    if advised is not None:
        assert advised == list(range(1, count))  # the first is read at once


def test_a_file_that_cannot_be_opened_is_said_in_its_turn(tmp_path, advised):
    paths = made(tmp_path, 40)
    for gone in (0, 5, 39):
        os.unlink(paths[gone])
    found = []
    with FilesAhead(paths) as files:
        for _ in paths:
            try:
                found.append(len(files.read()[0]))
            except FileNotFoundError as error:
                found.append(error.filename)
    assert found == [path if number in (0, 5, 39) else number for number, path in enumerate(paths)]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_few_files_are_open_and_none_in_the_end(tmp_path, advised):
    paths = made(tmp_path, 100)

    def ours():
        links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return sum(os.readlink(link).startswith(str(tmp_path)) for link in links if os.path.islink(link))

    with FilesAhead(paths) as files:
        most = 0
        for _ in range(70):  # and the others are not wanted after all
            files.read()
            most = max(most, ours())
    assert most == (0 if advised is None else OPENS_AHEAD - 1)
    assert ours() == 0


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="needs Linux")
@pytest.mark.parametrize(("answer", "expected"), [(BlockingIOError(), True), (OSError(), False), (1, False)])
def test_whether_a_file_is_on_a_disk_is_asked_without_waiting(tmp_path, monkeypatch, answer, expected):
    asked = []

    def preadv(descriptor, buffers, offset, flags):
        asked.append(flags)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "preadv", preadv)
    with open(made(tmp_path, 2)[1], "rb") as file:
        assert read._is_on_disk(file.fileno()) is expected
    assert asked == [os.RWF_NOWAIT]
