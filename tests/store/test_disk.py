"""Which disk a file lies on is read from what Linux says of its devices."""

import os

import pytest

from seekless.store import disk as disk_module
from seekless.store.disk import Disk, disk_of


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """Return a function that makes the folders of /sys for the disk of tmp_path."""
    number = os.stat(tmp_path).st_dev
    entry = tmp_path / "dev" / f"{os.major(number)}:{os.minor(number)}"
    entry.parent.mkdir()
    monkeypatch.setattr(disk_module, "DEVICES", entry.parent)

    def make(flag, partition=""):
        disk = tmp_path / "devices" / "sdq"
        (disk / "queue").mkdir(parents=True)
        (disk / "queue" / "rotational").write_text(f"{flag}\n")
        (disk / partition).mkdir(exist_ok=True)
        entry.symlink_to(disk / partition)

    return make


@pytest.mark.parametrize("partition", ["", "sdq1"])
@pytest.mark.parametrize(("flag", "rate", "kind"), [(1, 150_000_000, "spinning"), (0, 1_000_000_000, "solid")])
def test_a_device_says_whether_it_spins(tmp_path, devices, partition, flag, rate, kind):
    devices(flag, partition)
    disk = disk_of(tmp_path)
    assert (disk, disk.rate) == (Disk("sdq", bool(flag)), rate)
    assert str(disk) == f"{rate / 1e6:,.0f} MB/s, assumed: sdq says it is a {kind} disk"


@pytest.mark.usefixtures("devices")
def test_what_is_no_device_is_taken_for_a_solid_disk(tmp_path):
    disk = disk_of(tmp_path)
    assert (disk, disk.rate) == (Disk("", None), 1_000_000_000)
    assert str(disk) == "1,000 MB/s, assumed: what disk this is cannot be told"


def test_a_device_that_says_nothing_of_spinning(tmp_path, devices):
    devices(1)
    (tmp_path / "devices" / "sdq" / "queue" / "rotational").unlink()
    assert disk_of(tmp_path).spinning is None
