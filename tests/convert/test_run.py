"""The law of conversion: what is in the store is what is in the files, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
from kit.converting import names, pack

import seekless
from seekless.errors import OptionError, SourceError
from seekless.source import samples as samples_module


def assert_store_is_the_source(store: seekless.Store, root: Path, targets: dict[str, float]) -> None:
    """Each sample equals numpy.loadtxt of the file that its key names, and its target the one given for that name."""
    files = sorted(path.relative_to(root).as_posix() for path in (root / "train").rglob("*.csv"))
    assert sorted(store.keys) == files
    x, y = store["x"], store["y"]
    for index, key in enumerate(store.keys):
        expected = np.loadtxt(root / key)
        assert x[index].dtype == expected.dtype == np.float64
        assert x[index].shape == expected.shape
        assert x[index].tobytes() == expected.tobytes()
        assert y[index] == targets[Path(key).stem]


class TestTheLaw:
    def test_the_articles_layout(self, tiny_csv, path):
        summary = pack(tiny_csv.root, path)
        store = seekless.open(path)
        targets = {f"{number:05d}": label for number, label in enumerate(tiny_csv.labels)}
        assert_store_is_the_source(store, tiny_csv.root, targets)
        assert store.header.fields["x"].dtype == np.uint8
        assert str(store.header.fields["x"].encoding) == str(summary.encoding) == "uint8 / 255"
        assert (summary.store, summary.samples, summary.skipped, summary.shape) == (path, 130, 0, (6, 6))
        assert summary.classes == store.header.class_count == 10
        assert summary.bytes_in == sum(file.stat().st_size for file in (tiny_csv.root / "train").iterdir())
        files = path.iterdir() if path.is_dir() else [path]
        assert summary.bytes_out == sum(file.stat().st_size for file in files)
        assert summary.seconds > 0
        assert names(path.parent) == sorted(["data", path.name])

    def test_what_the_header_says(self, tiny_csv, path):
        pack(tiny_csv.root, path, seed=5, test_fraction=0.1)
        header = seekless.open(path).header
        assert (header.length, header.shuffled, header.seed, header.boundaries) == (130, True, 5, (117, 130))
        assert (header.target_kind, header.class_count, header.class_names) == ("class", 10, None)
        assert header.created_by == f"seekless {seekless.__version__}"
        assert header.options == {
            "block_bytes": None,
            "compression": "auto",
            "dtype": "auto",
            "group_by": None,
            "lossy": False,
            "on_error": "raise",
            "shard_bytes": None,
            "test_fraction": 0.1,
        }
        assert [header.fields[name].block_length for name in ("x", "y", "key")] == [3, 130, 130]
        assert header.fields["x"].scale == 1

    @pytest.mark.parametrize(
        ("values", "dtype"),
        [
            ([0.0, 255.0], "uint8"),
            ([-1.0, 100.0], "int8"),
            ([0.0, 1 / 255], "uint8 / 255"),
            ([0.0, 256.0], "uint16"),
            ([-500.0, 1.0], "int16"),
            ([1 / 65535, 1.0], "uint16 / 65535"),
            ([0.5, 2.0], "float16"),
            ([float(np.float32(0.1)), 1.0], "float32"),
            ([0.1, 1.0], "float64"),
            ([-0.0, 0.0], "float16"),
            ([5e-324, 1.7e308], "float64"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_each_dtype_is_stored_right(self, write_source, path, values, dtype):
        random = np.random.default_rng(1)
        samples = {f"s{number}": random.choice(values, (2, 3)) for number in range(70)}
        samples["s7"] = np.full((2, 3), values[0])
        samples["s8"] = np.full((2, 3), values[1])
        targets = {name: int(name[1:]) % 3 for name in samples}
        root = write_source(samples, targets)
        summary = pack(root, path)
        assert str(summary.encoding) == dtype
        assert_store_is_the_source(seekless.open(path), root, targets)

    @pytest.mark.parametrize(
        ("count", "shape"),
        [(1, (3, 4)), (1, ()), (2, (5,)), (63, ()), (64, (1, 4)), (65, (4, 1)), (65, (3, 4)), (129, ())],
        ids=str,
    )
    def test_any_number_of_samples_of_any_shape(self, write_source, tmp_path, count, shape):
        samples = {f"{number}": np.full(shape, number) for number in range(count)}
        targets = {f"{number}": number * 2 for number in range(count)}
        root = write_source(samples, targets)
        pack(root, tmp_path / "data.h5")
        assert_store_is_the_source(seekless.open(tmp_path / "data.h5"), root, targets)

    @pytest.mark.parametrize(
        ("widening", "dtype"), [(0.1, "float64"), (300 / 65535, "uint16 / 65535"), (1.5, "float64")]
    )
    @pytest.mark.parametrize("workers", [0, 2])
    def test_the_last_file_read_may_need_more_bits(self, tiny_csv, tmp_path, monkeypatch, workers, widening, dtype):
        """All runs before it were kept as uint8 / 255."""
        monkeypatch.setattr(samples_module, "RUN_FILES", 7)
        files = sorted((tiny_csv.root / "train").iterdir(), key=lambda file: file.stat().st_ino)
        last = np.loadtxt(files[-1])
        last[3, 3] = widening
        with open(files[-1], "r+") as file:  # the inode stays
            np.savetxt(file, last)
            file.truncate()
        assert str(pack(tiny_csv.root, tmp_path / "a.h5", workers=workers).encoding) == dtype
        targets = {f"{number:05d}": label for number, label in enumerate(tiny_csv.labels)}
        assert_store_is_the_source(seekless.open(tmp_path / "a.h5"), tiny_csv.root, targets)


class TestTargets:
    def test_numbers(self, write_source, path):
        samples = {f"{number}": [number] * 3 for number in range(20)}
        targets = {name: int(name) / 7 for name in samples}
        root = write_source(samples, {name: repr(value) for name, value in targets.items()})
        summary = pack(root, path)
        store = seekless.open(path)
        assert_store_is_the_source(store, root, targets)
        assert store["y"].dtype == np.float64
        assert (store.header.target_kind, store.header.class_count, store.class_names) == ("number", 0, None)
        assert summary.classes == 0

    def test_words(self, write_source, path):
        samples = {f"{number}": [number] * 3 for number in range(20)}
        words = {name: ("zebra", "âne", "cat")[int(name) % 3] for name in samples}
        root = write_source(samples, words)
        pack(root, path)
        store = seekless.open(path)
        assert store.class_names == ("cat", "zebra", "âne")
        assert (store.header.target_kind, store.header.class_count) == ("class", 3)
        for key, number in zip(store.keys, store["y"], strict=True):
            assert store.class_names[number] == words[Path(key).stem]

    def test_another_labels_file(self, write_source, tmp_path):
        root = write_source({"a": [1.0], "b": [2.0]}, {"a": 0, "b": 0})
        (tmp_path / "other.csv").write_text("b,1\na,0\n")
        pack(root, tmp_path / "a.h5", labels=str(tmp_path / "other.csv"))
        store = seekless.open(tmp_path / "a.h5")
        assert dict(zip(store.keys, store["y"].tolist(), strict=True)) == {"train/a.csv": 0, "train/b.csv": 1}

    def test_none(self, write_source, path):
        pack(write_source({"a": [1.0], "b": [2.0]}), path, labels="none")
        assert seekless.open(path).fields == ("x", "key")


class TestClassesFrom:
    @pytest.fixture
    def old(self, write_source, tmp_path):
        words = {"0": "cat", "1": "bee", "2": "ant"}
        pack(write_source({name: [1.0] for name in words}, words, "old"), tmp_path / "old.h5")
        return tmp_path / "old.h5"

    def test_classes_have_the_numbers_of_another_store(self, old, write_source, tmp_path):
        root = write_source({"7": [1.0], "8": [2.0]}, {"7": "cat", "8": "bee"})
        pack(root, tmp_path / "new.h5", classes_from=old)
        store = seekless.open(tmp_path / "new.h5")
        assert store.class_names == ("ant", "bee", "cat")
        assert dict(zip(store.keys, store["y"].tolist(), strict=True)) == {"train/7.csv": 2, "train/8.csv": 1}

    def test_another_class_is_refused(self, old, write_source, tmp_path):
        with pytest.raises(SourceError, match=r"found classes dog, expected those of .*old\.h5: ant, bee, cat"):
            pack(write_source({"7": [1.0]}, {"7": "dog"}), tmp_path / "new.h5", classes_from=old)

    def test_a_store_of_numbers_has_none(self, write_source, tmp_path):
        root = write_source({"a": [1.0]}, {"a": 0.5})
        pack(root, tmp_path / "old.h5")
        with pytest.raises(OptionError, match=r"--classes-from: found no classes in .*old\.h5, expected a store whose"):
            pack(root, tmp_path / "new.h5", classes_from=tmp_path / "old.h5")


class TestRows:
    """A row of a table is a sample, and its label one of the columns."""

    @pytest.fixture
    def table(self, tmp_path):
        random = np.random.default_rng(2)
        values, labels = random.integers(0, 256, (300, 6)), random.integers(0, 5, 300)
        lines = [f"{label},{','.join(map(str, row))}\n" for label, row in zip(labels, values, strict=True)]
        (tmp_path / "t.csv").write_text("label,a,b,c,d,e,f\n" + "".join(lines))
        return tmp_path / "t.csv", values, labels

    @pytest.mark.parametrize("workers", [0, 2])
    def test_every_row_beside_its_own_label(self, table, path, workers):
        source, values, labels = table
        options = {"rows": True, "target_columns": ("label",), "shape": (2, 3), "workers": workers}
        summary = pack(source, path, **options)
        assert (summary.samples, summary.shape, summary.classes, str(summary.encoding)) == (300, (2, 3), 5, "uint8")
        store = seekless.open(path)
        rows = [int(key.rpartition("#")[2]) for key in store.keys]
        first = min(rows)
        assert sorted(rows) == list(range(first, first + 300))
        assert rows != sorted(rows)
        order = np.array(rows) - first
        assert (store["x"].reshape(300, 6) == values[order]).all()
        assert (store["y"] == labels[order]).all()

    def test_bad_rows_are_skipped_with_their_labels(self, table, tmp_path):
        source, values, labels = table
        lines = source.read_text().splitlines()
        lines[11], lines[21] = "3,1,2,x,4,5,6", "odd,1,2,3,4,5"
        source.write_text("\n".join(lines))
        summary = pack(source, tmp_path / "a.h5", rows=True, target_columns=("label",), on_error="skip")
        assert (summary.samples, summary.skipped, summary.classes) == (298, 2, 5)
        store = seekless.open(tmp_path / "a.h5")
        good = np.delete(np.arange(300), [10, 20])
        expected = sorted([*map(int, values[row]), int(labels[row])] for row in good)
        assert sorted([*map(int, x), int(y)] for x, y in store) == expected


def test_without_shuffle_samples_come_in_the_order_of_their_names(tiny_csv, tmp_path):
    pack(tiny_csv.root, tmp_path / "a.h5", shuffle=False, workers=2, memory=1 << 20)
    store = seekless.open(tmp_path / "a.h5")
    assert store.keys == [f"train/{number:05d}.csv" for number in range(130)]
    assert not store.header.shuffled
    x, y = store[:]
    assert (x == tiny_csv.images / 255).all()
    assert (y == tiny_csv.labels).all()
