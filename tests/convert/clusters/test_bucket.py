"""Workers read a bucket themselves, as they would a folder that all of them mount."""

import uuid

import numpy as np
import pytest

import seekless

UPath = pytest.importorskip("upath").UPath
pytest.importorskip("s3fs")


@pytest.fixture
def bucket():
    """A folder of a bucket on an S3 server of this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    name = uuid.uuid4().hex
    place = UPath(f"s3://{name}/data", endpoint_url=f"http://{host}:{port}", key="a", secret="b")
    place.fs.mkdir(name)
    yield place
    server.stop()


@pytest.mark.usefixtures("in_small_runs")
def test_a_bucket_gives_the_same_bytes(tiny_csv, bucket, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("seekless.source.remote.RUN_FILES", 16)
    for path in tiny_csv.root.rglob("*.csv"):
        (bucket / path.relative_to(tiny_csv.root).as_posix()).write_bytes(path.read_bytes())
    seekless.pack(tiny_csv.root, tmp_path / "a.h5", workers=0, progress=False)
    seekless.pack(bucket, tmp_path / "b.h5", dask=cluster, progress=False)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert np.array_equal(np.sort(seekless.open(tmp_path / "b.h5")["y"]), np.sort(tiny_csv.labels))
