"""The law of conversion: what is in the store is what is in the files, bit for bit; in an order of the seed alone."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import seekless
from seekless.convert import pool as pool_module
from seekless.convert import read as read_module
from seekless.convert.scatter import Scatter
from seekless.errors import ConvertError, OptionError, SourceError, SourceNotFoundError, StoreExistsError
from seekless.source import samples as samples_module
from seekless.store.shards import read_hdf5


def pack(source, store, **options):
    return seekless.pack(source, store, **{"progress": False, "workers": 0, **options})


def bytes_of(path: Path) -> str:
    """One sum of a store of either kind, whatever it is called."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


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


@pytest.fixture(params=["data.h5", "data.npy.d"])
def path(request, tmp_path) -> Path:
    """A store to be, of either kind."""
    return tmp_path / request.param


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


class TestTheSameBytes:
    @pytest.fixture
    def large(self, write_source):
        """Half a megabyte of float64: more than fits in the least memory."""
        random = np.random.default_rng(3)
        samples = {f"{number:02d}": random.random((24, 70)) for number in range(40)}
        return write_source(samples, {name: int(name) % 4 for name in samples})

    @pytest.fixture
    def spilled(self, monkeypatch):
        """Note which conversions went through files."""
        noted = []

        class Noted(Scatter):
            def partitions(self, sample_bytes):
                noted.append(self._folder.exists())
                return super().partitions(sample_bytes)

        monkeypatch.setattr(read_module, "Scatter", Noted)
        return noted

    @pytest.mark.parametrize("kind", [".h5", ".npy.d"])
    def test_whatever_the_memory_the_workers_and_the_runs(self, large, tmp_path, monkeypatch, spilled, kind):
        ways = {
            "plain": {},
            "again": {},
            "small": {"memory": 1 << 20},
            "workers": {"workers": 2},
            "both": {"workers": 2, "memory": 1 << 20},
        }
        sums = set()
        for name, options in ways.items():
            if name != "plain":
                monkeypatch.setattr(samples_module, "RUN_FILES", 7)
            pack(large, tmp_path / f"{name}{kind}", **options)
            sums.add(bytes_of(tmp_path / f"{name}{kind}"))
        assert spilled == [False, False, True, False, True]
        assert len(sums) == 1

    def test_whatever_the_order_of_the_listing_and_the_inodes(self, tiny_csv, tmp_path, monkeypatch):
        pack(tiny_csv.root, tmp_path / "a.h5")
        scandir = os.scandir

        @contextlib.contextmanager
        def backwards(folder):
            with scandir(folder) as entries:
                yield iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

        monkeypatch.setattr(os, "scandir", backwards)
        pack(tiny_csv.root, tmp_path / "b.h5")
        monkeypatch.undo()
        (tmp_path / "copy" / "train").mkdir(parents=True)
        for file in sorted((tiny_csv.root / "train").iterdir(), reverse=True):
            shutil.copy(file, tmp_path / "copy" / "train")
        (tmp_path / "copy" / "target.csv").write_text(
            "".join(sorted((tiny_csv.root / "target.csv").read_text().splitlines(keepends=True)))
        )
        pack(tmp_path / "copy", tmp_path / "c.h5")
        assert bytes_of(tmp_path / "a.h5") == bytes_of(tmp_path / "b.h5") == bytes_of(tmp_path / "c.h5")

    def test_in_another_process(self, tiny_csv, tmp_path):
        pack(tiny_csv.root, tmp_path / "a.h5")
        code = "import sys, seekless; seekless.pack(sys.argv[1], sys.argv[2], progress=False)"
        environment = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
        subprocess.run(
            [sys.executable, "-c", code, tiny_csv.root, "b.h5"], cwd=tmp_path, env=environment, check=True, timeout=60
        )
        assert bytes_of(tmp_path / "a.h5") == bytes_of(tmp_path / "b.h5")

    def test_not_for_another_seed(self, tiny_csv, tmp_path):
        sums, orders = set(), set()
        for seed in (0, 1, -1, 2**62):
            pack(tiny_csv.root, tmp_path / f"{seed}.h5", seed=seed)
            sums.add(bytes_of(tmp_path / f"{seed}.h5"))
            orders.add(tuple(seekless.open(tmp_path / f"{seed}.h5").keys))
        assert len(sums) == len(orders) == 4


def test_class_sorted_files_are_mixed(write_source, tmp_path):
    samples = {f"{number:03d}": [number] for number in range(400)}
    root = write_source(samples, {name: int(name) // 40 for name in samples})
    pack(root, tmp_path / "a.h5")
    y = seekless.open(tmp_path / "a.h5")["y"]
    changes = int((np.diff(y) != 0).sum())
    assert abs(changes - 400 * 0.9) < 5 * np.sqrt(400 * 0.09)
    assert set(np.bincount(y[:200], minlength=10) >= 8) == {True}


def late_text(root):
    (root / "train" / "00128.csv").write_text("1 2 three\n")


def other_shape(root):
    (root / "train" / "00017.csv").write_text("1 2 3\n")


def missing_target(root):
    lines = (root / "target.csv").read_text().splitlines(keepends=True)
    (root / "target.csv").write_text("".join(line for line in lines if not line.startswith("00042")))


def spare_target(root):
    with open(root / "target.csv", "a") as file:
        file.write("00999,3\n")


def unreadable(root):
    (root / "train" / "00003.csv").unlink()
    (root / "train" / "00003.csv").symlink_to("nothing")


ERRORS = {
    "no number": (late_text, SourceError, r"train/00128\.csv: found", True),
    "another shape": (
        other_shape,
        SourceError,
        r"train/00017\.csv: found shape 3, expected shape 6 x 6 as in 129",
        True,
    ),
    "no target": (missing_target, SourceError, r"train/00042\.csv: found no target in target\.csv", True),
    "no file": (spare_target, SourceError, r"00999: found a target in target\.csv without a file", True),
    "unreadable": (unreadable, SourceError, r"train/00003\.csv: found a file that cannot be read \(No such", True),
    "no folder": (shutil.rmtree, SourceNotFoundError, r"data: found no such folder, expected", False),
    "no files": (lambda root: shutil.rmtree(root / "train"), SourceError, r"data", False),
    "no labels": (
        lambda root: (root / "target.csv").unlink(),
        SourceNotFoundError,
        r"target\.csv: found no such",
        False,
    ),
}


@pytest.mark.parametrize(("spoil", "error", "message", "listed"), ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize(("name", "there"), [("data.h5", False), ("data.npy.d", True)])
def test_after_an_error_no_store_is_left_and_the_old_one_stays(
    tiny_csv, tmp_path, same_open_files, spoil, error, message, listed, name, there
):
    path = tmp_path / name
    if there:
        pack(tiny_csv.root, path)
        before = bytes_of(path)
    spoil(tiny_csv.root)
    with pytest.raises(error, match=message):
        pack(tiny_csv.root, path, overwrite=there)
    left = {name for name in names(path.parent) if name != "data"}
    assert left == ({path.name} if there else set()) | ({f"{path.name}.errors.csv"} if listed else set())
    if there:
        assert bytes_of(path) == before


def test_all_bad_files_are_named_at_once(tiny_csv, tmp_path, monkeypatch):
    monkeypatch.setattr(samples_module, "RUN_FILES", 7)
    for spoil in (late_text, other_shape, unreadable):
        spoil(tiny_csv.root)
    with pytest.raises(SourceError, match="found 3 bad of 130 samples; no store was written") as refused:
        pack(tiny_csv.root, tmp_path / "a.h5")
    assert [line.split(":")[0].strip() for line in str(refused.value).splitlines()[1:4]] == [
        "train/00003.csv",
        "train/00017.csv",
        "train/00128.csv",
    ]
    assert len((tmp_path / "a.h5.errors.csv").read_text().splitlines()) == 4


def test_the_list_of_errors_goes_when_they_are_mended(tiny_csv, tmp_path):
    kept = (tiny_csv.root / "train" / "00128.csv").read_text()
    late_text(tiny_csv.root)
    with pytest.raises(SourceError, match="found 1 bad"):
        pack(tiny_csv.root, tmp_path / "a.h5")
    (tiny_csv.root / "train" / "00128.csv").write_text(kept)
    pack(tiny_csv.root, tmp_path / "a.h5")
    assert names(tmp_path) == ["a.h5", "data"]


class TestSkip:
    def test_the_store_is_that_of_the_others(self, tiny_csv, path, monkeypatch):
        """Byte for byte: whether a bad file was left out or never there."""
        monkeypatch.setattr(samples_module, "RUN_FILES", 7)
        bad = [late_text, other_shape, unreadable, missing_target]
        for spoil in bad:
            spoil(tiny_csv.root)
        summary = pack(tiny_csv.root, path, on_error="skip")
        assert (summary.samples, summary.skipped) == (126, 4)
        listed = path.with_name(f"{path.name}.skipped.csv").read_text().splitlines()
        numbers = ("00003", "00017", "00042", "00128")
        assert [line.split(",")[0] for line in listed] == ["key", *(f"train/{number}.csv" for number in numbers)]
        dirty = bytes_of(path)
        for number in numbers:
            (tiny_csv.root / "train" / f"{number}.csv").unlink()
        lines = (tiny_csv.root / "target.csv").read_text().splitlines(keepends=True)
        (tiny_csv.root / "target.csv").write_text("".join(line for line in lines if line[:5] not in numbers))
        summary = pack(tiny_csv.root, path, on_error="skip", overwrite=True)
        assert (summary.samples, summary.skipped) == (126, 0)
        assert bytes_of(path) == dirty
        assert names(path.parent) == sorted(["data", path.name])  # the list of the first run is gone

    def test_a_first_run_of_another_form_does_not_mislead(self, write_source, tmp_path, monkeypatch):
        monkeypatch.setattr(samples_module, "RUN_FILES", 2)
        root = write_source({name: [ord(name), 2, 0.5] for name in "abcde"})
        files = sorted((root / "train").iterdir(), key=lambda file: file.stat().st_ino)
        for file in files[:2]:
            file.write_text("1 2\n")  # the inode stays
        summary = pack(root, tmp_path / "a.h5", on_error="skip")
        assert (summary.samples, summary.skipped, summary.shape) == (3, 2, (3,))
        store = seekless.open(tmp_path / "a.h5")
        found = dict(zip(store.keys, store["x"].tolist(), strict=True))
        assert found == {f"train/{file.name}": [ord(file.stem), 2, 0.5] for file in files[2:]}

    def test_nothing_good_is_an_error(self, write_source, tmp_path):
        root = write_source({"a": [1], "b": [2]})
        for file in (root / "train").iterdir():
            file.write_text("no number")
        with pytest.raises(SourceError, match=r"found 2 bad of 2 samples; no store(.|\n)*train/b\.csv: found text"):
            pack(root, tmp_path / "a.h5", on_error="skip")
        assert "a.h5" not in names(tmp_path)


class TestTheStoreToBe:
    def test_one_that_is_there_is_refused(self, tiny_csv, path):
        pack(tiny_csv.root, path)
        before = bytes_of(path)
        with pytest.raises(
            StoreExistsError, match=rf"{path.name}: found something there; name another store, or replace"
        ):
            pack(tiny_csv.root, path, seed=1)
        assert bytes_of(path) == before

    def test_it_is_replaced_by_overwrite(self, tiny_csv, path):
        pack(tiny_csv.root, path)
        before = bytes_of(path)
        pack(tiny_csv.root, path, seed=1, overwrite=True)
        assert bytes_of(path) != before
        assert names(path.parent) == sorted(["data", path.name])

    def test_overwriting_a_store_that_a_flipped_bit_damaged(self, tiny_csv, tmp_path):
        path = tmp_path / "a.h5"
        pack(tiny_csv.root, path)
        before = bytes_of(path)
        block = int(read_hdf5(path)[1]["x"].offset[0])
        data = path.read_bytes()
        path.write_bytes(data[:block] + bytes([data[block] ^ 1]) + data[block + 1 :])
        pack(tiny_csv.root, path, overwrite=True)
        assert bytes_of(path) == before

    def test_what_is_no_store_is_not_replaced(self, tiny_csv, path):
        path.write_text("my diary")
        with pytest.raises(StoreExistsError, match="that is no store"):
            pack(tiny_csv.root, path, overwrite=True)
        assert path.read_text() == "my diary"

    @pytest.mark.parametrize("name", ["data", "data.hdf5", "data.npy"])
    def test_its_name_says_its_kind(self, tiny_csv, tmp_path, name):
        with pytest.raises(OptionError, match=r"expected a name that ends in \.h5 or \.npy\.d"):
            pack(tiny_csv.root, tmp_path / name)

    def test_its_folder_must_be_there(self, tiny_csv, tmp_path):
        with pytest.raises(ConvertError, match="found no folder"):
            pack(tiny_csv.root, tmp_path / "none" / "a.h5")

    def test_a_store_inside_the_source_is_no_sample(self, tiny_csv):
        pack(tiny_csv.root, tiny_csv.root / "train" / "a.h5")
        pack(tiny_csv.root, tiny_csv.root / "train" / "b.h5")
        assert len(seekless.open(tiny_csv.root / "train" / "b.h5")) == 130


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sed": 1}, "seekless.pack: found unknown options sed"),
        ({"seed": 2**64}, "--seed: found 18446744073709551616"),
        ({"test_fraction": 2}, "--test-fraction: found 2"),
        ({"kind": "wav"}, "kind: found 'wav'"),
    ],
    ids=str,
)
def test_options_are_checked_before_anything_is_read(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        pack(tmp_path / "none", tmp_path / "a.h5", **options)


class TestWorkers:
    @pytest.mark.parametrize(("cores", "count", "workers"), [(1, 600, 0), (4, 512, 0), (4, 513, 4)])
    def test_as_many_as_cores_but_none_for_a_few_files(
        self, write_source, tmp_path, monkeypatch, cores, count, workers
    ):
        asked = []

        def map_runs(reader, runs, workers, *, dtype):
            asked.append((workers, dtype))
            return real(reader, runs, 0, dtype=dtype)

        real = read_module.map_runs
        monkeypatch.setattr(read_module, "map_runs", map_runs)
        monkeypatch.setattr(pool_module, "available_cores", lambda: cores)
        pack(write_source({f"{number}": [1] for number in range(count)}), tmp_path / "a.h5", workers=None)
        assert asked == [(workers, None)]

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills as Linux does")
    def test_a_killed_worker_leaves_no_store(self, tiny_csv, tmp_path, monkeypatch):
        """The first worker that begins is killed while the second conversion reads."""
        code = (
            "import multiprocessing, os, signal, sys, threading, time, seekless\n"
            "def kill():\n"
            "    while not (children := multiprocessing.active_children()): time.sleep(0.001)\n"
            "    os.kill(children[0].pid, signal.SIGKILL)\n"
            "threading.Thread(target=kill).start()\n"
            "try: seekless.pack('data', 'a.h5', workers=1, progress=False)\n"
            "except seekless.ConvertError as error: print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        assert "a worker process died (killed, or out of memory) while reading one of: train/" in done.stdout
        assert names(tmp_path) == ["data"]


def test_lines_on_stderr_only_if_asked(tiny_csv, tmp_path, capsys):
    pack(tiny_csv.root, tmp_path / "a.h5")
    assert capsys.readouterr() == ("", "")
    pack(tiny_csv.root, tmp_path / "b.h5", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line[: line.index(", ")] for line in lines] == [
        "reading: 130 of 130 samples",
        "writing: 130 of 130 samples",
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_function_is_told_how_far_it_is(tiny_csv, tmp_path, workers):
    (tiny_csv.root / "train" / "00007.csv").write_text("no number")
    told = []
    summary = pack(tiny_csv.root, tmp_path / "a.h5", progress=told.append, workers=workers, on_error="skip")
    assert told[-1].name == "writing"
    assert (told[-1].done, told[-1].total, told[-1].bytes) == (129, 129, 129 * 36)
    read = [one for one in told if one.name == "reading"][-1]
    assert (read.done, read.total, read.bytes, read.bad) == (130, 130, summary.bytes_in, 1)


@pytest.mark.parametrize("shards", [None, 36 * 10])
def test_all_samples_are_counted_as_they_are_written(tiny_csv, tmp_path, shards):
    told = []
    pack(tiny_csv.root, tmp_path / "a.h5", progress=told.append, shard_bytes=shards)
    assert (told[-1].name, told[-1].done, told[-1].total) == ("writing", 130, 130)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", ["reading", "writing"])
def test_what_the_function_raises_ends_the_run(tiny_csv, tmp_path, name, workers):
    def enough(progress):
        if progress.name == name:
            raise RuntimeError(f"enough {progress.name}")

    with pytest.raises(RuntimeError, match=f"enough {name}"):
        pack(tiny_csv.root, tmp_path / "a.h5", progress=enough, workers=workers)
    assert names(tmp_path) == ["data"]
