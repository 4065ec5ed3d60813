"""Which runs may go on with what a stopped one has saved: with the same options, files and targets; none loses it."""

import os

import numpy as np
import pytest

import seekless
from seekless.convert import resume as resume_module
from seekless.convert.journal import KEYS, Journal
from seekless.errors import ResumeError, SourceError, StoreExistsError


@pytest.fixture
def source(write_source):
    """40 samples: some of them need a larger dtype than the first, so that the encoding widens late."""
    samples = {f"{n:02d}": np.full((8, 8), n) / (255 if n < 30 else 65535) for n in range(40)}
    return write_source(samples, {name: int(name) % 4 for name in samples})


QUIET = {"workers": 0, "progress": False}
CHANGES = {
    "seed": ({}, {"seed": 1}, "--seed: found 1, expected 0 as in the run that was stopped; give that again, or"),
    "no-shuffle": ({}, {"shuffle": False}, "--no-shuffle: found --no-shuffle, expected samples that are shuffled as"),
    "group-by": ({}, {"group_by": "."}, "--group-by: found ., expected nothing as in the run"),
    "test-fraction": ({"test_fraction": 0.1}, {}, "--test-fraction: found nothing, expected 0.1 as in"),
    "dtype": ({}, {"dtype": "float32"}, "--dtype: found float32, expected auto as in the run that was stopped"),
    "lossy": ({"dtype": "uint8", "lossy": True}, {"dtype": "uint8"}, "--lossy: found False, expected True as in"),
    "compression": ({}, {"compression": "none"}, "--compression: found none, expected auto as in"),
    "block-bytes": ({"block_bytes": 200}, {"block_bytes": 300}, "--block-bytes: found 300, expected 200 as in"),
    "shard-bytes": ({}, {"shard_bytes": 3000}, "--shard-bytes: found 3000, expected nothing as in"),
    "on-error": ({}, {"on_error": "skip"}, "--on-error: found skip, expected raise as in"),
    "shape": ({}, {"shape": (64,)}, "--shape: found 64, expected nothing as in the run that was stopped"),
    "columns": ({"columns": (0, 1)}, {"columns": (0, 2)}, "--columns: found 0,2, expected 0,1 as in"),
    "scale": ({}, {"scale": 255}, "--scale: found 255, expected 1 as in"),
    "target-type": ({}, {"target_type": "number"}, "--target-type: found number, expected nothing as in"),
    "labels": ({}, {"labels": "none"}, "--labels: found none, expected nothing as in"),
}


@pytest.mark.parametrize(("first", "then", "message"), CHANGES.values(), ids=CHANGES)
def test_an_option_that_changed_is_named_and_nothing_is_lost(source, tmp_path, stop, first, then, message, opened):
    path = tmp_path / "a.h5"
    stop(source, path, 1, **first)
    saved = sorted((file.name, file.read_bytes()) for file in (tmp_path / "a.h5.parts").iterdir())
    with pytest.raises(ResumeError, match=message) as refused:
        seekless.pack(source, path, resume=True, **QUIET, **then)
    assert str(refused.value).endswith("start over by --overwrite, without --resume")
    assert sorted((file.name, file.read_bytes()) for file in (tmp_path / "a.h5.parts").iterdir()) == saved
    opened.clear()
    summary = seekless.pack(source, path, resume=True, **QUIET, **first)
    assert (summary.resumed[0], opened) == (40, [])


def test_another_column_of_targets_is_named(source, tmp_path, stop):
    lines = (source / "target.csv").read_text().split()
    (source / "target.csv").write_text("name,a,b\n" + "".join(f"{line},1\n" for line in lines))
    stop(source, tmp_path / "a.h5", 1, target_columns=("a",))
    with pytest.raises(ResumeError, match="--target-column: found b, expected a as in the run that was stopped"):
        seekless.pack(source, tmp_path / "a.h5", resume=True, target_columns=("b",), **QUIET)


def test_what_does_not_change_the_bytes_may_change(source, tmp_path, stop):
    seekless.pack(source, tmp_path / "whole.h5", **QUIET)
    stop(source, tmp_path / "a.h5", 1)
    (tmp_path / "temp").mkdir()
    moved = source.rename(tmp_path / "moved")
    changed = {"workers": 2, "memory": 1 << 20, "temp": tmp_path / "temp", "save_every": 5, "overwrite": True}
    seekless.pack(moved, tmp_path / "a.h5", resume=True, progress=False, **changed)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_other_classes_are_named(source, tmp_path, stop):
    seekless.pack(source, tmp_path / "other.h5", **QUIET)
    stop(source, tmp_path / "a.h5", 1, classes_from=tmp_path / "other.h5")
    message = r"--classes-from: found nothing, expected the 4 classes of .*other\.h5 as in the run that was stopped"
    with pytest.raises(ResumeError, match=message):
        seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)


def removed(source):
    (source / "train/07.csv").unlink()
    (source / "target.csv").write_text((source / "target.csv").read_text().replace("07,3\n", ""))


def added(source):
    np.savetxt(source / "train/40.csv", np.zeros((8, 8)))
    np.savetxt(source / "train/41.csv", np.zeros((8, 8)))
    with open(source / "target.csv", "a") as file:
        file.write("40,1\n41,1\n")


def renamed(source):
    (source / "train/07.csv").rename(source / "train/7b.csv")
    (source / "target.csv").write_text((source / "target.csv").read_text().replace("07,3\n", "7b,3\n"))


def other_target(source):
    (source / "target.csv").write_text((source / "target.csv").read_text().replace("07,3\n", "07,2\n"))


INPUTS = {
    "removed": (
        removed,
        r"found 1 missing \(train/07\.csv\) since the stopped run, expected the same; put them back, or",
    ),
    "added": (added, r"found 2 new \(train/40\.csv, \.\.\.\) since the stopped run, expected the same; put them back"),
    "renamed": (renamed, r"found 1 missing \(train/07\.csv\) and 1 new \(train/7b\.csv\) since the stopped run"),
    "target": (other_target, r"found other targets than the stopped run had, expected the same; put them back, or"),
}


@pytest.mark.parametrize(("change", "message"), INPUTS.values(), ids=INPUTS)
def test_other_samples_or_targets_are_named_and_nothing_is_lost(source, tmp_path, stop, change, message, opened):
    stop(source, tmp_path / "a.h5", 1)
    targets, file = (source / "target.csv").read_text(), source / "train/07.csv"
    data, status = file.read_bytes(), file.stat()
    change(source)
    with pytest.raises(ResumeError, match=message):
        seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)
    for new in ("40", "41", "7b"):
        (source / f"train/{new}.csv").unlink(missing_ok=True)
    (source / "target.csv").write_text(targets)
    file.write_bytes(data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    opened.clear()
    assert seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET).resumed[0] == 40
    assert opened == []


def test_lost_names_leave_a_message_without_names(source, tmp_path, stop):
    stop(source, tmp_path / "a.h5", 1)
    (tmp_path / "a.h5.parts" / KEYS).unlink()
    added(source)
    with pytest.raises(ResumeError, match=r"a\.h5: found other samples since the stopped run, expected the same; put"):
        seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)


@pytest.mark.parametrize("options", [{"resume": True}, {"overwrite": True}], ids=str)
def test_a_wrong_source_or_lost_labels_throw_nothing_away(source, tmp_path, stop, options):
    stop(source, tmp_path / "a.h5", 1)
    with pytest.raises(SourceError, match="dta: found no such folder"):
        seekless.pack(tmp_path / "dta", tmp_path / "a.h5", **QUIET, **options)
    (source / "target.csv").rename(tmp_path / "target.csv")
    with pytest.raises(SourceError, match="found"):
        seekless.pack(source, tmp_path / "a.h5", **QUIET, **options)
    (tmp_path / "target.csv").rename(source / "target.csv")
    assert seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET).resumed[0] == 40


def test_another_version_is_named(source, tmp_path, stop, monkeypatch):
    stop(source, tmp_path / "a.h5", 1)
    monkeypatch.setattr(resume_module, "version", lambda _: "99.0")
    with pytest.raises(
        ResumeError, match=r"found work of seekless \S+, expected that of 99\.0, as another version may"
    ):
        seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)


class TestWithoutResume:
    def test_saved_work_is_not_thrown_away_unless_told_to(self, source, tmp_path, stop, opened):
        stop(source, tmp_path / "a.h5", 1)
        message = (
            r"a\.h5: found the work of a run that was stopped, 40 samples read and saved; go on with it by --resume"
        )
        with pytest.raises(ResumeError, match=message):
            seekless.pack(source, tmp_path / "a.h5", **QUIET)
        opened.clear()
        summary = seekless.pack(source, tmp_path / "a.h5", overwrite=True, **QUIET)
        assert (summary.resumed, summary.removed, len(opened)) == ((0, 0), ("a.h5.parts",), 40)
        assert "removed  a.h5.parts, left by a run that was stopped" in str(summary)

    @pytest.mark.usefixtures("small_runs")
    @pytest.mark.parametrize("resume", [True, False])
    def test_after_a_run_refused_for_bad_input(self, source, tmp_path, opened, resume):
        last = max((source / "train").iterdir(), key=lambda path: path.stat().st_ino)
        data = last.read_bytes()
        last.write_text("no number")
        with pytest.raises(SourceError, match=rf"found 1 bad of 40 samples(.|\n)*{last.name}"):
            seekless.pack(source, tmp_path / "a.h5", save_every=0, **QUIET)
        last.write_bytes(data)
        opened.clear()
        summary = seekless.pack(source, tmp_path / "a.h5", resume=resume, **QUIET)
        assert summary.resumed[0] == 40 - len(opened) == (36 if resume else 0)
        assert sorted(os.listdir(tmp_path)) == ["a.h5", "data"]

    @pytest.mark.usefixtures("small_runs")
    def test_a_refused_run_that_was_gone_on_with_and_stopped_is_kept(self, source, tmp_path, stop):
        last = max((source / "train").iterdir(), key=lambda path: path.stat().st_ino)
        data = last.read_bytes()
        last.write_text("no number")
        with pytest.raises(SourceError, match="found 1 bad of 40"):
            seekless.pack(source, tmp_path / "a.h5", save_every=0, **QUIET)
        last.write_bytes(data)
        stop(source, tmp_path / "a.h5", 1, resume=True)
        with pytest.raises(ResumeError, match="40 samples read and saved; go on with it by --resume"):
            seekless.pack(source, tmp_path / "a.h5", **QUIET)

    def test_leftovers_without_saved_work_are_removed_and_named(self, source, tmp_path):
        (tmp_path / "a.h5.parts").mkdir()
        (tmp_path / "a.h5.parts/000000").write_text("half")
        (tmp_path / "a.h5.partial").write_text("half")
        summary = seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)
        assert (summary.resumed, summary.removed) == ((0, 0), ("a.h5.partial", "a.h5.parts"))
        assert sorted(os.listdir(tmp_path)) == ["a.h5", "data"]


def test_with_nothing_to_go_on_with_it_simply_starts(source, tmp_path):
    assert seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET).resumed == (0, 0)
    with pytest.raises(StoreExistsError, match="found something there"):
        seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)


def test_a_complete_store_that_someone_removed_is_made_again(source, tmp_path, stop):
    stop(source, tmp_path / "a.h5", 1, "done")
    assert Journal(tmp_path / "a.h5.parts").read().done is not None
    (tmp_path / "a.h5.partial").unlink()
    assert seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET).resumed == (0, 0)


@pytest.mark.parametrize("name", ["a.h5", "a.npy.d"])
def test_a_complete_store_only_takes_its_place(source, tmp_path, stop, opened, name):
    stop(source, tmp_path / name, 1, "done")
    opened.clear()
    summary = seekless.pack(source, tmp_path / name, resume=True, **QUIET)
    assert (summary.resumed[0], opened, sorted(os.listdir(tmp_path))) == (40, [], [name, "data"])


@pytest.mark.parametrize("name", ["a.h5", "a.npy.d"])
def test_damaged_blocks_are_refused(source, tmp_path, stop, name):
    stop(source, tmp_path / name, 5, "block")
    partial = tmp_path / f"{name}.partial"
    file = partial / "x.npy" if partial.is_dir() else partial
    offset = Journal(tmp_path / f"{name}.parts").read().files[0].blocks[2].offset
    data = file.read_bytes()
    file.write_bytes(data[: offset + 5] + bytes([data[offset + 5] ^ 1]) + data[offset + 6 :])
    message = r"found other bytes than were written for block 2, expected what a stopped run wrote; start over by"
    for _ in range(2):
        with pytest.raises(ResumeError, match=message):
            seekless.pack(source, tmp_path / name, resume=True, **QUIET)
    assert seekless.pack(source, tmp_path / name, overwrite=True, **QUIET).samples == 40
