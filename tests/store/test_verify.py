"""Verifying a store finds every changed bit, and says which block and which samples it hit."""

import zlib

import numpy as np
import pytest

import seekless
from seekless.errors import SeeklessError, StoreFormatError, StoreNotFoundError
from seekless.store import verify as verify_module
from seekless.store.schema import ALIGNMENT
from seekless.store.verify import verify

FLIPS = 1000


def flip(path, at, bit=1):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bit]))


def files(path):
    return sorted(path.iterdir()) if path.is_dir() else [path]


def found(path):
    """Whether opening or verifying says that something is wrong; any other exception than ours is a failure."""
    try:
        return bool(verify(path).bad)
    except SeeklessError:
        return True


@pytest.fixture(params=["made", "made_npy"])
def either(request):
    """The same store of either kind."""
    return request.getfixturevalue(request.param)


def test_a_whole_store_is_said_to_be_whole(either):
    verdict = verify(either)
    size = sum(file.stat().st_size for file in files(either))
    assert (verdict.bad, verdict.blocks, verdict.size) == ((), 8, size)
    assert str(verdict).startswith(f"{either}: all 8 blocks are as they were written; 0.000 GB in ")


SMALL = {
    "one file": ("data.h5", {"compression": "none"}),
    "folder": ("data.npy.d", {}),
    "compressed": ("data.h5", {"compression": "zstd"}),
    "compressed shards": ("data.h5", {"compression": "gzip", "shard_bytes": 5000}),
}


@pytest.mark.parametrize(("name", "options"), SMALL.values(), ids=SMALL)
def test_every_one_of_1000_flipped_bits_is_found(tiny_csv, tmp_path, name, options):
    """Anywhere in any file of the store: blocks, padding, HDF5's own tables, checksums, names."""
    path = tmp_path / name
    for file in (tiny_csv.root / "train").iterdir():  # so that codecs make blocks smaller
        np.savetxt(file, np.loadtxt(file) > 0.8)
    seekless.pack(tiny_csv.root, path, test_fraction=0.2, workers=0, progress=False, **options)
    files = seekless.open(path).files
    assert len(files) == {"data.npy.d": 4, "data.h5": 3 if "shard_bytes" in options else 1}[name]
    if name == "data.h5":
        assert seekless.open(path).tables["x"].coded.any() == (options["compression"] != "none")
    starts = np.cumsum([0, *(file.stat().st_size for file in files)])
    random = np.random.default_rng(20)
    missed = []
    assert not found(path)
    for bit in random.choice(int(starts[-1]) * 8, FLIPS, replace=False).tolist():
        at, which = bit // 8, 1 << bit % 8
        number = int(np.searchsorted(starts, at, side="right")) - 1
        place = files[number], at - int(starts[number]), which
        flip(*place)
        if not found(path):
            missed.append(place)
        flip(*place)
    assert not missed
    assert not found(path)


def test_every_bit_of_the_padding_counts(made):
    table = seekless.open(made).tables["x"]
    start = int(table.offset[1] + table.nbytes[1])
    for at in (start, start + 1, start + 2000, int(table.offset[2]) - 1):
        flip(made, at, 0x80)
        (bad,) = verify(made).bad
        assert (bad.field, bad.block, bad.expected) == ("x", 1, "zeros")
        assert bad.found == "something else than zeros in the padding behind it"
        flip(made, at, 0x80)
    assert verify(made).bad == ()


def test_all_bad_blocks_are_named_in_the_order_of_the_file(made):
    tables = seekless.open(made).tables
    for name, block in (("key", 1), ("x", 3), ("x", 0), ("y", 0)):
        flip(made, int(tables[name].offset[block]))
    verdict = verify(made)
    assert [(bad.field, bad.block, bad.start, bad.stop) for bad in verdict.bad] == [
        ("x", 0, 0, 3),
        ("x", 3, 9, 11),
        ("y", 0, 0, 6),
        ("key", 1, 10, 11),
    ]
    first, crc = verdict.bad[0], int(tables["x"].crc[0])
    start = int(tables["x"].offset[0])
    stored = made.read_bytes()[start : start + 18]
    assert str(first) == (
        f"{made}: block 0 of x (samples 0 to 2, byte {start}): found checksum {zlib.crc32(stored):08x}, "
        f"expected {crc:08x}"
    )
    assert str(verdict).splitlines()[-1] == f"{made}: 4 of 8 blocks are damaged"


def test_blocks_are_read_in_spans_that_are_bounded(either, monkeypatch):
    monkeypatch.setattr(verify_module, "SPAN_BYTES", 2 * ALIGNMENT)
    assert verify(either).bad == ()
    table = seekless.open(either).tables["x"]
    flip(table.path(2), int(table.offset[2]))
    assert [bad.block for bad in verify(either).bad] == [2]


def test_blocks_that_the_disk_does_not_give_are_named_and_the_others_read(made, monkeypatch):
    """A bad sector is one bad block, not the end of the check."""
    table = seekless.open(made).tables["x"]
    bad_sector = int(table.offset[1])

    class Disk:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def seek(self, at):
            self.file.seek(at)

        def read(self, size):
            at = self.file.tell()
            if at <= bad_sector < at + size:
                raise OSError(5, "Input/output error")
            return self.file.read(size)

        def readinto(self, buffer):
            at = self.file.tell()
            if at == bad_sector:
                raise OSError(5, "Input/output error")
            return self.file.readinto(buffer[: bad_sector - at] if at < bad_sector else buffer)

    monkeypatch.setattr(verify_module, "open", lambda *args, **how: Disk(open(*args, **how)), raising=False)  # noqa: SIM115
    (bad,) = verify(made).bad
    assert (bad.field, bad.block, bad.found) == ("x", 1, "a block that cannot be read (Input/output error)")
    assert bad.expected == "18 bytes"


def test_a_file_cut_short_while_it_is_read_is_named(made, monkeypatch):
    def open_then_cut(path):
        store = seekless.open(path)
        with open(path, "r+b") as file:
            file.truncate(int(store.tables["key"].offset[1]) + 3)
        return store

    end = int(seekless.open(made).tables["key"].offset[1]) + 3
    monkeypatch.setattr(verify_module, "open_store", open_then_cut)
    (bad,) = verify(made).bad
    assert (bad.field, bad.block) == ("key", 1)
    assert bad.found == f"the end of the file at byte {end}"


def test_a_store_of_many_more_bytes_than_a_span(tmp_path, write_store):
    x = np.random.default_rng(1).integers(0, 256, (40, 1 << 20), np.uint8)
    path = tmp_path / "large.h5"
    write_store(path, {"x": x}, {"x": 3})
    assert verify(path).bad == ()
    table = seekless.open(path).tables["x"]
    flip(path, int(table.offset[7]) + 12345)
    assert [(bad.block, bad.start, bad.stop) for bad in verify(path).bad] == [(7, 21, 24)]


def test_damage_outside_the_blocks_is_refused_at_opening(made):
    flip(made, 8)
    with pytest.raises(StoreFormatError, match=r"made\.h5: found .*, expected"):
        verify(made)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(StoreNotFoundError, match=r"none\.h5: found no such file, expected a store"):
        verify(tmp_path / "none.h5")


def test_a_bar_counts_the_bytes_of_all_blocks(made, capsys):
    verify(made, progress=True)
    assert capsys.readouterr().err.startswith("verifying: 408 B of 408 B, ")
