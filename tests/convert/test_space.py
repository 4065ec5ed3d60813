"""A disk without space is told early, by its name; one that is full all the same ends a run with one line."""

import collections
import errno
import os

import numpy as np
import pytest

import seekless
from seekless.convert import scatter as scatter_module
from seekless.convert import space, trial
from seekless.convert.journal import Journal
from seekless.convert.partitions import PartitionFiles
from seekless.errors import ConvertError

pytestmark = pytest.mark.usefixtures("small_runs", "same_open_files")
QUIET = {"workers": 0, "progress": False}
Usage = collections.namedtuple("Usage", "total used free")


@pytest.fixture
def source(write_source):
    return write_source({f"{n:02d}": np.random.default_rng(n).random((16, 16)) for n in range(40)})


@pytest.fixture
def free(monkeypatch):
    """Return a function that says how much is free on every disk, and is given the folders that are asked for."""

    def say(size):
        asked = []
        monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: asked.append(folder) or Usage(1, 1, size))
        return asked

    return say


def test_it_is_refused_before_much_is_read(source, tmp_path, free, opened):
    free(70_000)  # 40 x 16 x 16 x 8 bytes are 81,920
    message = rf"{tmp_path}: found 0 MB free, expected 0 MB for the store; free some, or write to another disk"
    with pytest.raises(ConvertError, match=message):
        seekless.pack(source, tmp_path / "a.h5", compression="none", **QUIET)
    assert len(opened) == 4
    assert os.listdir(tmp_path) == ["data"]


def test_passing_files_count_where_data_goes_through_them(source, tmp_path, free, monkeypatch):
    init = scatter_module.Scatter.__init__
    monkeypatch.setattr(scatter_module.Scatter, "__init__", lambda self, n, _, folder: init(self, n, 9000, folder))
    free(100_000)
    monkeypatch.setattr(seekless.convert.options.Options, "_check_sizes", lambda _: None)
    with pytest.raises(ConvertError, match="for the store and the files that its samples go through; free some"):
        seekless.pack(source, tmp_path / "a.h5", compression="none", memory=9000, **QUIET)
    free(200_000)
    assert seekless.pack(source, tmp_path / "a.h5", compression="none", memory=9000, **QUIET).samples == 40


def test_what_is_there_already_is_not_asked_for_again(source, tmp_path, free, stop):
    options = {"compression": "none", "memory": 1 << 20}
    seekless.pack(source, tmp_path / "whole.h5", **QUIET, **options)
    stop(source, tmp_path / "a.h5", 9, **options)
    free(100_000)
    seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET, **options)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_enough_is_enough(tmp_path, free):
    free(1000)
    space.check_space(tmp_path, 1000, "the store")
    with pytest.raises(ConvertError, match="found 0 MB free, expected 0 MB for notes; free some"):
        space.check_space(tmp_path, 1001, "notes")


FULL = OSError(errno.ENOSPC, "No space left on device")


class TestFullAllTheSame:
    """What it says, and that the work saved so far can be gone on with once there is space."""

    @pytest.mark.parametrize("name", ["a.h5", "a.npy.d"])
    @pytest.mark.parametrize("where", ["partition", "journal", "block"])
    def test_it_is_said_and_work_is_kept(self, source, tmp_path, monkeypatch, where, name):
        seekless.pack(source, tmp_path / "whole.h5", **QUIET)
        path = tmp_path / name
        self.fill(monkeypatch, where, 4)
        message = rf"{tmp_path}: found no space left \(No space left on device\), expected room for the store and the"
        with pytest.raises(ConvertError, match=message):
            seekless.pack(source, path, save_every=0, **QUIET)
        assert not path.exists()
        assert (tmp_path / f"{name}.parts").is_dir()
        monkeypatch.undo()
        summary = seekless.pack(source, path, resume=True, **QUIET)
        assert summary.resumed[0] > 0
        assert (seekless.open(path)["x"][:] == seekless.open(tmp_path / "whole.h5")["x"][:]).all()

    def fill(self, monkeypatch, where, after):
        """Make the disk full after some writes of a kind."""
        owner, name = {
            "partition": (PartitionFiles, "write"),
            "journal": (Journal, "write"),
            "block": (seekless.store.writer.StoreWriter, "_put_next"),
        }[where]
        real, count = getattr(owner, name), 0

        def full(*arguments, **named):
            nonlocal count
            count += 1
            if count > after:
                raise FULL
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, full)

    def test_without_saved_work_nothing_is_left(self, source, tmp_path, monkeypatch):
        self.fill(monkeypatch, "block", 3)
        with pytest.raises(ConvertError, match="found no space left"):
            seekless.pack(source, tmp_path / "a.h5", **QUIET)
        assert os.listdir(tmp_path) == ["data"]

    def test_the_fuller_disk_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            space.shutil, "disk_usage", lambda folder: Usage(1, 1, 0 if folder.name == "temp" else 9000)
        )
        message = r"temp: found no space left .*\(--temp names one for passing files\)"
        with pytest.raises(ConvertError, match=message), space.told_when_full(tmp_path, tmp_path / "temp"):
            raise FULL

    def test_what_hdf5_says_of_a_full_disk_as_it_closes_a_file(self, tmp_path):
        message = rf"{tmp_path}: found no space left \(No space left on device\), expected room"
        with pytest.raises(ConvertError, match=message), space.told_when_full(tmp_path, tmp_path):
            raise RuntimeError(
                "flush failed (file write failed: errno = 28, error message = 'No space left on device')"
            )

    def test_other_errors_are_left_alone(self, tmp_path):
        with pytest.raises(PermissionError, match="no"), space.told_when_full(tmp_path, tmp_path):
            raise PermissionError(errno.EACCES, "no")
        with pytest.raises(RuntimeError, match=r"^odd$"), space.told_when_full(tmp_path, tmp_path):
            raise RuntimeError("odd")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts")
@pytest.mark.parametrize("name", ["a.h5", "a.npy.d"])
@pytest.mark.parametrize("save_every", [0, 20])
def test_on_a_real_disk_that_is_full(write_source, tmp_path, monkeypatch, name, save_every):
    source = write_source({f"{n:02d}": np.random.default_rng(n).random((100, 100)) for n in range(40)})  # 3.2 MB
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=5m tmpfs {disk} 2> /dev/null"):
        pytest.skip("may not mount")
    try:
        # Free space is told wrongly, as it may be gone a moment later.
        for module in (space, trial):
            monkeypatch.setattr(module, "check_space", lambda *_: None)
        (disk / "mine").write_bytes(bytes(3_000_000))
        with pytest.raises(ConvertError, match=rf"{disk}: found no space left"):
            seekless.pack(source, disk / name, save_every=save_every, **QUIET)
        assert set(os.listdir(disk)) <= {"mine", f"{name}.parts", f"{name}.partial"}
        assert save_every == 0 or os.listdir(disk) == ["mine"]
        (disk / "mine").unlink()
        os.system(f"mount -o remount,size=20m {disk}")
        assert seekless.pack(source, disk / name, resume=True, **QUIET).samples == 40
    finally:
        os.system(f"umount {disk}")
