"""convert extract: files that make the same store again, and nothing outside of the folder."""

import dataclasses
import os

import numpy as np
import pytest
from PIL import Image

import seekless
from seekless.convert import extract as extract_module
from seekless.convert.compare import compare
from seekless.convert.extract import extract
from seekless.errors import ConvertError, OptionError, StoreError

RANDOM = np.random.default_rng(2)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["data.h5", "data.npy.d"])
def test_csv_files_as_in_the_article(tmp_path, tiny_csv, round_trip, name, assert_same):
    seekless.pack(tiny_csv.root, tmp_path / name, progress=False, test_fraction=0.1)
    folder, again = round_trip(tmp_path / name)
    assert files(folder) == files(tiny_csv.root)
    for file in (tiny_csv.root / "train").iterdir():
        assert (folder / "train" / file.name).read_bytes() == file.read_bytes()  # as numpy.savetxt wrote them
    assert_same(again, tmp_path / name)
    assert compare(seekless.open(tmp_path / name), folder).equal
    assert compare(seekless.open(again), tiny_csv.root).equal


def test_png_files_in_the_folders_of_their_classes(tmp_path, tiny_png, round_trip, assert_same):
    seekless.pack(tiny_png.root, tmp_path / "data.h5", progress=False)
    folder, again = round_trip(tmp_path / "data.h5")
    assert files(folder) == files(tiny_png.root)
    assert_same(again, tmp_path / "data.h5")
    assert compare(seekless.open(tmp_path / "data.h5"), folder).equal
    # The same source, options and seed: the same bytes.
    assert again.read_bytes() == (tmp_path / "data.h5").read_bytes()


@pytest.mark.parametrize("channels", [3, 4])
def test_colors(tmp_path, round_trip, channels, assert_same):
    source = tmp_path / "pictures"
    source.mkdir()
    for number in range(5):
        pixels = RANDOM.integers(0, 256, (7, 5, channels)).astype(np.uint8)
        Image.fromarray(pixels).save(source / f"{number}.png")
    seekless.pack(source, tmp_path / "data.h5", labels="none", progress=False)
    _, again = round_trip(tmp_path / "data.h5")
    assert_same(again, tmp_path / "data.h5")


def test_deep_gray_and_lossy_suffixes(tmp_path, round_trip, by_key):
    source = tmp_path / "pictures"
    source.mkdir()
    for number in range(4):
        Image.fromarray(RANDOM.integers(0, 65536, (6, 5)).astype(np.uint16)).save(source / f"{number}.tif")
    (source / "target.csv").write_text("".join(f"{number}.tif,{number / 4}\n" for number in range(4)))
    seekless.pack(source, tmp_path / "data.h5", progress=False)
    folder, again = round_trip(tmp_path / "data.h5")
    assert files(folder) == ["0.png", "1.png", "2.png", "3.png", "target.csv"]
    assert (folder / "target.csv").read_text().splitlines()[1] == "1.png,0.25"
    values, expected = by_key(again), by_key(tmp_path / "data.h5")
    assert values["x"].dtype == np.uint16
    for field in ("x", "y"):
        assert np.array_equal(values[field], expected[field])


def test_photographs_keep_their_pixels(tmp_path, round_trip, by_key):
    source = tmp_path / "photos" / "cat"
    source.mkdir(parents=True)
    Image.fromarray(RANDOM.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(source / "a.jpg")
    Image.fromarray(RANDOM.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(source / "b.JPEG")
    seekless.pack(source.parent, tmp_path / "data.h5", labels="none", progress=False)
    folder, again = round_trip(tmp_path / "data.h5")
    assert files(folder) == ["cat/a.png", "cat/b.png"]
    assert np.array_equal(by_key(again)["x"], by_key(tmp_path / "data.h5")["x"])


SOURCES = {
    "no targets": ({"a.csv": "1 2\n3 4\n", "b/c.csv": "5 6\n7 8\n"}, {"labels": "none"}),
    "words as classes": ({"a.csv": "1,2", "b.csv": "3,4", "target.csv": "a,dog\nb,cat\n"}, {}),
    "words with commas": ({"a.csv": "1,2", "b.csv": "3,4", "target.csv": 'a,"x, y"\nb,"say ""hi"""\n'}, {}),
    "numbers": ({"a.csv": "1,2", "b.csv": "3,4", "target.csv": "a,0.1\nb,-1e300\n"}, {}),
    "whole numbers as numbers": (
        {"a.csv": "1,2", "b.csv": "3,4", "target.csv": "a,3\nb,-1\n"},
        {"target_type": "number"},
    ),
    "several outputs": ({"a.csv": "1,2", "b.csv": "3,4", "target.csv": "a,0.1,2\nb,3,4\n"}, {}),
    "classes that some lack": ({"a.csv": "1,2", "b.csv": "3,4", "target.csv": "a,7\nb,2\n"}, {}),
    "characters as classes": (
        {"a.csv": "1", "b.csv": "2", "c.csv": "3", "target.csv": "b,7\na,x\nc,y\n"},
        {},
    ),
    "numbers as class names": (
        {f"{name}/{name}.csv": name for name in ("2", "10", "9")},
        {},
    ),
    "a shape": ({"a.csv": "1 2 3 4\n5 6 7 8\n", "b.csv": "1 2 3 4\n5 6 7 9\n"}, {"labels": "none", "shape": (2, 2, 2)}),
    "a row": ({"a.csv": "1 2 3\n", "b.csv": "5 6 7\n"}, {"labels": "none"}),
    "a column": ({"a.csv": "1\n2\n3\n", "b.csv": "5\n6\n7\n"}, {"labels": "none", "shape": (3, 1)}),
    "one value": ({"a.csv": "1\n", "b.csv": "5e-324\n"}, {"labels": "none"}),
    "NaN": ({"a.csv": "1 nan\n", "b.csv": "-inf -0.0\n"}, {"labels": "none", "allow_nan": True}),
    "a scale": ({"a.csv": "1 200\n", "b.csv": "3 255\n"}, {"labels": "none", "scale": 255}),
    "text files": ({"a.txt": "1 2\n", "b.TSV": "3\t4\n"}, {"labels": "none"}),
    "train among other folders": (
        {"train/a.csv": "1,2", "more/b.csv": "3,4", "labels.txt": "train/a.csv,1\nmore/b.csv,0\n"},
        {"labels": "data/labels.txt"},
    ),
    "a class named train": ({"train/a.csv": "1,2", "other/b.csv": "3,4"}, {"labels": "none"}),
}


@pytest.mark.parametrize("case", SOURCES)
def test_every_value_target_and_key_comes_back(tmp_path, monkeypatch, write, round_trip, case, assert_same):
    content, options = SOURCES[case]
    monkeypatch.chdir(tmp_path)
    write(content)
    seekless.pack("data", tmp_path / "data.h5", kind="csv", progress=False, **options)
    _, again = round_trip(tmp_path / "data.h5")
    assert_same(again, tmp_path / "data.h5")


def test_gzip_stays_gzip(tmp_path, round_trip, assert_same):
    keys = ["a.csv.gz", "b.CSV.GZ"]
    seekless.write(tmp_path / "data.h5", np.array([[0.1, 0.2], [0.3, 0.4]]), key=keys)
    folder, again = round_trip(tmp_path / "data.h5")
    assert (folder / "a.csv.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert_same(again, tmp_path / "data.h5")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u4", "i8", "?"])
def test_arrays_of_every_dtype_come_back_as_numbers(tmp_path, round_trip, dtype, by_key):
    raw = RANDOM.integers(0, 256, (20, 3, np.dtype(dtype).itemsize)).astype(np.uint8)
    x = (raw % 2 if dtype == "?" else raw).view(dtype)[..., 0]
    x = np.where(np.isfinite(x), x, 0).astype(dtype) if x.dtype.kind == "f" else x
    x = x // (1 << 12) if dtype == "i8" else x  # what a float64 holds
    seekless.write(tmp_path / "data.h5", x, key=[f"{number}.csv" for number in range(20)])
    _, again = round_trip(tmp_path / "data.h5")
    found = by_key(again)["x"]
    assert found.dtype == np.float64
    assert found.tobytes() == by_key(tmp_path / "data.h5")["x"].astype(np.float64).tobytes()


def test_merged_classes_keep_their_numbers(tmp_path, round_trip, assert_same):
    seekless.write(
        tmp_path / "data.h5", np.ones((2, 3)) / 3, ["b", "c"], class_names=["c", "b", "a"], key=["1.csv", "2.csv"]
    )
    _, again = round_trip(tmp_path / "data.h5")
    assert_same(again, tmp_path / "data.h5")


def test_keys_with_tabs_and_spaces(tmp_path, round_trip, assert_same):
    seekless.write(tmp_path / "data.h5", np.ones((2, 3)) / 3, [0, 1], key=["a\tb.csv", "c d, e.csv"])
    _, again = round_trip(tmp_path / "data.h5")
    assert_same(again, tmp_path / "data.h5")


def test_numbered_samples_get_a_suffix(tmp_path):
    seekless.write(tmp_path / "data.h5", np.zeros((3, 4, 4), np.uint8), [0, 0, 1])
    extracted = extract(tmp_path / "data.h5", tmp_path / "out")
    assert files(tmp_path / "out") == ["0.png", "1.png", "2.png", "target.csv"]
    assert str(extracted).splitlines()[1:3] == ["  samples  3 as PNG files", "  targets  target.csv"]
    assert extracted.nbytes == sum((tmp_path / "out" / name).stat().st_size for name in files(tmp_path / "out"))


@pytest.mark.parametrize(
    "key", ["../a.csv", "/etc/a.csv", "a/../../b.csv", "a//b.csv", "./a.csv", "a/", "target.csv", "target.csv/a.csv"]
)
def test_nothing_is_written_outside_of_the_folder(tmp_path, key):
    (tmp_path / "work").mkdir()
    seekless.write(tmp_path / "work" / "data.h5", np.ones((2, 2)) / 3, key=["b.csv", key])
    with pytest.raises(ConvertError, match=r"found the key .*, expected one such as cat/7\.png; nothing was written"):
        extract(tmp_path / "work" / "data.h5", tmp_path / "work" / "out")
    assert files(tmp_path) == ["work/data.h5"]
    assert os.listdir(tmp_path / "work") == ["data.h5"]


@pytest.mark.parametrize("name", ["out", "out.partial", "out.parts"])
def test_what_is_there_stays(tmp_path, name):
    seekless.write(tmp_path / "data.h5", np.ones((2, 2)))
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("mine")
    with pytest.raises(ConvertError, match=rf"{name}: found something there.*expected nothing: files are never"):
        extract(tmp_path / "data.h5", tmp_path / "out")
    assert files(tmp_path) == ["data.h5", f"{name}/mine.txt"]


def test_no_folder_above(tmp_path):
    seekless.write(tmp_path / "data.h5", np.ones((2, 2)))
    with pytest.raises(ConvertError, match=r"found no folder .*nowhere, expected one to write to"):
        extract(tmp_path / "data.h5", tmp_path / "nowhere" / "out")


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    seekless.write(tmp_path / "data.h5", np.ones((5, 2)))
    count = 0

    def failing(sample):
        nonlocal count
        count += 1
        if count == 4:
            raise OSError(28, "No space left on device")
        return b""

    monkeypatch.setattr(extract_module, "csv_bytes", failing)
    with pytest.raises(OSError, match="No space left"):
        extract(tmp_path / "data.h5", tmp_path / "out")
    assert os.listdir(tmp_path) == ["data.h5"]


def test_a_file_system_that_takes_two_names_for_one(tmp_path, monkeypatch):
    seekless.write(tmp_path / "data.h5", np.ones((2, 2)), key=["a.csv", "A.csv"])
    monkeypatch.setattr(extract_module, "file_names", lambda keys, suffix: ["a.csv"] * len(keys))
    with pytest.raises(ConvertError, match=r"a\.csv: found a file of this name that another sample was written to"):
        extract(tmp_path / "data.h5", tmp_path / "out")


def test_a_store_without_keys(tmp_path, monkeypatch):
    seekless.write(tmp_path / "data.h5", np.ones((2, 2)))
    store = seekless.open(tmp_path / "data.h5")
    del store.tables["key"]
    monkeypatch.setattr(extract_module, "open_store", lambda path: store)
    with pytest.raises(StoreError, match=r"data\.h5: found no keys"):
        extract(tmp_path / "data.h5", tmp_path / "out")


def test_too_little_memory(tmp_path):
    with pytest.raises(OptionError, match="--memory: found 5 bytes"):
        extract(tmp_path / "data.h5", tmp_path / "out", memory=5)


def test_the_summary_is_frozen(tmp_path):
    seekless.write(tmp_path / "data.h5", np.ones((2, 2)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        extract(tmp_path / "data.h5", tmp_path / "out").samples = 3
