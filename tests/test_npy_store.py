"""The other kind of store, all the way: a folder of plain arrays that holds what the HDF5 file holds."""

import shutil

import numpy as np
import pytest

import seekless
from seekless.errors import SourceError, StoreExistsError, StoreFormatError


def pack(source, store, **options):
    return seekless.pack(source, store, **{"progress": False, "workers": 0, **options})


def arrays(path):
    """The values of a store's fields as bytes: what must not differ in a bit."""
    store = seekless.open(path)
    return {name: (store[name].dtype, store[name].shape, store[name].tobytes()) for name in store.fields}


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


class TestNPY:
    """The same store as a folder of plain arrays."""

    @pytest.fixture
    def made(self, tiny_csv):
        path = tiny_csv.root.parent / "a.npy.d"
        pack(tiny_csv.root, path, seed=3, test_fraction=0.2)
        return path

    def test_it_holds_what_hdf5_holds(self, made, tiny_csv):
        other = made.with_name("a.h5")
        pack(tiny_csv.root, other, seed=3, test_fraction=0.2)
        assert arrays(made) == arrays(other)
        assert seekless.open(made).header == seekless.open(other).header
        assert seekless.open(made).part("test") == (104, 130)

    def test_numpy_maps_it(self, made):
        opened = seekless.open(made)
        for name in opened.fields:
            mapped = np.load(made / f"{name}.npy", mmap_mode="r")
            assert isinstance(mapped, np.memmap)
            np.testing.assert_array_equal(mapped, opened.read(name, 0, len(opened)), strict=True)

    def test_its_batches_are_those_of_hdf5(self, made, tiny_csv):
        pack(tiny_csv.root, made.with_name("a.h5"), seed=3, test_fraction=0.2)
        of_both = [
            list(seekless.batches(made.with_name(name), 32, split="train", seed=5)) for name in ("a.h5", "a.npy.d")
        ]
        for one, other in zip(*of_both, strict=True):
            assert [array.tobytes() for array in one] == [array.tobytes() for array in other]

    @pytest.mark.parametrize(
        ("name", "change", "message"),
        [
            ("x.npy", lambda data: None, r"x\.npy: found no such file, expected an array of the store"),
            ("store.json", lambda data: None, r"a\.npy\.d: found a folder without store\.json, expected a store"),
            ("key.npy", lambda data: data[:-1], r"key\.npy: found \d+ bytes, expected \d+"),
            ("y.npy", lambda data: data + b"\0", r"y\.npy: found \d+ bytes, expected \d+"),
            (
                "x.npy",
                lambda data: data.replace(b"|u1", b"|i1", 1),
                r"x\.npy: found another array than store\.json tells",
            ),
            (
                "store.json",
                lambda data: data.replace(b"130", b"131", 1),
                r"store\.json: found a checksum that does not fit",
            ),
            ("store.json", lambda data: b"", r"store\.json: found text that is no description of a store"),
        ],
        ids=["no x", "no description", "cut short", "longer", "another dtype", "another length", "empty description"],
    )
    def test_a_spoilt_folder_is_refused(self, made, name, change, message):
        data = change((made / name).read_bytes())
        (made / name).unlink()
        if data is not None:
            (made / name).write_bytes(data)
        with pytest.raises(StoreFormatError, match=message):
            seekless.open(made)

    def test_a_flipped_bit_of_a_block_is_found_when_it_is_read(self, made):
        data = bytearray((made / "x.npy").read_bytes())
        data[-1] ^= 1
        (made / "x.npy").write_bytes(data)
        opened = seekless.open(made)
        opened["y"]
        with pytest.raises(StoreFormatError, match=r"x\.npy: block 43 of x is damaged: found checksum"):
            opened["x"]

    def test_overwrite_swaps_the_folder(self, made, tiny_csv):
        before = arrays(made)
        with pytest.raises(StoreExistsError, match=r"a\.npy\.d: found something there; .* --overwrite"):
            pack(tiny_csv.root, made)
        assert arrays(made) == before
        pack(tiny_csv.root, made, seed=4, overwrite=True)
        assert arrays(made) != before
        assert names(made) == ["key.npy", "store.json", "x.npy", "y.npy"]
        assert names(made.parent) == ["a.npy.d", "data"]

    def test_a_failed_run_leaves_the_old_one(self, made, tiny_csv):
        before = arrays(made)
        (tiny_csv.root / "train" / "00003.csv").write_text("x")
        with pytest.raises(SourceError, match="found 1 bad"):
            pack(tiny_csv.root, made, overwrite=True)
        assert arrays(made) == before
        assert names(made.parent) == ["a.npy.d", "a.npy.d.errors.csv", "data"]

    def test_a_folder_of_the_users_own_is_not_replaced(self, tiny_csv, tmp_path):
        mine = tmp_path / "mine.npy.d"
        mine.mkdir()
        (mine / "x.npy").write_text("mine")
        with pytest.raises(
            StoreExistsError, match=r"mine\.npy\.d: found something there that is no store, expected a st"
        ):
            pack(tiny_csv.root, mine, overwrite=True)
        assert (mine / "x.npy").read_text() == "mine"

    @pytest.mark.parametrize("there", [False, True], ids=["between the renames", "after them"])
    def test_a_swap_that_was_killed_is_completed(self, made, tiny_csv, there):
        left = made.with_name("a.npy.d.replaced")
        before = arrays(made)
        if there:
            shutil.copytree(made, left)
        else:
            made.rename(left)
        with pytest.raises(StoreExistsError, match="found something there"):
            pack(tiny_csv.root, made, seed=9)
        assert arrays(made) == before
        pack(tiny_csv.root, made, seed=9, overwrite=True)
        assert arrays(made) != before
        assert names(made.parent) == ["a.npy.d", "data"]
