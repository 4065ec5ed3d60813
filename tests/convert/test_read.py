"""The first pass goes on where it was stopped: nothing is read twice, and all that was met is known again."""

import os
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import seekless
from seekless.convert import run as run_module
from seekless.convert import scatter as scatter_module
from seekless.convert.journal import Journal
from seekless.errors import ConvertError, OptionError, ResumeError, SourceError

pytestmark = pytest.mark.usefixtures("small_runs", "same_open_files")
QUIET = {"workers": 0, "progress": False}


@pytest.fixture
def source(write_source):
    """30 files; from the 20th on they need a larger dtype."""
    samples = {f"{n:02d}": np.full((4, 4), n) / (255 if n < 20 else 65535) for n in range(30)}
    return write_source(samples, {name: int(name) % 4 for name in samples})


def same(one, other) -> bool:
    return one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("memory", [1 << 20, 1 << 30], ids=["1 MiB", "1 GiB"])
@pytest.mark.parametrize("after", range(1, 9))
def test_what_was_saved_is_not_opened_again(source, tmp_path, stop, opened, after, memory):
    seekless.pack(source, tmp_path / "whole.h5", **QUIET)
    opened.clear()
    stop(source, tmp_path / "a.h5", after, memory=memory)
    read = min(30, 4 * after)
    assert len(opened) == read
    summary = seekless.pack(source, tmp_path / "a.h5", resume=True, memory=memory, **QUIET)
    assert sorted(opened) == [f"{n:02d}.csv" for n in range(30)]
    assert summary.resumed == (read, 0)
    assert f"resumed  {read} samples read by the run that was stopped were kept" in str(summary)
    assert same(tmp_path / "a.h5", tmp_path / "whole.h5")


def test_data_past_its_memory_is_gone_on_with(tmp_path, stop, opened, write_source, monkeypatch):
    """Partition files, of which a last one was begun after the last save."""
    samples = {f"{n:02d}": np.random.default_rng(n).random((8, 8)) for n in range(40)}
    source = write_source(samples)
    seekless.pack(source, tmp_path / "whole.h5", **QUIET)
    opened.clear()
    init = scatter_module.Scatter.__init__
    monkeypatch.setattr(scatter_module.Scatter, "__init__", lambda self, n, _, folder: init(self, n, 9000, folder))
    stop(source, tmp_path / "a.h5", 5)
    assert len(list((tmp_path / "a.h5.parts").glob("0*"))) > 5
    with open(tmp_path / "a.h5.parts/000000", "ab") as file:
        file.write(b"half a piece")
    (tmp_path / "a.h5.parts/000099").write_bytes(b"of a run that was killed")
    summary = seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)
    assert (summary.resumed, set(Counter(opened).values())) == ((20, 0), {1})
    assert same(tmp_path / "a.h5", tmp_path / "whole.h5")


def test_work_is_saved_when_the_time_has_come(source, tmp_path, stop, monkeypatch, opened):
    """A clock that runs a second a look: every third run or so is saved."""
    clock = iter(range(10**6))
    monkeypatch.setattr("seekless.convert.saved.time.monotonic", lambda: next(clock))
    stop(source, tmp_path / "a.h5", 1, save_every=5)
    first = Journal(tmp_path / "a.h5.parts").read().samples
    assert 4 < first == len(opened) < 30


def test_before_that_time_nothing_is_written(source, tmp_path):
    seekless.pack(source, tmp_path / "whole.h5", **QUIET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "begin", lambda *_: pytest.fail("saved within 20 seconds"))
        seekless.pack(source, tmp_path / "a.h5", **QUIET)
    assert same(tmp_path / "a.h5", tmp_path / "whole.h5")


def stop_at_every_save(stop, source, tmp_path, saves, **options):
    """Stop at each save, go on, stop again at the end of reading and in writing, and compare."""
    summary = seekless.pack(source, tmp_path / "whole.h5", **QUIET, **options)
    for after in range(1, saves + 1):
        path = tmp_path / f"a{after}.h5"
        stop(source, path, after, **options)
        stop(source, path, 1, "codec", resume=True, **options)
        stop(source, path, 1, "file", resume=True, **options)
        stop(source, path, 1, "block", resume=True, **options)
        gone_on = seekless.pack(source, path, resume=True, **QUIET, **options)
        assert same(path, tmp_path / "whole.h5"), after
        assert gone_on.skipped == summary.skipped
        skipped = [tmp_path / f"{name}.h5.skipped.csv" for name in (path.stem, "whole")]
        assert [file.exists() for file in skipped] == [bool(summary.skipped)] * 2
        assert not summary.skipped or same(*skipped)
    return summary


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of 40 rows, read a few at a time; labels are words, spelled in several ways."""

    def make(bad=()):
        monkeypatch.setattr("seekless.source.table.SPAN_BYTES", 100)
        rows = [f"{n},{n % 7}.5,{('cat', 'dog', ' cat', 'owl')[n % 4]}" for n in range(40)]
        for n in bad:
            rows[n] = f"{n},x,dog"
        (tmp_path / "t.csv").write_text("a,b,animal\n" + "\n".join(rows) + "\n")
        return tmp_path / "t.csv"

    return make


ROWS = {"rows": True, "target_columns": "animal"}


def test_labels_beside_values_come_back(table, tmp_path, stop):
    stop_at_every_save(stop, table(), tmp_path, 5, **ROWS)
    store = seekless.open(tmp_path / "a1.h5")
    assert store.header.class_names == ("cat", "dog", "owl")


def test_labels_outlive_two_stops_though_nothing_is_read_between(table, tmp_path, stop):
    """The second run has nothing left to read, and saves so: the third still knows all labels."""
    source = table()
    seekless.pack(source, tmp_path / "whole.h5", **QUIET, **ROWS)
    stop(source, tmp_path / "a.h5", 1, "codec", **ROWS)
    for _ in range(3):
        stop(source, tmp_path / "a.h5", 1, "saved", resume=True, **ROWS)
    seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET, **ROWS)
    assert same(tmp_path / "a.h5", tmp_path / "whole.h5")


def test_bad_rows_within_spans_are_left_out_as_before(table, tmp_path, stop):
    summary = stop_at_every_save(stop, table(bad=(0, 3, 17, 39)), tmp_path, 5, on_error="skip", **ROWS)
    assert summary.skipped == 4


def test_bad_files_and_odd_shapes_are_left_out_as_before(source, tmp_path, stop):
    (source / "train/03.csv").write_text("no number")
    (source / "train/11.csv").write_text("")
    (source / "train/25.csv").write_text("1,2\n")
    assert stop_at_every_save(stop, source, tmp_path, 7, on_error="skip").skipped == 3


def test_a_first_run_that_misled_is_known_again(source, tmp_path, stop):
    """The first six files are of another shape than most: all are read once more, and that too may be stopped."""
    for n in range(6):
        (source / f"train/{n:02d}.csv").write_text("1,2\n")
    assert stop_at_every_save(stop, source, tmp_path, 16, on_error="skip").skipped == 6


@pytest.mark.parametrize("dtype", ["float16", "uint8", "float32"])
def test_what_was_proved_of_a_dtype_that_is_asked_for_comes_back(source, tmp_path, stop, dtype):
    stop_at_every_save(stop, source, tmp_path, 7, dtype=dtype, lossy=True)


def test_a_value_that_a_dtype_does_not_hold_is_known_again(source, tmp_path, stop, opened):
    """It was met before the stop; the message is the same, and the next plain run just starts."""
    stop(source, tmp_path / "a.h5", 8, dtype="uint8")
    opened.clear()
    with pytest.raises(OptionError) as whole:
        seekless.pack(source, tmp_path / "b.h5", dtype="uint8", **QUIET)
    opened.clear()
    with pytest.raises(OptionError, match=r"--dtype uint8: found the value .* in train/2\d\.csv") as resumed:
        seekless.pack(source, tmp_path / "a.h5", dtype="uint8", resume=True, **QUIET)
    assert (str(resumed.value), opened) == (str(whole.value), [])
    assert seekless.pack(source, tmp_path / "a.h5", **QUIET).samples == 30


def test_pictures_in_folders_of_classes(tmp_path, stop):
    for n in range(30):
        (tmp_path / f"png/{'abc'[n % 3]}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((5, 5), n, np.uint8)).save(tmp_path / f"png/{'abc'[n % 3]}/{n:02d}.png")
    stop_at_every_save(stop, tmp_path / "png", tmp_path, 7)
    assert seekless.open(tmp_path / "a1.h5").header.class_names == ("a", "b", "c")


class TestChangedFiles:
    def change(self, path):
        """Another content of the same size."""
        status = path.stat()
        path.write_bytes(path.read_bytes().replace(b"e", b"E"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))

    def refused(self, source, path, message, **options):
        before = {file.name: file.read_bytes() for file in (path.parent / f"{path.name}.parts").iterdir()}
        with pytest.raises(ResumeError, match=message + r".*start over by --overwrite, without --resume"):
            seekless.pack(source, path, resume=True, **QUIET, **options)
        assert {file.name: file.read_bytes() for file in (path.parent / f"{path.name}.parts").iterdir()} == before

    @pytest.mark.parametrize("options", [{}, {"on_error": "skip"}], ids=str)
    def test_one_that_was_read_is_refused_and_nothing_is_lost(self, source, tmp_path, stop, opened, options):
        stop(source, tmp_path / "a.h5", 3, **options)
        times = {name: os.stat(source / f"train/{name}") for name in opened}
        for name in sorted(opened)[2:4]:
            self.change(source / f"train/{name}")
        name = sorted(opened)[2]
        message = (
            rf"data: found train/{name} and 1 more changed or gone since the stopped run read it, expected the same"
        )
        self.refused(source, tmp_path / "a.h5", message, **options)
        for name, status in times.items():
            path = source / f"train/{name}"
            path.write_bytes(path.read_bytes().replace(b"E", b"e"))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET, **options).resumed == (12, 0)

    @pytest.mark.parametrize("content", ["1,2\n", "no number"], ids=["odd", "bad"])
    def test_one_that_was_left_out_and_is_mended_is_refused(self, source, tmp_path, stop, content):
        bad = source / "train/05.csv"
        good = bad.read_bytes()
        bad.write_text(content)
        stop(source, tmp_path / "a.h5", 8, on_error="skip")
        bad.write_bytes(good)
        self.refused(source, tmp_path / "a.h5", r"data: found train/05\.csv changed or gone", on_error="skip")

    def test_one_that_was_not_read_yet_may_change(self, source, tmp_path, stop, opened):
        stop(source, tmp_path / "a.h5", 3)
        left = next(path for path in sorted((source / "train").iterdir()) if path.name not in opened)
        np.savetxt(left, np.zeros((4, 4)))
        seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)
        seekless.pack(source, tmp_path / "b.h5", **QUIET)
        assert same(tmp_path / "a.h5", tmp_path / "b.h5")

    def test_a_table_that_grew_is_refused(self, table, tmp_path, stop):
        path = table()
        stop(path, tmp_path / "a.h5", 2, **ROWS)
        with open(path, "a") as file:
            file.write("1,2,owl\n")
        self.refused(path, tmp_path / "a.h5", r"a\.h5: found 1 new \(t\.csv#40\) since", **ROWS)

    def test_a_table_with_other_labels_is_refused(self, table, tmp_path, stop):
        path = table()
        stop(path, tmp_path / "a.h5", 2, **ROWS)
        path.write_text(path.read_text().replace("owl", "cow"))
        os.utime(path, ns=(1, 1))
        self.refused(path, tmp_path / "a.h5", r"t\.csv: found t\.csv#0 and \d+ more changed or gone", **ROWS)


def test_damaged_partitions_are_refused(source, tmp_path, stop):
    stop(source, tmp_path / "a.h5", 4)
    (part,) = (tmp_path / "a.h5.parts").glob("0*")
    data = part.read_bytes()
    for at in (*range(0, 40), *range(40, len(data), 37)):
        part.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(ResumeError, match=r"parts/000000: found other bytes than were written there, expected"):
            seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)
        assert not (tmp_path / "a.h5").exists()
        # What was appended to it meanwhile, and to the journal, goes again.
    for damaged in (data[:-1], data[:10], b"", bytes(len(data))):
        part.write_bytes(damaged)
        with pytest.raises(ResumeError, match=r"parts/000000: found other bytes than were written there, expected"):
            seekless.pack(source, tmp_path / "a.h5", resume=True, **QUIET)
    summary = seekless.pack(source, tmp_path / "a.h5", overwrite=True, **QUIET)
    assert (summary.samples, summary.removed) == (30, ("a.h5.parts",))


def test_a_source_that_changes_between_two_readings_is_refused(source, tmp_path, monkeypatch):
    """The first six files mislead; before the second reading most others become like them."""
    for n in range(6):
        (source / f"train/{n:02d}.csv").write_text("1,2\n")
    renew = seekless.convert.target.Target.renew

    def changed(target):
        renew(target)
        for n in range(6, 30):
            (source / f"train/{n:02d}.csv").write_text("1,2\n")

    calls = []
    monkeypatch.setattr(
        "seekless.convert.target.Target.renew", lambda t: calls.append(t) or (changed if len(calls) > 2 else renew)(t)
    )
    with pytest.raises(ConvertError, match="found other samples at the second reading; run it again when it rests"):
        seekless.pack(source, tmp_path / "a.h5", on_error="skip", save_every=0, **QUIET)
    assert not (tmp_path / "a.h5").exists()


def test_a_file_that_vanishes_is_named(source, tmp_path, monkeypatch):
    read_samples = run_module.read_samples

    def late(*arguments):
        (source / "train/29.csv").unlink()
        return read_samples(*arguments)

    monkeypatch.setattr(run_module, "read_samples", late)
    with pytest.raises(SourceError, match=r"29\.csv: found a file that cannot be read \(No such file or directory\)"):
        seekless.pack(source, tmp_path / "a.h5", **QUIET)
    assert not (tmp_path / "a.h5").exists()
