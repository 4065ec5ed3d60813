"""A cluster makes the same bytes as processes of one machine, whatever the source and the store."""

import shutil
import uuid

import numpy as np
import pytest

import seekless
from seekless.convert.dask_read import Tally
from seekless.errors import SourceError

pytestmark = pytest.mark.usefixtures("in_small_runs")
SMALL = {"memory": 1 << 20, "progress": False}


def both(tmp_path, source, name, cluster, content_of, **options):
    """Pack a source here and on the cluster; hold that the bytes are the same, and that nothing else is left."""
    sums = []
    for place, who in (("here", {"workers": 0}), ("there", {"dask": cluster})):
        path = tmp_path / place / name
        path.parent.mkdir()
        summary = seekless.pack(source, path, **SMALL, **who, **options)
        sums.append((content_of(path), summary.bytes_in, summary.skipped, summary.why_codec))
        left = {path.name, *([f"{path.stem}-shards"] if summary.shards else [])}
        assert {file.name for file in path.parent.iterdir()} - {f"{path.name}.skipped.csv"} == left
    assert sums[0] == sums[1]
    return seekless.open(path)


@pytest.mark.parametrize("way", ["one file", "shards"])
def test_many_files(source, expected, cluster, tmp_path, content_of, way):
    sizes = {"block_bytes": 8000, "compression": "zstd", **({"shard_bytes": 60_000} if way == "shards" else {})}
    seekless.pack(source, tmp_path / "data.h5", dask=cluster, **SMALL, **sizes)
    assert content_of(tmp_path / "data.h5") == expected[way]
    assert bool(seekless.open(tmp_path / "data.h5").shards) == (way == "shards")


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        ("png", "data.h5", {"block_bytes": 400, "test_fraction": 0.2}),
        ("png", "data.h5", {"block_bytes": 400, "shard_bytes": 1500, "compression": "blosc2"}),
        ("png", "data.npy.d", {}),
        ("csv", "data.npy.d", {"block_bytes": 400}),
        ("csv", "data.h5", {"shuffle": False, "dtype": "float32", "lossy": True, "compression": "none"}),
    ],
    ids=["png", "png shards", "png npy", "csv npy", "as asked for"],
)
def test_tiny_sources(request, tmp_path, cluster, content_of, kind, name, options):
    tiny = request.getfixturevalue(f"tiny_{kind}")
    store = both(tmp_path, tiny.root, name, cluster, content_of, **options)
    assert len(store) == 130


def test_samples_larger_than_a_block_and_a_page(tmp_path, write_source, cluster, content_of):
    source = write_source({f"{n:02d}": np.arange(3000) % (n + 250) for n in range(40)})
    store = both(tmp_path, source, "data.h5", cluster, content_of, shard_bytes=60_000, block_bytes=10_000)
    assert store.header.fields["x"].dtype == np.uint16


def test_rows_of_tables_and_their_labels(tmp_path, cluster, content_of, monkeypatch):
    monkeypatch.setattr("seekless.source.table.SPAN_BYTES", 2000)
    (tmp_path / "tables").mkdir()
    for name in "ab":
        rows = "".join(f"{'uvw'[row % 3]},{row},{row * 2}\n" for row in range(400))
        (tmp_path / f"tables/{name}.csv").write_text(f"label,x,y\n{rows}")
    options = {"rows": True, "target_columns": ["label"], "shard_bytes": 3000, "block_bytes": 400}
    assert len(both(tmp_path, tmp_path / "tables", "data.h5", cluster, content_of, **options)) == 800


def test_bad_samples_are_listed_as_ever(tmp_path, source, cluster, monkeypatch):
    data = shutil.copytree(source, tmp_path / "data")
    for n in range(3, 1000, 200):
        (data / f"train/{n:04d}.csv").write_text("1,2\n" if n % 2 else "no number")
    told = []
    for place, who in (("here", {"workers": 0}), ("there", {"dask": cluster})):
        path = tmp_path / "data.h5"
        with pytest.raises(SourceError, match=r"found 5 bad of 1,000 samples; no store was written") as error:
            seekless.pack(data, path, **SMALL, **who)
        told.append((str(error.value), (tmp_path / "data.h5.errors.csv").read_text()))
        (tmp_path / "data.h5.errors.csv").unlink()
        assert [file.name for file in tmp_path.iterdir()] == ["data"], place
    assert told[0] == told[1]


def test_bad_samples_are_left_out_as_ever(tmp_path, write_source, cluster, content_of):
    """The first files that are read have a form that most have not."""
    samples = {f"{n:03d}": np.full((3, 3) if n >= 20 else (2, 2), n / 255) for n in range(200)}
    source = write_source(samples)
    (source / "train/150.csv").write_text("no number")
    store = both(tmp_path, source, "data.h5", cluster, content_of, on_error="skip", shard_bytes=600, block_bytes=90)
    assert len(store) == 179


def test_what_is_new_is_added(tmp_path, source, cluster, content_of):
    sums = []
    for place, who in (("here", {"workers": 0}), ("there", {"dask": cluster})):
        (tmp_path / place).mkdir()
        data, path = tmp_path / place / "data", tmp_path / place / "data.h5"
        (data / "train").mkdir(parents=True)
        shutil.copy(source / "target.csv", data)
        for part in (range(0, 200, 2), range(1, 200, 2)):
            for n in part:
                shutil.copy2(source / f"train/{n:04d}.csv", data / "train")
            lines = (source / "target.csv").read_text().splitlines(keepends=True)
            there = {file.stem for file in (data / "train").iterdir()}
            (data / "target.csv").write_text("".join(line for line in lines if line[:4] in there))
            summary = seekless.pack(data, path, append=True, **SMALL, **who)
        assert summary.added == 100
        sums.append(content_of(path))
    assert sums[0] == sums[1]
    assert seekless.pack(data, path, append=True, dask=cluster, **SMALL).added == 0


def test_a_cluster_in_the_words_of_python(tmp_path, tiny_csv, cluster):
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client:
        seekless.pack(tiny_csv.root, tmp_path / "a.h5", dask=client, **SMALL)
        assert client.status == "running"  # it is the caller's
    seekless.pack(tiny_csv.root, tmp_path / "b.h5", dask=cluster.scheduler_address, **SMALL)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_one_bar_shows_what_tasks_do_while_they_do_it(source, tmp_path, cluster, monkeypatch):
    monkeypatch.setattr("seekless.convert.dask_cluster.EVERY", 0.0)
    monkeypatch.setattr("seekless.convert.dask_cluster.WORDS", 1e9)
    monkeypatch.setattr("seekless.convert.dask_read.TASKS", 1)
    monkeypatch.setattr("seekless.convert.dask_write.TASKS", 1)
    told, shown = [], []
    of_tally = Tally.told
    monkeypatch.setattr(Tally, "told", lambda tally, *numbers: told.append(numbers) or of_tally(tally, *numbers))
    options = {**SMALL, "block_bytes": 8000, "progress": shown.append}
    summary = seekless.pack(source, tmp_path / "data.h5", dask=cluster, **options)
    last = {progress.name: (progress.done, progress.total) for progress in shown}
    assert last == {"reading": (1000, 1000), "writing": (1000, 1000)}
    assert [progress.bytes for progress in shown if progress.name == "reading"][-1] == summary.bytes_in
    samples = [progress.done for progress in shown if progress.name == "reading"]
    assert samples == sorted(samples)
    assert len(told) > 20


@pytest.fixture
def bucket():
    """A folder of a bucket on an S3 server of this machine."""
    upath = pytest.importorskip("upath")
    pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    name = uuid.uuid4().hex
    place = upath.UPath(f"s3://{name}/data", endpoint_url=f"http://{host}:{port}", key="a", secret="b")
    place.fs.mkdir(name)
    yield place
    server.stop()


def test_a_bucket_gives_the_same_bytes(tiny_csv, bucket, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("seekless.source.remote.RUN_FILES", 16)
    for path in tiny_csv.root.rglob("*.csv"):
        (bucket / path.relative_to(tiny_csv.root).as_posix()).write_bytes(path.read_bytes())
    seekless.pack(tiny_csv.root, tmp_path / "a.h5", workers=0, progress=False)
    seekless.pack(bucket, tmp_path / "b.h5", dask=cluster, progress=False)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert np.array_equal(np.sort(seekless.open(tmp_path / "b.h5")["y"]), np.sort(tiny_csv.labels))
