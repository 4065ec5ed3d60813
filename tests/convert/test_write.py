"""What the last step writes: blocks by the codec, the block length and the shards that were asked for."""

from collections import namedtuple
from dataclasses import replace

import h5py
import numpy as np
import pytest

import seekless
from seekless.convert import trial
from seekless.convert.compare import compare
from seekless.convert.journal import Journal
from seekless.convert.options import Options
from seekless.convert.passing import Passing
from seekless.convert.write import write
from seekless.errors import ConvertError
from seekless.store.codecs import CODECS
from seekless.store.encoding import Encoding
from seekless.store.schema import Field, Header
from seekless.store.verify import verify

U1 = Encoding(np.dtype("u1"), np.dtype("u1"))
X = (np.arange(200 * 500) // 60 % 256).astype(np.uint8).reshape(200, 500)


def header(codec="auto", block=10):
    return Header(200, {"x": Field("x", (500,), U1, block, codec=codec)}, True, 0, "by hand")


def written(tmp_path, name="data.h5", threads=0, head=None, **how):
    """Write X under a passing name, a few rows at a time."""
    rows = iter(np.array_split(X, 7))
    parts = tmp_path / f"{name}.parts"
    passing = Passing(tmp_path / name, tmp_path / f"{name}.partial", parts / "older", Journal(parts))
    return write(passing, head or header(), {"x": rows}, {}, Options(progress=False, **how), threads)


def read(path):
    return seekless.open(path)["x"]


@pytest.mark.parametrize("threads", [0, 2])
def test_auto_chooses_by_the_first_blocks(tmp_path, threads):
    done = written(tmp_path, threads=threads)
    assert done.header.fields["x"].codec != "none"
    assert " times smaller: epochs " in done.why["x"]
    assert done.shards == 0
    assert (read(tmp_path / "data.h5.partial") == X).all()


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_by_name_has_no_reason(tmp_path, codec):
    done = written(tmp_path, head=header(codec))
    assert (done.header.fields["x"].codec, done.why["x"]) == (codec, "")
    assert (read(tmp_path / "data.h5.partial") == X).all()


def test_auto_is_none_for_npy(tmp_path):
    done = written(tmp_path, "data.npy.d")
    assert (done.header.fields["x"].codec, done.why["x"]) == ("none", ".npy files hold plain arrays")
    assert (read(tmp_path / "data.npy.d.partial") == X).all()


@pytest.mark.parametrize(("limit", "tried"), [(1 << 30, 8), (17_000, 3), (1, 1)])
def test_few_blocks_are_tried_and_kept_in_memory(tmp_path, monkeypatch, limit, tried):
    sizes, choose = [], trial.choose_codec

    def noted(blocks, item, pool):
        sizes.extend(map(len, blocks))
        return choose(blocks, item, pool)

    monkeypatch.setattr(trial, "choose_codec", noted)
    monkeypatch.setattr(trial, "TRIED_BYTES", limit)
    written(tmp_path)
    assert sizes == [5000] * tried


@pytest.mark.parametrize(("free", "fits"), [(99_999, False), (100_000, True)])
def test_a_disk_without_the_space_is_refused(tmp_path, monkeypatch, free, fits):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(free))
    if fits:
        written(tmp_path, head=header("none"))
        return
    message = r"found 0 MB free, expected 0 MB for the store; free some, or write to another disk"
    with pytest.raises(ConvertError, match=message):
        written(tmp_path, head=header("none"))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_is_asked_for_what_compressed_blocks_take(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(20_000))
    written(tmp_path, head=header("zstd"))
    with pytest.raises(ConvertError, match="MB free"):
        written(tmp_path, head=replace(header("none")))


@pytest.mark.parametrize("threads", [0, 2])
def test_shards_and_their_index_lie_in_one_folder(tmp_path, threads):
    done = written(tmp_path, head=header("zstd"), threads=threads, shard_bytes=40_000)
    folder = tmp_path / "data.h5.partial"
    names = sorted(path.name for path in folder.iterdir())
    assert done.shards == 3
    assert names[-1] == "index.h5"
    assert [name[16:] for name in names[:-1]] == ["-00000.h5", "-00001.h5", "-00002.h5"]
    lengths = [len(seekless.open(folder / name)) for name in names[:-1]]
    assert lengths == [80, 80, 40]
    assert (np.concatenate([read(folder / name) for name in names[:-1]]) == X).all()
    with h5py.File(folder / "index.h5") as file:
        assert file["_shards/name"].asstr()[...].tolist() == [f"data-shards/{name}" for name in names[:-1]]


def test_a_store_no_larger_than_a_shard_is_one_file(tmp_path):
    assert written(tmp_path, shard_bytes=100_000).shards == 0
    assert (tmp_path / "data.h5.partial").is_file()


@pytest.mark.parametrize("block_bytes", [1, 36, 100, 1 << 20])
@pytest.mark.parametrize("shard_bytes", [None, 1, 700, 3000])
def test_any_sizes_give_the_same_store(tiny_csv, tmp_path, block_bytes, shard_bytes):
    """The same samples in the same order, and the batches of one file."""
    path = tmp_path / "data.h5"
    summary = seekless.pack(
        tiny_csv.root, path, block_bytes=block_bytes, shard_bytes=shard_bytes, workers=0, progress=False
    )
    store = seekless.open(path)
    assert store.header.fields["x"].block_length == max(1, min(block_bytes // 36, 130))
    assert len(store.shards) == summary.shards
    assert (f"  shards   {summary.shards}" in str(summary)) == bool(summary.shards)
    assert verify(path).bad == ()
    assert compare(store, tiny_csv.root, workers=0).equal
    seekless.pack(tiny_csv.root, tmp_path / "plain.h5", workers=0, progress=False)
    plain = seekless.open(tmp_path / "plain.h5")
    for name in ("x", "y", "key"):
        assert store[name].tobytes() == plain[name].tobytes()


def test_the_batches_of_shards_are_those_of_one_file(tiny_csv, tmp_path):
    how = {"test_fraction": 0.2, "compression": "zstd", "workers": 0, "progress": False}
    seekless.pack(tiny_csv.root, tmp_path / "one.h5", **how)
    seekless.pack(tiny_csv.root, tmp_path / "many.h5", shard_bytes=1500, **how)
    one, many = seekless.open(tmp_path / "one.h5"), seekless.open(tmp_path / "many.h5")
    assert many.shards
    for split in ("train", "test"):
        batches = [list(store.batches(16, split=split, seed=5)) for store in (one, many)]
        assert len(batches[0]) == len(batches[1])
        for found, expected in zip(*batches, strict=True):
            assert [array.tobytes() for array in found] == [array.tobytes() for array in expected]
