"""What a store cannot take is refused in words, and where nothing is new it stays as it is."""

import dataclasses
import os
import re

import numpy as np
import pytest
from kit.growing import append, files, first, holds, value

import seekless
from seekless.convert import append as append_module
from seekless.convert.options import Options as ConvertOptions
from seekless.convert.run import pack
from seekless.errors import BusyError, ConvertError, OptionError, SourceError, StoreError, StoreExistsError
from seekless.source.targets import Targets
from seekless.store.encoding import Encoding
from seekless.store.hdf5_writer import HDF5Writer
from seekless.store.schema import Field, Header


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
