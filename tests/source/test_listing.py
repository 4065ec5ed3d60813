"""Which files of a folder are samples, and by what keys they are known."""

import contextlib
import os
import sys

import pytest

from seekless.errors import SourceError, SourceNotFoundError
from seekless.source.listing import list_files, suffix_of

CSV = frozenset({".csv", ".csv.gz"})


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def keys(root, under="", suffixes=CSV) -> list[str]:
    return list_files(root, under, suffixes).keys


@pytest.mark.parametrize(
    ("name", "is_sample"),
    [
        ("a.csv", True),
        ("a.CSV", True),
        ("a.Csv", True),
        ("a.csv.gz", True),
        ("a.CSV.GZ", True),
        ("a b (1).csv", True),
        ("é漢.csv", True),
        ("a.b.csv", True),
        ("Thumbs.csv", True),
        ("a.csv.txt", False),
        ("a.gz", False),
        ("a.txt.gz", False),
        ("a.csv~", False),
        ("csv", False),
        ("a", False),
        (".a.csv", False),
        (".csv", False),
        ("._a.csv", False),
        (".hidden/a.csv", False),
        (".git/x/a.csv", False),
        ("Thumbs.db", False),
        ("desktop.ini", False),
        (".DS_Store", False),
        ("a.h5.errors.csv", False),
        ("a.h5.skipped.csv", False),
        ("x/a.npy.d.errors.csv", False),
        ("A.NPY.D.Skipped.CSV", False),
        ("errors.csv", True),
        ("a.errors.csv", True),
        ("a.npy.d/x.csv", False),
        ("x/a.npy.d/y/x.csv", False),
        ("a.npy/x.csv", True),
    ],
)
def test_what_is_a_sample(tmp_path, name, is_sample):
    touch(tmp_path, name, "other/z.csv")
    assert keys(tmp_path) == sorted([name, "other/z.csv"] if is_sample else ["other/z.csv"])


@pytest.mark.parametrize("name", ["Thumbs.db", "thumbs.DB", "Desktop.ini", "._a.db", ".x.ini"])
def test_what_desktops_leave_behind_is_none_whatever_is_looked_for(tmp_path, name):
    touch(tmp_path, name, "a.db", "a.ini")
    assert keys(tmp_path, suffixes=frozenset({".db", ".ini"})) == ["a.db", "a.ini"]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.CSV", ".csv"),
        ("a.b.csv", ".csv"),
        ("a.csv.GZ", ".csv.gz"),
        ("a.gz", ".gz"),
        ("a", ""),
        (".csv", ""),
        ("a.", "."),
        ("a.tar.gz", ".tar.gz"),
    ],
)
def test_suffix(name, suffix):
    assert suffix_of(name) == suffix


def test_keys_are_paths_below_the_root_in_order(tmp_path):
    touch(
        tmp_path, "train/b/2.csv", "train/a.csv", "train/b/10.csv", "train/B.csv", "train/b.csv", "test/a.csv", "c.csv"
    )
    assert keys(tmp_path, "train") == ["train/B.csv", "train/a.csv", "train/b.csv", "train/b/10.csv", "train/b/2.csv"]
    assert keys(tmp_path) == ["c.csv", "test/a.csv", *keys(tmp_path, "train")]
    assert keys(tmp_path / "train" / "b") == ["10.csv", "2.csv"]


def test_a_relative_root(tmp_path, monkeypatch):
    touch(tmp_path, "train/a.csv")
    monkeypatch.chdir(tmp_path)
    assert keys(type(tmp_path)("."), "train") == ["train/a.csv"]


def test_inodes_are_those_of_the_files(tmp_path):
    names = [f"{number:03d}.csv" for number in range(200)]
    touch(tmp_path, *reversed(names))
    listing = list_files(tmp_path, "", CSV)
    assert listing.keys == names
    assert listing.inodes.dtype == "int64"
    assert listing.inodes.tolist() == [(tmp_path / name).stat().st_ino for name in names]


def test_inodes_beyond_int64(tmp_path, monkeypatch):
    """Some file systems of networks have them."""
    touch(tmp_path, "a.csv")
    scandir = os.scandir

    class Entry:
        def __init__(self, entry):
            self.name, self.path = entry.name, entry.path
            self.is_dir, self.is_file, self.is_symlink = entry.is_dir, entry.is_file, entry.is_symlink

        def inode(self):
            return (1 << 64) - 3

    @contextlib.contextmanager
    def far(folder):
        with scandir(folder) as entries:
            yield map(Entry, entries)

    monkeypatch.setattr(os, "scandir", far)
    assert list_files(tmp_path, "", CSV).inodes.tolist() == [(1 << 63) - 3]


def test_folders_in_folders_in_folders(tmp_path):
    depth = 1100
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("a.csv", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    try:
        assert keys(tmp_path) == ["d/" * depth + "a.csv"]
    finally:  # shutil.rmtree, by which pytest tidies up, may not get so deep
        os.unlink(tmp_path / ("d/" * depth + "a.csv"))
        for level in range(depth, 0, -1):
            os.rmdir(tmp_path / ("d/" * level))


@pytest.mark.parametrize("backwards", [False, True])
def test_whatever_order_the_file_system_names_them_in(tmp_path, monkeypatch, backwards):
    touch(tmp_path, *(f"{folder}/{number}.csv" for folder in "ab" for number in range(30)))
    expected, scandir = list_files(tmp_path, "", CSV), os.scandir

    @contextlib.contextmanager
    def ordered(folder):
        with scandir(folder) as entries:
            yield iter(sorted(entries, key=lambda entry: entry.name, reverse=backwards))

    monkeypatch.setattr(os, "scandir", ordered)
    found = list_files(tmp_path, "", CSV)
    assert found.keys == expected.keys
    assert found.inodes.tolist() == expected.inodes.tolist()


def test_no_file_is_asked_for_its_size(tmp_path, monkeypatch):
    """One stat a folder: a stat a file would be a disk seek a file."""
    touch(tmp_path, *(f"{folder}/{number}.csv" for folder in "abc" for number in range(20)))
    asked, stat = [], os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: asked.append(str(path)) or stat(path, **how))
    assert len(keys(tmp_path)) == 60
    assert sum(path.endswith(".csv") for path in asked) == 0
    assert len(asked) < 12


def test_no_files(tmp_path):
    touch(tmp_path, "readme.md")
    (tmp_path / "empty").mkdir()
    listing = list_files(tmp_path, "", CSV)
    assert (listing.keys, len(listing.inodes)) == ([], 0)


@pytest.mark.parametrize("under", ["", "train"])
def test_no_such_folder(tmp_path, under):
    with pytest.raises(
        SourceNotFoundError, match=r"none.*: found no such folder, expected a folder of \.csv, \.csv\.gz"
    ):
        keys(tmp_path / "none", under)


def test_a_file_is_no_folder(tmp_path):
    touch(tmp_path, "a.csv")
    with pytest.raises(SourceNotFoundError, match=r"a\.csv: found no such folder, expected a folder"):
        keys(tmp_path / "a.csv")


def test_a_folder_whose_name_is_a_samples(tmp_path):
    touch(tmp_path, "a.csv/b.csv", "a.csv/c.txt")
    assert keys(tmp_path) == ["a.csv/b.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
class TestLinks:
    def test_links_are_followed(self, tmp_path):
        touch(tmp_path, "elsewhere/a.csv", "elsewhere/sub/b.csv", "data/c.csv")
        (tmp_path / "data" / "folder").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "data" / "file.csv").symlink_to(tmp_path / "elsewhere" / "a.csv")
        assert keys(tmp_path / "data") == ["c.csv", "file.csv", "folder/a.csv", "folder/sub/b.csv"]

    def test_the_root_may_be_a_link(self, tmp_path):
        touch(tmp_path, "elsewhere/train/a.csv")
        (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
        assert keys(tmp_path / "data", "train") == ["train/a.csv"]

    def test_one_folder_by_two_links_is_no_circle(self, tmp_path):
        touch(tmp_path, "elsewhere/a.csv", "data/c.csv")
        for name in ("one", "two"):
            (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
        assert keys(tmp_path / "data") == ["c.csv", "one/a.csv", "two/a.csv"]

    def test_a_link_to_nothing_is_for_its_reader_to_tell(self, tmp_path):
        (tmp_path / "a.csv").symlink_to("nothing")
        (tmp_path / "b").symlink_to("nothing")
        assert keys(tmp_path) == ["a.csv"]

    @pytest.mark.parametrize("to", [".", "..", "../.."])
    def test_a_circle_is_refused(self, tmp_path, to):
        touch(tmp_path, "data/a.csv", "data/sub/b.csv")
        (tmp_path / "data" / "sub" / "back").symlink_to(to)
        with pytest.raises(SourceError, match=r"sub/back: found a link back to a folder it lies in, expected no"):
            keys(tmp_path)

    def test_a_link_to_itself_is_for_its_reader_to_tell(self, tmp_path):
        for name in ("a.csv", "b"):
            (tmp_path / name).symlink_to(name)
        touch(tmp_path, "c.csv")
        assert keys(tmp_path) == ["a.csv", "c.csv"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are bytes on Linux alone")
class TestNamesThatAreNotUTF8:
    def test_of_a_file(self, tmp_path):
        (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_text("1")
        with pytest.raises(
            SourceError, match=r"found a file whose name is not UTF-8 \(b'caf\\xe9\.csv'\), expected UTF-8"
        ):
            keys(tmp_path)

    def test_of_a_folder_with_samples(self, tmp_path):
        touch(tmp_path, os.fsdecode(b"caf\xe9") + "/a.csv")
        with pytest.raises(SourceError, match=r"name is not UTF-8 \(b'caf\\xe9/a\.csv'\), expected UTF-8; rename it"):
            keys(tmp_path)

    def test_of_what_is_no_sample(self, tmp_path):
        touch(tmp_path, os.fsdecode(b"caf\xe9.txt"), "a.csv")
        assert keys(tmp_path) == ["a.csv"]
