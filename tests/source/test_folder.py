"""Where samples and targets lie is found from the folder, or told; and they must match one to one."""

import numpy as np
import pytest

from seekless.errors import SourceError, SourceNotFoundError
from seekless.source.folder import open_folder
from seekless.source.targets import TargetOptions


class Text:
    """A decoder that nobody calls here."""

    def scale_for(self, dtype):
        return 1


CSV = frozenset({".csv"})


def files(root, *names, labels=None, at="target.csv"):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1 2\n")
    if labels is not None:
        (root / at).write_text(labels)
    return root


def opened(root, **options):
    return open_folder(root, CSV, Text(), **options)


@pytest.fixture
def root(tmp_path):
    """The article's layout."""
    return files(tmp_path / "data", "train/b.csv", "train/a.csv", labels="b,1\na,0\n")


def test_the_articles_layout(root):
    source = opened(root)
    assert source.root == root
    assert source.keys == ["train/a.csv", "train/b.csv"]
    assert source.targets.values.tolist() == [0, 1]
    assert source.inodes.tolist() == [(root / key).stat().st_ino for key in source.keys]
    assert isinstance(source.decoder, Text)
    assert len(source) == 2


def test_other_folders_beside_train_are_not_looked_at(root):
    files(root, "test/c.csv", "d.csv")
    assert opened(root).keys == ["train/a.csv", "train/b.csv"]


def test_files_beside_their_labels(tmp_path):
    source = opened(files(tmp_path, "a.csv", "sub/b.csv", labels="a,7\nb,5\n"))
    assert source.keys == ["a.csv", "sub/b.csv"]
    assert source.targets.values.tolist() == [7, 5]


def test_a_folder_a_class(tmp_path):
    source = opened(files(tmp_path, "dog/1.csv", "cat/1.csv", "cat/2.csv"))
    assert source.keys == ["cat/1.csv", "cat/2.csv", "dog/1.csv"]
    assert source.targets.values.tolist() == [0, 0, 1]
    assert source.targets.class_names == ("cat", "dog")


def test_labels_from_elsewhere(root, tmp_path):
    files(tmp_path, labels="a,3\nb,4\n", at="other.csv")
    source = opened(root, labels=str(tmp_path / "other.csv"))
    assert source.keys == ["train/a.csv", "train/b.csv"]
    assert source.targets.values.tolist() == [3, 4]


@pytest.mark.parametrize("labels", ["none", "all.csv"])
def test_where_targets_are_said_train_is_a_folder_like_others(tmp_path, labels):
    root = files(tmp_path / "data", "bus/a.csv", "train/b.csv", "test/c.csv", "d.csv", labels="a,9\n")
    files(tmp_path, labels="a,0\nb,1\nc,2\nd,3\n", at="all.csv")
    source = opened(root, labels=labels if labels == "none" else str(tmp_path / labels))
    assert source.keys == ["bus/a.csv", "d.csv", "test/c.csv", "train/b.csv"]
    assert labels == "none" or source.targets.values.tolist() == [0, 3, 2, 1]


def test_a_file_may_be_a_table(root):
    with pytest.raises(SourceNotFoundError, match=r"a\.csv: found a file, .*; if it is a table, .*, say --rows$"):
        opened(root / "train" / "a.csv")
    with pytest.raises(SourceNotFoundError, match=r"a\.csv: found a file, expected a folder of samples \(\.png\)$"):
        open_folder(root / "train" / "a.csv", frozenset({".png"}), Text())


def test_labels_among_the_samples_are_no_sample(root, monkeypatch):
    files(root / "train", labels="a,3\nb,4\n", at="mine.csv")
    monkeypatch.chdir(root)
    for path in (root / "train" / "mine.csv", "train/mine.csv", "../data/train/mine.csv"):
        source = opened(root, labels=str(path))
        assert source.keys == ["train/a.csv", "train/b.csv"]
        assert len(source.inodes) == 2


def test_no_labels(root, tmp_path):
    assert opened(root, labels="none").targets is None
    loose = opened(files(tmp_path / "loose", "a.csv", "x/b.csv"), labels="none")
    assert (loose.keys, loose.targets) == (["a.csv", "x/b.csv"], None)


def test_targets_are_what_the_options_say(root):
    options = TargetOptions(kind="number")
    assert opened(root, target_options=options).targets.values.dtype == np.float64


def without(root, *names):
    for name in names:
        (root / name).unlink()
    return root


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (
            lambda root: root / "none",
            {},
            SourceNotFoundError,
            r"none: found no such folder, expected a folder of samples",
        ),
        (lambda root: root / "target.csv", {}, SourceNotFoundError, r"target\.csv: found a file, expected a folder of"),
        (
            lambda root: without(root, "train/a.csv", "train/b.csv"),
            {},
            SourceError,
            r"data/train: found no sample files, expected some \(\.csv\)",
        ),
        (
            lambda root: without(root, "target.csv"),
            {},
            SourceNotFoundError,
            r"target\.csv: found no such file beside train/, expected the targets: .*give .*data/train itself",
        ),
        (lambda root: root, {"labels": "mine.csv"}, SourceNotFoundError, r"mine\.csv: found no such file, expected"),
        (
            lambda root: files(root, "train/c.csv"),
            {},
            SourceError,
            r"target\.csv: found no target for 1 of 3 files: train/c\.csv; add their lines, or leave such files out",
        ),
        (
            lambda root: without(root, "train/a.csv"),
            {},
            SourceError,
            r"target\.csv: found 1 target without a sample file: a; add the files, remove the lines, or leave",
        ),
        (
            lambda root: files(root, labels="x,1\ny,2\n"),
            {},
            SourceError,
            r"found no target for 2 of 2 files: train/a\.csv",
        ),
        (lambda root: root / "train", {}, SourceError, r"train: found a\.csv, b\.csv in no class folder, expected"),
    ],
    ids=[
        "no folder",
        "a file",
        "no samples",
        "no labels",
        "no such labels",
        "no target",
        "no file",
        "no match",
        "loose files",
    ],
)
def test_what_does_not_match(root, change, options, error, message):
    with pytest.raises(error, match=message):
        opened(change(root), **options)


class TestSkipping:
    def test_what_does_not_match_is_left_out_and_noted(self, root):
        files(root, "train/c.csv", labels="b,1\na,0\nd,5\n")
        bad = []
        source = opened(root, bad=bad)
        assert source.keys == ["train/a.csv", "train/b.csv"]
        assert source.targets.values.tolist() == [0, 1]
        assert source.inodes.tolist() == [(root / key).stat().st_ino for key in source.keys]
        assert [str(sample) for sample in bad] == [
            "train/c.csv: found no target in target.csv, expected one line for each sample",
            "d: found a target in target.csv without a file, expected a sample file",
        ]

    def test_nothing_noted_where_all_match(self, root):
        bad = []
        opened(root, bad=bad)
        assert bad == []

    def test_nothing_left_is_an_error(self, root):
        files(root, labels="x,1\ny,2\n")
        with pytest.raises(
            SourceError, match=r"found no id that names a sample file, expected ids such as train/a\.csv"
        ):
            opened(root, bad=[])
