"""A store grows by the files that are new, and stays whole, readable and as it was made."""

import dataclasses
import hashlib
import itertools
import os
import re
import shutil
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 (undoes codecs for plain h5py)
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import seekless
from seekless.convert import append as append_module
from seekless.convert.compare import compare
from seekless.convert.options import Options as ConvertOptions
from seekless.convert.run import pack
from seekless.errors import BusyError, ConvertError, OptionError, ResumeError, SourceError, StoreError, StoreExistsError
from seekless.source.targets import Targets
from seekless.store.encoding import Encoding
from seekless.store.hdf5_writer import HDF5Writer
from seekless.store.schema import Field, Header
from seekless.store.verify import verify

NAMES = ("cat", "dog")


def value(number: int) -> np.ndarray:
    """The sample of a number: it holds the number itself."""
    return np.array([[number % 200, 1], [2, 3]])


@pytest.fixture
def data(tmp_path):
    """A folder that grows: add(a, b) adds the samples a to b - 1 with their lines of target.csv."""
    (tmp_path / "data/train").mkdir(parents=True)

    def add(first, last, names=NAMES, make=value):
        with open(tmp_path / "data/target.csv", "a") as targets:
            for number in range(first, last):
                np.savetxt(tmp_path / f"data/train/{number:03d}.csv", make(number))
                targets.write(f"{number:03d},{names[number % len(names)]}\n")
        return tmp_path / "data"

    return add


@pytest.fixture
def store(tmp_path):
    return tmp_path / "data.h5"


def append(source, store, **options):
    return pack(source, store, append=True, progress=False, workers=0, **options)


def first(source, store, **options):
    return pack(source, store, progress=False, workers=0, **options)


def files(store: Path) -> dict[str, str]:
    """The content of all files of a store."""
    found = {file.relative_to(store.parent).as_posix(): file for file in seekless.open(store).files}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in found.items()}


def holds(store: Path, numbers: range, names=NAMES) -> None:
    """Hold that a store has these samples with their targets, for us and for plain h5py."""
    opened = seekless.open(store)
    assert sorted(opened.keys) == sorted(f"train/{n:03d}.csv" for n in numbers)
    for key, (x, y) in zip(opened.keys, (opened[i] for i in range(len(opened))), strict=True):
        number = int(Path(key).stem)
        assert x.tolist() == value(number).tolist()
        assert opened.class_names[y] == names[number % len(names)]
    with h5py.File(store) as file:
        assert [key.decode() for key in file["key"][...].tolist()] == opened.keys
        stored = opened.read("x", 0, len(opened))
        assert np.array_equal(file["x"][...], stored)
        assert np.array_equal(file["y"][...], opened["y"])


class TestGrowth:
    @pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"shard_bytes": 400}], ids=str)
    def test_new_files_become_a_shard_and_nothing_is_written_again(self, data, store, options):
        first(data(0, 50), store, **options)
        inode, before = store.stat().st_ino, files(store)
        summary = append(data(50, 70), store)
        assert (summary.added, summary.samples) == (20, 70)
        holds(store, range(70))
        shards = seekless.open(store).shards
        if not options.get("shard_bytes"):
            assert len(shards) == 2
            assert shards[0].stat().st_ino == inode
            assert files(store)[shards[0].relative_to(store.parent).as_posix()] == before["data.h5"]
        else:
            kept = {name: content for name, content in before.items() if name != "data.h5"}
            assert kept.items() <= files(store).items()
        assert verify(store).bad == ()
        assert compare(seekless.open(store), data(70, 70)).equal

    def test_ten_times_in_a_row(self, data, store):
        first(data(0, 20), store, test_fraction=0.25)
        for turn in range(10):
            before = files(store)
            append(data(20 + 4 * turn, 24 + 4 * turn), store)
            if turn:
                assert {n: c for n, c in before.items() if n != "data.h5"}.items() <= files(store).items()
        holds(store, range(60))
        opened = seekless.open(store)
        assert opened.header.portions == (20, *range(24, 61, 4))
        assert len(opened.ranges("test")) == 11
        assert sum(stop - start for start, stop in opened.ranges("test")) == 15
        seen = [y for x, y in seekless.batches(opened, 7, split="train")]
        assert len(np.concatenate(seen)) == 45

    def test_the_parts_of_a_store_are_those_of_its_portions(self, data, store):
        first(data(0, 40), store, test_fraction=0.1)
        append(data(40, 60), store)
        append(data(60, 63), store)
        opened = seekless.open(store)
        assert opened.header.boundaries == (36, 40, 58, 60, 63, 63)  # of three samples none is for the test
        assert opened.ranges("train") == ((0, 36), (40, 58), (60, 63))
        assert opened.ranges("test") == ((36, 40), (58, 60))
        assert opened.ranges((0.0, 0.5)) == ((0, 20), (40, 50), (60, 62))
        assert [opened.ranges(split) for split in opened.split(0.5, 0.5)] == [
            ((0, 20), (40, 50), (60, 62)),
            ((20, 40), (50, 60), (62, 63)),
        ]
        assert opened.ranges((0.0, 1.0)) == opened.ranges(None) == ((0, 63),)
        assert opened.ranges(((0, 5), (5, 7), (9, 9), (10, 12))) == ((0, 7), (10, 12))
        with pytest.raises(
            OptionError, match=r"split='train': found 3 ranges of samples in .*data\.h5, which has grown"
        ):
            opened.part("train")
        with pytest.raises(OptionError, match=r"expected ascending .start, stop. pairs of samples from 0 to 63"):
            opened.ranges(((10, 12), (0, 5)))

    def test_new_classes_get_the_next_numbers(self, data, store):
        first(data(0, 10), store)
        append(data(10, 16, ("cat", "ant", "bee")), store)
        assert seekless.open(store).class_names == ("cat", "dog", "ant", "bee")
        append(data(16, 18, ("zebra", "aardvark")), store)
        opened = seekless.open(store)
        assert opened.class_names == ("cat", "dog", "ant", "bee", "aardvark", "zebra")
        label = dict(zip(opened.keys, opened["y"].tolist(), strict=True))
        assert [label[f"train/{n:03d}.csv"] for n in (0, 1, 10, 11, 16, 17)] == [0, 1, 2, 3, 5, 4]
        assert compare(opened, data(0, 0)).equal

    def test_classes_that_are_numbers_grow(self, data, store):
        first(data(0, 10, ("0", "3")), store)
        append(data(10, 12, ("7", "1")), store)
        assert seekless.open(store).header.class_count == 8
        with pytest.raises(SourceError, match=r"found classes cat, expected those of .*data.h5: 0 to 7, or more"):
            append(data(12, 13, ("cat",)), store)

    def test_numbers_stay_numbers_where_new_ones_are_whole(self, data, store):
        first(data(0, 10, ("0.5", "1.5")), store)
        append(data(10, 12, ("7", "1")), store)
        assert seekless.open(store)["y"][10:].tolist() in ([7, 1], [1, 7])

    def test_one_folder_of_a_class_alone_is_added(self, tmp_path, store):
        for name in ("a/0", "a/1", "b/0", "b/1"):
            (tmp_path / f"pictures/{name[0]}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), 7, np.uint8)).save(tmp_path / f"pictures/{name}.png")
        first(tmp_path / "pictures", store)
        shutil.rmtree(tmp_path / "pictures/a")
        (tmp_path / "pictures/b/0.png").rename(tmp_path / "pictures/b/a longer name.png")
        assert append(tmp_path / "pictures", store).added == 1
        assert seekless.open(store).keys[4:] == ["b/a longer name.png"]
        assert seekless.open(store)["y"][4] == 1

    def test_samples_whose_files_are_gone_stay(self, data, store):
        source = data(0, 10)
        first(source, store)
        for file in (source / "train").iterdir():
            file.unlink()
        append(data(10, 13), store)  # the lines of target.csv that name them are no fault
        holds(store, range(13))

    def test_rows_of_tables_are_added(self, tmp_path, store):
        table = tmp_path / "t.csv"
        table.write_text("label,a,b\n" + "".join(f"{'cat' if n % 2 else 'dog'},{n},1\n" for n in range(20)))
        first(table, store, rows=True, target_columns=("label",))
        with open(table, "a") as file:
            file.write("".join(f"bird,{n},1\n" for n in range(20, 25)))
        assert append(table, store).added == 5
        opened = seekless.open(store)
        values = {
            key: (x[0], opened.class_names[y])
            for key, (x, y) in zip(opened.keys, map(opened.__getitem__, range(25)), strict=True)
        }
        assert values["t.csv#24"] == (24, "bird")
        assert values["t.csv#3"] == (3, "cat")
        assert compare(opened, table).equal
        assert append(table, store).added == 0

    def test_keys_may_become_longer(self, data, store):
        source = data(0, 10)
        first(source, store)
        for length in (4, 9):
            key = "x" * length
            np.savetxt(source / f"train/{key}.csv", value(1))
            with open(source / "target.csv", "a") as targets:
                targets.write(f"{key},cat\n")
            append(source, store)
        opened = seekless.open(store)
        assert opened.keys[10:] == ["train/xxxx.csv", "train/xxxxxxxxx.csv"]
        with h5py.File(store) as file:
            assert [key.decode() for key in file["key"][...].tolist()] == opened.keys
        assert [key.decode() for key in opened.reader("key").read([(2, 4), (9, 12)]).tolist()] == [
            opened.keys[n] for n in (2, 3, 9, 10, 11)
        ]

    def test_a_small_store_grows_large_in_blocks_of_its_new_size(self, data, store):
        first(data(0, 3), store, compression="zstd")
        append(data(3, 300), store)
        opened = seekless.open(store)
        assert np.diff(opened.tables["x"].first).max() == 5  # of 300 samples, 64 blocks
        holds(store, range(300))

    def test_an_appended_store_is_opened_where_it_is_moved_to(self, data, store, tmp_path):
        first(data(0, 10), store)
        append(data(10, 15), store)
        (tmp_path / "there").mkdir()
        for name in ("data.h5", "data-shards"):
            (tmp_path / name).rename(tmp_path / "there" / name)
        holds(tmp_path / "there/data.h5", range(15))

    def test_through_a_symbolic_link_the_store_itself_grows(self, data, store, tmp_path):
        first(data(0, 10), store)
        (tmp_path / "links").mkdir()
        (tmp_path / "links/a.h5").symlink_to(store)
        append(data(10, 15), tmp_path / "links/a.h5")
        holds(store, range(15))
        holds(tmp_path / "links/a.h5", range(15))
        assert os.listdir(tmp_path / "links") == ["a.h5"]

    def test_without_hard_links_the_first_part_is_a_copy(self, data, store, monkeypatch):
        first(data(0, 10), store)

        def refuse(*args):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(append_module.os, "link", refuse)
        append(data(10, 15), store)
        holds(store, range(15))
        assert seekless.open(store).shards[0].stat().st_nlink == 1

    def test_where_neither_a_link_nor_a_copy_can_be_made_it_says_so(self, data, store, monkeypatch):
        first(data(0, 10), store)
        before = files(store)

        def refuse(*args):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(append_module.os, "link", refuse)
        monkeypatch.setattr(append_module, "check_space", no_space)
        with pytest.raises(ConvertError, match=r"a copy of data.h5, of which this disk makes no link"):
            append(data(10, 15), store)
        assert files(store) == before

    @settings(deadline=None, max_examples=15)
    @given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 3))
    def test_whatever_is_added_when_every_sample_comes_once_an_epoch(self, tmp_path_factory, counts, seed):
        folder = tmp_path_factory.mktemp("grown")
        x = np.arange(100 * 4).reshape(100, 2, 2)
        (folder / "data").mkdir()
        (folder / "data/target.csv").write_text("".join(f"{n},{n % 3}\n" for n in range(100)))
        ends = np.cumsum([12, *counts]).tolist()
        store = folder / "data.h5"
        done = 0
        for end in ends:
            for number in range(done, end):
                np.savetxt(folder / f"data/{number}.csv", x[number])
            (folder / "data/target.csv").write_text("".join(f"{n},{n % 3}\n" for n in range(end)))
            append(folder / "data", store, seed=seed, test_fraction=0.3)
            done = end
        opened = seekless.open(store)
        for split in ("train", "test", None):
            whole = [n for start, stop in opened.ranges(split) for n in range(start, stop)]
            for shuffle in ("window", "full", False):
                found = [b[0] for b in seekless.batches(opened, 5, split=split, shuffle=shuffle, window_bytes=40)]
                values = np.concatenate(found)[:, 0, 0] if found else []
                assert sorted(values) == sorted(opened["x"][whole][:, 0, 0])


def no_space(folder, wanted, what):
    raise ConvertError(f"found no room for {what}")


class TestNothingNew:
    def test_the_store_stays_as_it_is_byte_for_byte(self, data, store):
        first(data(0, 10), store)
        stat, before = store.stat(), files(store)
        summary = append(data(10, 10), store)
        assert summary.added == 0
        assert "nothing: no sample is new, the store is as it was" in str(summary)
        assert files(store) == before
        assert store.stat().st_mtime_ns == stat.st_mtime_ns
        assert sorted(os.listdir(store.parent)) == ["data", "data.h5"]

    def test_where_all_that_is_new_is_skipped(self, data, store):
        source = data(0, 10)
        first(source, store)
        before = files(store)
        (source / "train/777.csv").write_text("no number\n")
        with open(source / "target.csv", "a") as targets:
            targets.write("777,cat\n")
        assert append(source, store, on_error="skip").skipped == 1
        assert files(store) == before
        with pytest.raises(SourceError, match="found 1 bad of 1 samples; no store was written"):
            append(source, store)
        assert files(store) == before

    def test_without_a_store_it_is_a_conversion(self, data, store):
        source = data(0, 10)
        summary = append(source, store, test_fraction=0.2)
        assert summary.added is None
        whole = store.with_name("whole.h5")
        first(source, whole, test_fraction=0.2)
        assert store.read_bytes() == whole.read_bytes()


class TestRefused:
    def test_a_value_that_the_stored_dtype_does_not_hold(self, data, store):
        first(data(0, 10), store)
        before = files(store)
        message = (
            "train/011.csv: found the value 310.0, which comes back from uint8 as 54.0, expected values that data.h5 "
            "holds, which stores uint8; convert the new files to a store of their own, and join the two by "
            "`convert merge`"
        )
        with pytest.raises(SourceError, match=re.escape(message)):
            append(data(10, 13, make=lambda n: value(n) + 299 * (n == 11)), store)
        assert files(store) == before
        assert sorted(os.listdir(store.parent)) == ["data", "data.h5"]

    def test_what_is_stored_by_a_divisor_is_proved_by_it(self, data, store):
        first(data(0, 10, make=lambda n: value(n) / 255), store)
        append(data(10, 12, make=lambda n: value(n) / 255), store)
        with pytest.raises(SourceError, match=re.escape("found the value 10.0, which comes back from uint8 / 255 as")):
            append(data(12, 13, make=lambda n: np.full((2, 2), 10)), store)

    def test_a_store_with_loss_grows_with_loss_as_far_as_values_fit(self, data, store):
        first(data(0, 10, make=lambda n: value(n) + 0.3), store, dtype="uint8", lossy=True)
        append(data(10, 12, make=lambda n: value(n) + 0.3), store)
        assert seekless.open(store)["x"].max() < 20
        with pytest.raises(SourceError, match=r"014.csv: found the value 1014.3"):
            append(data(12, 15, make=lambda n: value(n) + 0.3 + 1000 * (n == 14)), store)

    def test_samples_of_another_shape(self, data, store):
        first(data(0, 10), store)
        before = files(store)
        with pytest.raises(
            SourceError, match=r"train/011.csv: found shape 5, expected shape 2 x 2 as in data.h5"
        ) as raised:
            append(data(10, 12, make=lambda n: value(n) if n == 10 else np.arange(5)[None]), store)
        assert "found 1 bad of 2 samples" in str(raised.value)
        assert files(store) == before

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"seed": 5}, "--seed: found 5, expected 0 as {store} was made with"),
            ({"shuffle": False}, "--no-shuffle: found --no-shuffle, expected samples that are shuffled"),
            ({"test_fraction": 0.5}, "--test-fraction: found 0.5, expected 0.1"),
            ({"group_by": "^."}, "--group-by: found ^., expected nothing"),
            ({"dtype": "float32"}, "--dtype: found float32, expected auto"),
            ({"compression": "lz4"}, "--compression: found lz4, expected zstd"),
            ({"block_bytes": 4}, "--block-bytes: found 4, expected nothing"),
            ({"shard_bytes": 40000}, "--shard-bytes: found 40000, expected nothing"),
            ({"shape": (4,)}, "--shape: found 4, expected nothing"),
            ({"columns": [0, 1]}, "--columns: found 0,1, expected nothing"),
            ({"scale": 255}, "--scale: found 255, expected 1"),
            ({"decimal": ","}, "--decimal: found ,, expected ."),
            ({"allow_nan": True}, "--allow-nan: found True, expected False"),
            (
                {"kind": "image"},
                "--append: found pictures (png-to-h5) for {store}, expected numbers from text (csv-to-h5)",
            ),
            ({"target_type": "number"}, "--target-type: found number, expected class"),
            ({"labels": "none"}, "--labels: found none, expected targets as {store} has them"),
            ({"overwrite": True}, "--append: found together with --overwrite, expected one of them"),
            ({"wrong": 1}, "seekless.pack: found unknown options wrong"),
        ],
        ids=str,
    )
    def test_options_that_are_not_those_of_the_store(self, data, store, options, message):
        first(data(0, 10), store, test_fraction=0.1, compression="zstd")
        before = files(store)
        with pytest.raises(OptionError, match=re.escape(message.format(store=store))):
            append(data(10, 13), store, **options)
        assert files(store) == before
        assert sorted(os.listdir(store.parent)) == ["data", "data.h5"]

    def test_the_same_options_again_are_fine(self, data, store):
        options = {
            "test_fraction": 0.1,
            "compression": "zstd",
            "seed": 3,
            "dtype": "auto",
            "shape": (4,),
            "kind": "csv",
        }
        first(data(0, 10), store, **options)
        assert append(data(10, 13), store, **options).added == 3
        assert append(data(13, 14), store, dtype="uint8").added == 1
        assert seekless.open(store).shape == (14, 4)
        assert seekless.open(store).header.seed == 3

    def test_targets_for_a_store_without(self, data, store):
        first(data(0, 10), store, labels="none")
        with pytest.raises(OptionError, match=r"--labels: found .*target.csv, expected none"):
            append(data(10, 12), store, labels=str(store.parent / "data/target.csv"))
        assert append(data(12, 12), store).added == 2
        assert "y" not in seekless.open(store).fields

    def test_other_classes_than_those_of_the_store(self, data, store, tmp_path):
        first(data(0, 10), store)
        other = tmp_path / "other.h5"
        first(data(10, 12, ("ant", "bee")), other)
        with pytest.raises(OptionError, match=r"--classes-from: found other classes in .*other.h5 than in .*data.h5"):
            append(data(12, 12), store, classes_from=other)
        with pytest.raises(SourceError, match="found classes ant, bee, expected those of"):
            append(data(12, 12), store, classes_from=store)

    def test_a_folder_of_npy_files(self, data, tmp_path):
        path = tmp_path / "data.npy.d"
        first(data(0, 10), path)
        with pytest.raises(OptionError, match=r"--append: found the store data.npy.d, expected one that ends in .h5"):
            append(data(10, 12), path)

    def test_what_is_no_store(self, data, store):
        store.write_text("my own file")
        with pytest.raises(StoreExistsError, match="found something there that is no store"):
            append(data(0, 10), store)
        assert store.read_text() == "my own file"

    def test_a_store_of_other_fields_or_another_dtype(self, data, store, tmp_path):
        seekless.write(store, np.arange(40, dtype=np.int32).reshape(10, 2, 2) * 100_000, np.arange(10) % 2)
        with pytest.raises(OptionError, match=r"--append: found numbers from text .csv-to-h5. for"):
            append(data(0, 3, ("0", "1")), store, kind="csv")
        floats = tmp_path / "floats.h5"
        seekless.write(floats, np.arange(40.0).reshape(10, 2, 2), np.arange(10) % 2)
        assert append(data(3, 3), floats).added == 3

    def test_a_place_of_shards_that_is_taken(self, data, store):
        first(data(0, 10), store)
        (store.parent / "data-shards").write_text("a file")
        with pytest.raises(ConvertError, match="data-shards: found something that is no folder"):
            append(data(10, 12), store)
        holds(store, range(10))

    def test_two_at_a_time(self, data, store):
        first(data(0, 10), store)
        source = data(10, 12)

        def second(progress):
            with pytest.raises(BusyError, match=r"found another conversion .process [0-9]+. writing this store"):
                append(source, store)

        pack(source, store, append=True, workers=0, progress=second)
        holds(store, range(12))

    def test_targets_of_another_shape(self, data, store):
        source = data(0, 10)
        (source / "target.csv").write_text("".join(f"{n:03d},{n}.5,{n}.25\n" for n in range(10)))
        first(source, store)
        data(10, 11)
        (source / "target.csv").write_text("".join(f"{n:03d},{n}.5\n" for n in range(11)))
        with pytest.raises(
            SourceError, match=r"found new targets of kind number and shape \(\), expected number and \(2,\)"
        ):
            append(source, store)

    def test_targets_that_the_dtype_of_y_does_not_hold(self, data, store):
        first(data(0, 10, ("0", "1")), store)
        base = append_module.open_base(store)
        y = base.header.fields["y"]
        narrow = dataclasses.replace(y, encoding=Encoding(np.dtype("u1"), np.dtype("u1")))
        header = dataclasses.replace(base.header, fields={**base.header.fields, "y": narrow})
        targets = Targets(np.array([3, 300]), "class", 301)
        with pytest.raises(SourceError, match="found the target 300, expected targets that uint8 holds, as which the"):
            dataclasses.replace(base, header=header).lay_out(
                ["a", "b"], targets, np.arange(2), (), base.header.fields["x"].encoding, ConvertOptions()
            )

    def test_another_scale(self, data, store):
        seekless.write(store, np.arange(40.0).reshape(10, 2, 2), np.arange(10) % 2, scale=255)
        source = data(0, 10, ("0", "1"))
        with pytest.raises(SourceError, match=r"--scale: found 3 for .*data, expected 255 as of .*data.h5; give that"):
            append(source, store, scale=3)
        assert append(source, store).added == 10

    def test_a_store_without_keys(self, data, store):
        byte = np.dtype("u1")
        header = Header(3, {"x": Field("x", (2,), Encoding(byte, byte), 3)}, True, 0, "by hand")
        with HDF5Writer(store, header) as writer:
            writer.append("x", bytes(6))
        with pytest.raises(StoreError, match=r"found the fields x, expected x, key and perhaps y, as a store of files"):
            append(data(0, 2), store)


class TestGroups:
    def test_new_groups_are_added_and_split_whole(self, data, store):
        first(data(0, 60), store, group_by="/(..)", test_fraction=0.3)
        append(data(60, 120), store)
        opened = seekless.open(store)
        train, test = (
            {opened.keys[n][6:8] for a, b in opened.ranges(name) for n in range(a, b)} for name in ("train", "test")
        )
        assert train
        assert test
        assert not train & test
        assert len(opened.ranges("test")) == 2
        halves = [
            {opened.keys[n][6:8] for a, b in opened.ranges(s) for n in range(a, b)} for s in opened.split(0.5, 0.5)
        ]
        assert not halves[0] & halves[1]

    def test_one_new_group_is_a_part(self, data, store):
        first(data(0, 60), store, group_by="/(..)")
        assert append(data(60, 63), store).added == 3
        assert seekless.open(store).header.parts[-1] == 63

    def test_new_samples_of_old_groups_are_refused(self, data, store):
        first(data(0, 55), store, group_by="/(..)")
        with pytest.raises(
            SourceError, match=r"--group-by /.*: found new samples of the group 05, of which .*data.h5 has"
        ):
            append(data(55, 63), store)

    def test_shuffled_again_groups_stay_whole(self, data, store):
        first(data(0, 60), store, group_by="/(..)", test_fraction=0.3)
        append(data(60, 120), store)
        mixed = store.with_name("mixed.h5")
        from seekless.convert.rewrite import shuffle

        shuffle(store, mixed, progress=False)
        old, new = seekless.open(store), seekless.open(mixed)
        for name in ("train", "test"):
            (start, stop), *more = new.ranges(name)
            assert not more
            assert {new.keys[n] for n in range(start, stop)} == {
                old.keys[n] for a, b in old.ranges(name) for n in range(a, b)
            }
        ends = (0, *new.header.parts)
        groups = [{key[6:8] for key in new.keys[a:b]} for a, b in itertools.pairwise(ends)]
        assert sum(map(len, groups)) == len(set().union(*groups)) == 12


class TestAfterwards:
    def test_shuffle_draws_one_order_and_keeps_the_parts(self, data, store):
        from seekless.convert.rewrite import merge, shuffle

        first(data(0, 40), store, test_fraction=0.25)
        append(data(40, 60), store)
        mixed, both = store.with_name("mixed.h5"), store.with_name("both.h5")
        shuffle(store, mixed, progress=False)
        old, new = seekless.open(store), seekless.open(mixed)
        assert new.header.portions == ()
        assert new.header.boundaries == (45, 60)
        tested = {old.keys[n] for a, b in old.ranges("test") for n in range(a, b)}
        assert {new.keys[n] for n in range(45, 60)} == tested
        holds(mixed, range(60))
        merge([store, mixed], both, prefix=True, progress=False)
        assert seekless.open(both).header.boundaries == (90, 120)

    def test_it_says_that_it_is_shuffled_within_parts(self, data, store):
        from seekless.store.describe import describe

        first(data(0, 40), store, test_fraction=0.25)
        append(data(40, 60), store)
        description = describe(seekless.open(store))
        assert (
            "60, shuffled: within parts, seed 0; 2 portions that were converted one after the other (40 + 20)"
            in str(description)
        )
        assert description.as_dict()["shuffled"] == "within parts"
        assert description.as_dict()["portions"] == [40, 20]
        assert description.as_dict()["parts"] == {"train": 45, "test": 15}
        assert "shuffled with seed 0 within 2 portions" in repr(seekless.open(store))

    def test_shuffled_in_place_its_shards_are_gone(self, data, store):
        from seekless.convert.rewrite import shuffle

        first(data(0, 10), store)
        append(data(10, 12), store)
        shuffle(store, store, overwrite=True, progress=False)
        assert sorted(os.listdir(store.parent)) == ["data", "data.h5"]
        holds(store, range(12))
        assert append(data(12, 14), store).added == 2
        holds(store, range(14))

    def test_overwrite_replaces_all_of_it(self, data, store):
        first(data(0, 10), store)
        append(data(10, 12), store)
        first(data(12, 12), store, overwrite=True)
        assert sorted(os.listdir(store.parent)) == ["data", "data.h5"]
        holds(store, range(12))

    def test_a_part_that_is_missing_is_named(self, data, store):
        first(data(0, 10), store)
        append(data(10, 12), store)
        shard = seekless.open(store).shards[1]
        shard.unlink()
        with pytest.raises(StoreError, match=f"{shard.name}: found no such file, expected a shard of"):
            seekless.open(store)

    def test_work_of_a_stopped_append_is_not_thrown_away(self, data, store, stop):
        first(data(0, 10), store)
        source = data(10, 30)
        stop(source, store, 1, append=True)
        holds(store, range(10))
        with pytest.raises(
            ResumeError, match=r"go on with it by --resume, or start over by removing data.h5.parts"
        ) as raised:
            append(source, store)
        assert "--overwrite" not in str(raised.value)
        with pytest.raises(ResumeError, match=r"--append: found nothing, expected a store of 10 samples .checksum"):
            pack(source, store, overwrite=True, resume=True, progress=False)
        data(30, 31)
        with pytest.raises(ResumeError, match=r"found 1 new .train/030.csv. since the stopped run, expected the same"):
            append(source, store, resume=True)
        shutil.rmtree(store.with_name("data.h5.parts"))
        assert append(source, store).removed == ()
        holds(store, range(31))
