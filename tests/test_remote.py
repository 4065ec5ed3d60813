"""Sources that are reached by URL convert to the same stores as folders here."""

import shutil

import numpy as np
import pytest

import seekless
from seekless.errors import OptionError, SourceError, SourceNotFoundError
from seekless.source.open import SourceOptions, open_source
from seekless.source.place import place_of, read_span, stamp_of
from seekless.source.remote import RemoteSource

pytest.importorskip("upath")

ROWS = b"label,a,b\n" + b"".join(b"%d,%d,%d\n" % (row % 3, row, 2 * row) for row in range(500))


@pytest.fixture
def local(tmp_path):
    """A folder of 40 CSV files in the article's layout, with files that are no samples beside them."""
    folder = tmp_path / "data"
    (folder / "train" / ".hidden").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(40):
        np.savetxt(folder / "train" / f"{number:05d}.csv", rng.integers(0, 256, (4, 5)))
    (folder / "target.csv").write_text("".join(f"{number:05d},{number % 4}\n" for number in range(40)))
    (folder / "train" / ".hidden" / "a.csv").write_text("no sample")
    (folder / "train" / "Thumbs.db").write_text("no sample")
    (folder / "train" / "notes.md").write_text("no sample")
    return folder


def test_a_folder_in_memory_gives_the_same_bytes(local, memory, copy, tmp_path):
    seekless.pack(local, tmp_path / "local.h5", workers=0, progress=False)
    seekless.pack(str(copy(local, memory)), tmp_path / "memory.h5", workers=2, progress=False)
    assert (tmp_path / "memory.h5").read_bytes() == (tmp_path / "local.h5").read_bytes()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bucket_gives_the_same_bytes(local, bucket, copy, tmp_path, workers):
    seekless.pack(local, tmp_path / "local.h5", workers=0, progress=False)
    seekless.pack(copy(local, bucket), tmp_path / "s3.h5", workers=workers, progress=False)
    assert (tmp_path / "s3.h5").read_bytes() == (tmp_path / "local.h5").read_bytes()


def test_the_command_takes_a_url(local, memory, copy, tmp_path, convert):
    copy(local, memory)
    code, out, _ = convert("csv-to-h5", str(memory), tmp_path / "a.h5")
    assert (code, "40 of 4 classes" in out) == (0, True)
    assert convert("verify", tmp_path / "a.h5", "--against", str(memory))[0] == 0
    (memory / "train" / "00007.csv").write_bytes(b"1 2\n")
    assert convert("verify", tmp_path / "a.h5", "--against", str(memory))[0] == 1


@pytest.mark.parametrize("table", ["t.csv", ""])
def test_tables_are_read_by_url(memory, tmp_path, table):
    (memory / "t.csv").write_bytes(ROWS)
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "t.csv").write_bytes(ROWS)
    options = {"rows": True, "target_columns": ("label",), "progress": False}
    for place, store in ((f"{memory}/{table}", "a.h5"), (tmp_path / "t" / table, "b.h5")):
        assert seekless.pack(place, tmp_path / store, **options).samples == 500
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_images_and_a_labels_file_are_found_by_url(memory, tmp_path):
    from PIL import Image

    for number in range(6):
        Image.fromarray(np.full((3, 3), number, np.uint8)).save(tmp_path / "a.png")
        (memory / f"{number}.png").write_bytes((tmp_path / "a.png").read_bytes())
    (memory / "labels.csv").write_bytes(b"".join(b"%d,%d\n" % (number, number % 2) for number in range(6)))
    seekless.pack(str(memory), tmp_path / "a.h5", labels=f"{memory}/labels.csv", progress=False)
    (tmp_path / "labels.csv").write_bytes((memory / "labels.csv").read_bytes())
    seekless.pack(str(memory), tmp_path / "b.h5", labels=str(tmp_path / "labels.csv"), progress=False)
    for store in map(seekless.open, (tmp_path / "a.h5", tmp_path / "b.h5")):
        x, y = store[:]
        assert (x[:, 0, 0].ravel() % 2).tolist() == y.tolist()


def test_loose_files_are_read_by_url(local, memory, copy):
    theirs, ours = seekless.FileSequence(str(copy(local, memory)), 16), seekless.FileSequence(local, 16)
    for step in range(len(ours)):
        for found, expected in zip(theirs[step], ours[step], strict=True):
            np.testing.assert_array_equal(found, expected)
    (memory / "train" / "00003.csv").unlink()
    with pytest.raises(SourceError, match=r"train/00003.csv: .*it was there|the file was there when"):
        [theirs[step] for step in range(len(theirs))]


def test_a_stopped_conversion_notices_what_changed(local, memory, copy, tmp_path):
    source = open_source(place_of(str(copy(local, memory))), SourceOptions())
    assert isinstance(source, RemoteSource)
    before = source.stamps(range(40))
    assert source.reader().read(next(source.runs())).stamps == before.tolist()
    (memory / "train" / "00007.csv").write_bytes((memory / "train" / "00007.csv").read_bytes() + b"\n")
    after = open_source(place_of(str(memory)), SourceOptions()).stamps(range(40))
    assert np.flatnonzero(before != after).tolist() == [7]
    done = np.ones(40, bool)
    done[[3, 30]] = False
    assert [run.indices for run in source.runs(done)] == [[3, 30]]


def test_files_that_are_bad_gone_or_changed_are_named(local, memory, copy, tmp_path):
    source = open_source(place_of(str(copy(local, memory))), SourceOptions())
    (memory / "train" / "00001.csv").unlink()
    (memory / "train" / "00002.csv").write_bytes(b"1 2 3\n")
    text = (memory / "train" / "00003.csv").read_bytes()
    (memory / "train" / "00003.csv").write_bytes(b"x" * len(text))
    decoded = source.reader().read(next(source.runs()))
    assert [bad.key for bad in decoded.bad] == ["train/00001.csv", "train/00002.csv", "train/00003.csv"]
    assert "cannot be read (FileNotFoundError" in decoded.bad[0].found
    assert "and had 1 bytes" not in decoded.bad[1].found
    assert f"it has 6 bytes, and had {len(text)} when it was listed" in decoded.bad[1].found
    assert len(decoded.samples) == 37
    with pytest.raises(SourceError, match=r"train/00003\.csv"):
        source.read(3)


def test_runs_of_large_files_hold_few(memory, monkeypatch):
    for number in range(7):
        (memory / f"{number}.csv").write_bytes(b"1 2 3 4\n" * (number + 1))
    source = open_source(place_of(str(memory)), SourceOptions(labels="none"))
    monkeypatch.setattr("seekless.source.remote.RUN_BYTES", 40)
    runs = list(source.runs())
    assert [run.indices for run in runs] == [[0, 1], [2], [3], [4], [5], [6]]
    assert next(run.sizes for run in runs) == (8, 16)


def test_a_connection_that_breaks_is_said_of_every_file(local, memory, copy, monkeypatch):
    source = open_source(place_of(str(copy(local, memory))), SourceOptions())

    def broken(*_, **__):
        raise TimeoutError("no answer")

    monkeypatch.setattr(type(memory.fs), "cat", broken)
    decoded = source.reader().read(next(source.runs()))
    assert len(decoded.bad) == 40
    assert "no answer" in decoded.bad[0].found


def test_a_place_without_files_or_that_cannot_be_reached_is_named(memory, tmp_path, monkeypatch):
    for place in (f"{memory}/no", f"{memory}/no.csv"):
        with pytest.raises(SourceNotFoundError, match="found nothing there, expected a folder of samples"):
            seekless.pack(place, tmp_path / "a.h5", progress=False)
    with pytest.raises(SourceError, match="found no sample files"):
        seekless.pack(str(memory), tmp_path / "a.h5", labels="none", progress=False, kind="csv")

    def away(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(type(memory.fs), "info", away)
    with pytest.raises(SourceError, match=r"memory://.*: found that it cannot be reached \(ConnectionError: no route"):
        seekless.pack(str(memory), tmp_path / "a.h5", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_urls_that_no_package_knows_are_refused(monkeypatch):
    with pytest.raises(OptionError, match="found a URL that fsspec does not know"):
        place_of("nosuch://a/b")
    with pytest.raises(OptionError, match=r"gs://a/b: found a protocol whose package is not installed: .*gcsfs"):
        place_of("gs://a/b")
    monkeypatch.setitem(__import__("sys").modules, "upath", None)
    with pytest.raises(OptionError, match=r'found a URL without fsspec, .*pip install "seekless\[remote\]"'):
        place_of("s3://a/b")


def test_a_file_url_is_a_path(local, tmp_path):
    assert seekless.pack(f"file://{local}", tmp_path / "a.h5", progress=False).samples == 40
    shutil.rmtree(local)


def test_parts_and_stamps_of_files_are_read_alike(memory, tmp_path, monkeypatch):
    for place in (memory / "a", tmp_path / "a"):
        place.write_bytes(b"0123456789")
        data, mark = read_span(place, 2, 5)
        assert (data, mark) == (b"234", stamp_of(place))
        assert stamp_of(place.with_name("b")) == 0
        with pytest.raises(FileNotFoundError):
            read_span(place.with_name("b"), 0, 1)

    def broken(*_, **__):
        raise ValueError("odd answer")

    monkeypatch.setattr(type(memory.fs), "cat_file", broken)
    with pytest.raises(OSError, match="ValueError: odd answer"):
        read_span(memory / "a", 0, 1)
