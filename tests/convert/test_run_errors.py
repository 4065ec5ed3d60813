"""After an error no store is left; what is bad is named, or left out if asked."""

import shutil

import pytest
from kit.converting import bytes_of, names, pack

import seekless
from seekless.errors import SourceError, SourceNotFoundError
from seekless.source import samples as samples_module


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
