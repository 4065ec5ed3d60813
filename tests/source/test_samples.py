"""A folder of files as a source: runs in the order of the disk, bad files collected, every message with a path."""

import os
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.errors import DecodeError, SourceError
from seekless.source import samples as samples_module
from seekless.source.samples import BadSample, Decoded, FileReader, FileRun, FileSource


@dataclass(frozen=True)
class Length:
    """Decodes a file to its length; files of the letter b are bad."""

    scale: int = 1

    def scale_for(self, dtype):
        return self.scale if dtype == np.int64 else 1

    def __call__(self, data):
        if data.startswith(b"b"):
            raise DecodeError("a bad file", "a good one")
        return np.full(2 if data.startswith(b"t") else 3, len(data))


def source(root, texts, inodes=None) -> FileSource:
    keys = [f"sub/{number:03d}.csv" for number in range(len(texts))]
    (root / "sub").mkdir(exist_ok=True)
    for key, text in zip(keys, texts, strict=True):
        (root / key).write_text(text)
    numbers = np.arange(len(texts)) if inodes is None else np.array(inodes, np.int64)
    return FileSource(root, keys, numbers, None, Length())


def test_its_size_and_scale(tmp_path):
    made = FileSource(tmp_path, ["a", "b"], np.arange(2), None, Length(255))
    assert len(made) == 2
    assert made.scale_for(np.dtype("i8")) == 255
    assert made.scale_for(np.dtype("f8")) == 1


@given(inodes=st.lists(st.integers(0, 50), max_size=60), files=st.integers(1, 9))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_runs_hold_every_sample_once_in_the_order_of_the_disk(inodes, files):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples_module, "RUN_FILES", files)
        patch.setattr(FileSource, "_typical_bytes", lambda *_: 1)
        keys = [f"{number}" for number in range(len(inodes))]
        runs = list(FileSource(None, keys, np.array(inodes, np.int64), None, Length()).runs())
    assert [len(run.indices) for run in runs[:-1]] == [files] * (len(runs) - 1)
    indices = [index for run in runs for index in run.indices]
    assert indices == sorted(range(len(inodes)), key=lambda index: (inodes[index], index))
    assert [key for run in runs for key in run.keys] == [keys[index] for index in indices]
    assert all(type(index) is int for index in indices)


@pytest.mark.parametrize(
    ("size", "files"), [(0, 256), (1, 256), (16 << 10, 256), ((16 << 10) + 1, 255), (1 << 20, 4), (5 << 20, 1)]
)
def test_a_run_is_some_files_or_some_mib(tmp_path, size, files):
    made = source(tmp_path, ["a"] * 300)
    os.truncate(tmp_path / made.keys[0], size)
    assert len(next(made.runs()).indices) == files


def test_a_file_that_is_gone_does_not_tell_how_large_files_are(tmp_path):
    made = source(tmp_path, ["a"] * 300)
    (tmp_path / made.keys[0]).unlink()
    assert len(next(made.runs()).indices) == 256
    for key in made.keys:
        (tmp_path / key).unlink(missing_ok=True)
    assert [len(run.indices) for run in made.runs()] == [1] * 300


@pytest.mark.parametrize(("keys", "text"), [(["a.csv"], "a.csv"), (["a.csv", "x.csv", "b.csv"], "a.csv to b.csv")])
def test_a_run_as_text(keys, text):
    assert str(FileRun(list(range(len(keys))), keys)) == text


def test_a_bad_sample_as_text():
    assert str(BadSample("a.csv", "x", "y")) == "a.csv: found x, expected y"


def test_a_run_is_decoded_and_what_is_bad_collected(tmp_path):
    made = source(tmp_path, ["aa", "bad", "aaaa", "", "tt", "gone"])
    (tmp_path / made.keys[5]).unlink()
    (tmp_path / made.keys[3]).unlink()
    (tmp_path / made.keys[3]).mkdir()
    decoded = made.reader().read(FileRun([4, 3, 1, 0, 5, 2], [made.keys[index] for index in (4, 3, 1, 0, 5, 2)]))
    assert decoded.indices == [4, 0, 2]
    assert [sample.tolist() for sample in decoded.samples] == [[2, 2], [2, 2, 2], [4, 4, 4]]
    assert decoded.bytes_read == 8
    assert decoded.labels == []
    assert decoded.bad_indices == [3, 1, 5]
    assert [str(bad) for bad in decoded.bad] == [
        "sub/003.csv: found a file that cannot be read (Is a directory), expected a readable file",
        "sub/001.csv: found a bad file, expected a good one",
        "sub/005.csv: found a file that cannot be read (No such file or directory), expected a readable file",
    ]


def test_all_runs_together_are_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr(samples_module, "RUN_FILES", 7)
    made = source(tmp_path, ["a" * (number + 1) for number in range(30)], np.random.default_rng(0).permutation(30))
    reader = pickle.loads(pickle.dumps(made.reader()))
    assert isinstance(reader, FileReader)
    found = {}
    for run in made.runs():
        decoded = reader.read(run)
        found.update(zip(decoded.indices, (int(sample[0]) for sample in decoded.samples), strict=True))
    assert found == {number: number + 1 for number in range(30)}


def test_a_run_without_samples():
    decoded = Decoded()
    decoded.refuse(7, "a.csv", "this", "that")
    assert (decoded.bad, decoded.bad_indices) == ([BadSample("a.csv", "this", "that")], [7])
    assert Decoded().bad == []


class TestRead:
    def test_one(self, tmp_path):
        assert source(tmp_path, ["a", "aa"]).read(1).tolist() == [2, 2, 2]

    def test_many_in_the_order_asked_for(self, tmp_path):
        made = source(tmp_path, ["a", "aa", "aaa"])
        assert made.read_many([2, 0, 2]).tolist() == [[3] * 3, [1] * 3, [3] * 3]

    def test_a_bad_one_is_named(self, tmp_path):
        with pytest.raises(SourceError, match=r"sub/001\.csv: found a bad file, expected a good one"):
            source(tmp_path, ["a", "bad"]).read(1)

    def test_one_that_is_gone_is_named(self, tmp_path):
        made = source(tmp_path, ["a", "aa"])
        (tmp_path / made.keys[1]).unlink()
        with pytest.raises(SourceError, match=r"sub/001\.csv: No such file or directory; the file was there when"):
            made.read(1)

    def test_one_of_another_shape_is_named(self, tmp_path):
        made = source(tmp_path, ["a", "aa", "tt"])
        message = r"sub/002\.csv: found shape \(2,\) int64, expected shape \(3,\) int64 as in sub/001\.csv"
        with pytest.raises(SourceError, match=message.replace("expected shape", "expected")):
            made.read_many([1, 0, 2])
