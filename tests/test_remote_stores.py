"""Stores that are reached by URL give the batches of a local copy, by few requests, and say what goes wrong."""

import errno
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest

import seekless
from seekless.errors import OptionError, StoreError, StoreFormatError, StoreNotFoundError
from seekless.store import front, objects
from seekless.store.describe import describe
from seekless.store.schema import Shard
from seekless.store.shards import _places
from seekless.store.verify import verify

pytest.importorskip("upath")

LENGTH = 311
HOW = {"block_bytes": 7 * 30, "test_fraction": 0.2}  # blocks of 7 samples
KINDS = {
    "plain.h5": {"compression": "none"},
    "zstd.h5": {"compression": "zstd"},
    "lz4.h5": {"compression": "lz4"},
    "gzip.h5": {"compression": "gzip"},
    "blosc2.h5": {"compression": "blosc2"},
    "sharded.h5": {"shard_bytes": 2000},
    "folder.npy.d": {"compression": "none"},
}


def arrays():
    x = np.random.default_rng(0).integers(0, 9, (LENGTH, 6, 5), dtype=np.uint8)
    return x, np.arange(LENGTH) * 7 % 4


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a store of each kind, one of which has grown."""
    folder = tmp_path_factory.mktemp("stores")
    for name, how in KINDS.items():
        seekless.write(folder / name, *arrays(), **HOW, **how)
    x, y = arrays()
    images = {"image": x, "depth": x[:, :2] * np.float32(0.1)}
    seekless.write(folder / "inputs.h5", images, y, sample_weight=y + 1.0, **HOW)
    source = tmp_path_factory.mktemp("source")
    for begin, end in ((0, 40), (40, 60)):
        for number in range(begin, end):
            np.savetxt(source / f"{number}.csv", [[number, 1]])
        (source / "target.csv").write_text("".join(f"{n},{n % 2}\n" for n in range(end)))
        seekless.pack(source, folder / "grown.h5", test_fraction=0.25, append=True, workers=0, progress=False)
    return folder


@pytest.fixture
def up(made, memory, copy):
    """The same stores in the memory of this process."""
    return copy(made, memory)


@pytest.fixture
def asked(memory, monkeypatch):
    """Every request to the memory of this process: what it was, and of which file."""
    found, kind = [], type(memory.fs)
    for name in ("info", "cat_file"):
        old = getattr(kind, name)

        def noted(system, path, *args, _old=old, _name=name, **options):
            found.append((_name, path.rsplit("/", 1)[-1]))
            return _old(system, path, *args, **options)

        monkeypatch.setattr(kind, name, noted)
    monkeypatch.setattr(objects, "WAIT", 0.0)
    return found


def same(one, other):
    one, other = (batch if isinstance(batch, tuple) else (batch,) for batch in (one, other))
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        pairs = [(mine[name], theirs[name]) for name in mine] if isinstance(mine, dict) else [(mine, theirs)]
        for found, expected in pairs:
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", [*KINDS, "inputs.h5", "grown.h5"])
def test_two_epochs_are_those_of_the_local_store(made, up, name):
    options = {"split": "train", "window_bytes": 2000, "cache_bytes": 0, "workers": 2}
    mine, theirs = (seekless.StoreSequence(place, 16, **options) for place in (str(up / name), made / name))
    assert len(mine) == len(theirs)
    for _ in range(2):
        for found, expected in zip(mine, theirs, strict=True):
            same(found, expected)


@pytest.mark.parametrize("name", ["zstd.h5", "sharded.h5", "folder.npy.d", "grown.h5"])
def test_a_bucket_gives_the_batches_of_the_local_store(made, bucket, copy, name):
    place = copy(made, bucket, name.split(".")[0]) / name  # with options of its own, which a URL has not
    for epoch in range(2):
        for shuffle in ("window", "full"):
            options = {"epoch": epoch, "shuffle": shuffle, "window_bytes": 2000}
            for found, expected in zip(
                seekless.batches(place, 16, **options), seekless.batches(made / name, 16, **options), strict=True
            ):
                same(found, expected)


def test_a_tensorflow_dataset_gives_the_batches_of_the_local_store(made, up):
    pytest.importorskip("tensorflow")
    mine, theirs = (seekless.StoreSequence(place / "sharded.h5", 16) for place in (up, made))
    for found, expected in zip(mine.to_tf_dataset().as_numpy_iterator(), theirs, strict=True):
        same(found, expected)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_torch_workers_give_the_batches_of_the_local_store(made, bucket, copy, workers):
    data = pytest.importorskip("torch.utils.data")
    place = copy(made, bucket, "zstd") / "zstd.h5"
    mine, theirs = (seekless.StoreSequence(one, 16, shuffle=False) for one in (place, made / "zstd.h5"))
    loader = data.DataLoader(mine.to_torch(), batch_size=None, num_workers=workers)
    for found, expected in zip(loader, theirs, strict=True):
        same(tuple(tensor.numpy() for tensor in found), expected)


@pytest.mark.parametrize("name", ["plain.h5", "sharded.h5", "folder.npy.d"])
def test_all_that_looks_at_a_store_takes_a_url(made, up, tmp_path, convert, name):
    mine, theirs = seekless.open(str(up / name)), seekless.open(made / name)
    assert (len(mine), mine.shape, mine.keys, mine.nbytes) == (len(theirs), theirs.shape, theirs.keys, theirs.nbytes)
    assert [path.name for path in mine.files] == [path.name for path in theirs.files]
    assert [path.name for path in mine.shards] == [path.name for path in theirs.shards]
    same(mine[17], theirs[17])
    same(mine[3:90], theirs[3:90])
    same(pickle.loads(pickle.dumps(mine))[200], theirs[200])
    found, expected = describe(mine), describe(theirs)
    assert (found.values, found.counts.tolist()) == (expected.values, expected.counts.tolist())
    assert "110 MB/s, assumed: it is reached over a network by memory" in str(found)
    assert convert("info", up / name)[0] == convert("verify", up / name)[0] == 0
    assert convert("preview", up / name, tmp_path / "a.png", "--count", 4)[0] == 0
    assert convert("shuffle", up / name, tmp_path / "a.h5")[0] == convert("shuffle", made / name, tmp_path / "b.h5")[0]
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_damage_is_found_by_verify(up):
    table = seekless.open(str(up / "plain.h5")).tables["x"]
    data = bytearray((up / "plain.h5").read_bytes())
    data[int(table.offset[3]) + 1] ^= 1
    (up / "plain.h5").write_bytes(bytes(data))
    assert [(bad.field, bad.block) for bad in verify(str(up / "plain.h5")).bad] == [("x", 3)]


def test_a_store_is_opened_and_read_by_few_requests(up, asked):
    store = seekless.open(str(up / "zstd.h5"))
    assert asked == [("info", "zstd.h5"), ("cat_file", "zstd.h5")]
    asked.clear()
    assert sum(len(x) for x, _ in store.batches(32)) == LENGTH
    assert asked == [("cat_file", "zstd.h5")] * 2  # 45 blocks of x by one, and y
    sharded = seekless.open(str(up / "sharded.h5"))
    asked.clear()
    sequence = seekless.StoreSequence(sharded, 32)
    for _ in range(2):
        assert sum(len(x) for x, _ in sequence) == LENGTH
    shards = len(sharded.shards)
    kinds = [kind for kind, _ in asked]
    # Of x and of y of each shard; the second epoch is kept in memory, and asks whether it still holds.
    assert (kinds.count("cat_file"), kinds.count("info")) == (2 * shards, shards)


def test_a_large_front_is_read_by_few_requests(up, asked, monkeypatch):
    expected = seekless.open(str(up / "plain.h5")).tables["x"].crc
    monkeypatch.setattr("seekless.store.front.FIRST_BYTES", 100)
    asked.clear()
    assert (seekless.open(str(up / "plain.h5")).tables["x"].crc == expected).all()
    assert 2 <= asked.count(("cat_file", "plain.h5")) <= 8  # 100 bytes, four times as many each time
    monkeypatch.setattr("seekless.store.front.MOST_BYTES", 0)
    with pytest.raises(StoreFormatError, match="found a damaged or truncated file"):
        seekless.open(str(up / "plain.h5"))  # as if damaged: what lies further back is no front
    monkeypatch.setattr("seekless.store.front.MOST_SHARE", 1)
    assert (seekless.open(str(up / "plain.h5")).tables["x"].crc == expected).all()


@pytest.mark.parametrize("what", ["no folder", "full"])
def test_a_front_without_room_for_a_copy_is_told(up, asked, monkeypatch, what):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if what == "full":
        monkeypatch.setattr(front, "open", full, raising=False)
    else:
        monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with pytest.raises(StoreError, match=r"plain\.h5: found no room for a copy of its first bytes .* set TMPDIR"):
        seekless.open(str(up / "plain.h5"))
    assert len(asked) == 2


def test_no_more_is_read_of_what_says_that_it_is_something_else(memory, asked, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros(5 << 20, np.uint8)
    (memory / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes())
    asked.clear()
    with pytest.raises(StoreFormatError, match=r"a\.h5: found an HDF5 file of another program"):
        seekless.open(str(memory / "a.h5"))
    assert asked == [("info", "a.h5"), ("cat_file", "a.h5")]


def test_blocks_longer_than_a_request_are_put_together(made, up, asked, monkeypatch):
    store = seekless.open(str(up / "plain.h5"))
    monkeypatch.setattr("seekless.store.remote_blocks.REQUEST_BYTES", 64)
    asked.clear()
    same((store.read("x", 0, LENGTH),), (seekless.open(made / "plain.h5").read("x", 0, LENGTH),))
    assert len(asked) == 45 * 4  # 210 bytes each


def test_how_it_is_read_is_said_and_pread_refused(up):
    sequence = seekless.StoreSequence(str(up / "plain.h5"), 16)
    assert "remote: by memory, up to 64 MiB asked for at a time, by 1 requests of up to 8 MiB" in str(
        sequence.describe()
    )
    with pytest.raises(OptionError, match=r"reader: found 'pread' for memory://.*, which is reached by URL, expected"):
        seekless.StoreSequence(str(up / "plain.h5"), 16, reader="pread")
    with pytest.raises(OptionError, match="reader: found 'map', expected 'auto', 'pread' or 'direct'"):
        seekless.StoreSequence(str(up / "plain.h5"), 16, reader="map")


def replacement(made, tmp_path):
    x, y = arrays()
    seekless.write(tmp_path / "other.h5", x ^ 1, y, **HOW)
    return (tmp_path / "other.h5").read_bytes()


@pytest.mark.parametrize("kept", [None, 0], ids=["kept", "read again"])
@pytest.mark.parametrize("kind", ["verified", "never"])
def test_an_object_that_is_replaced_is_noticed(made, up, tmp_path, kept, kind):
    verified = {"verified": "first-epoch", "never": "never"}[kind]
    place = up / "plain.h5"
    sequence = seekless.StoreSequence(str(place), 16, cache_bytes=kept, verify=verified)
    assert len(list(sequence)) == 20
    place.write_bytes(replacement(made, tmp_path))
    message = {
        "verified": r"plain\.h5: block \d+ of x: found another object than the one that was opened, .* open the store",
        "never": r"plain\.h5: found another file than the one that was read first",
    }[kind]
    with pytest.raises(StoreFormatError, match=message):
        list(sequence)
    place.write_bytes((made / "plain.h5").read_bytes())  # the same content is no harm
    assert kind == "never" or len(list(sequence)) == 20


def test_an_object_that_is_cut_short_or_gone_is_told(up, asked):
    place = up / "plain.h5"
    store = seekless.open(str(place))
    place.write_bytes(place.read_bytes()[:70_000])
    with pytest.raises(StoreFormatError, match=r"plain\.h5: block \d of x: found \d+ bytes in answer to a request for"):
        list(store.batches(16))
    place.unlink()
    asked.clear()
    with pytest.raises(FileNotFoundError, match=r"plain\.h5: block 0 of x cannot be read: FileNotFoundError"):
        list(store.batches(16, shuffle=False))
    assert [kind for kind, _ in asked].count("cat_file") == 1  # it would not come back
    with pytest.raises(StoreNotFoundError, match=r"plain\.h5: found no such object"):
        seekless.open(str(place))


@pytest.mark.parametrize("times", [2, 99])
def test_a_lost_connection_is_tried_again_and_then_told(made, up, memory, asked, monkeypatch, times):
    store, kind = seekless.open(str(up / "zstd.h5")), type(memory.fs)
    read, left = kind.cat_file, [times]

    def broken(system, *args, **options):
        left[0] -= 1
        if left[0] >= 0:
            raise ConnectionResetError(104, "Connection reset by peer")
        return read(system, *args, **options)

    monkeypatch.setattr(kind, "cat_file", broken)
    if times == 2:
        same((store["x"],), (seekless.open(made / "zstd.h5")["x"],))
        return
    with pytest.raises(OSError, match=r"zstd\.h5: block 0 of x cannot be read: ConnectionResetError: Connection reset"):
        list(store.batches(16, shuffle=False))
    assert left == [times - objects.TRIES]
    with pytest.raises(StoreError, match=r"zstd\.h5: found that it cannot be read \(ConnectionResetError: Conn"):
        seekless.open(str(up / "zstd.h5"))


LOSING = """
import sys
from upath import UPath
import seekless
from seekless.errors import StoreError
from seekless.store import front, objects

place = UPath("memory://lost/plain.h5")
place.parent.mkdir(parents=True, exist_ok=True)
place.write_bytes(open(sys.argv[1], "rb").read())
kind, read = type(place.fs), type(place.fs).cat_file

def late(system, path, start, end):
    if start > 3000:
        raise ConnectionResetError(104, "Connection reset by peer")
    return read(system, path, start=start, end=end)

kind.cat_file, objects.WAIT, front.FIRST_BYTES = late, 0.0, 100
for _ in range(3):
    try:
        seekless.open(str(place))
    except StoreError as error:
        print(error, flush=True)
"""


def test_a_connection_that_is_lost_while_hdf5_reads_is_told(made):
    """In a process of its own: an error that is raised through HDF5 crashes it at its end."""
    done = subprocess.run(
        [sys.executable, "-c", LOSING, made / "plain.h5"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert len(told) == 3
    assert all("plain.h5: found that it cannot be read (ConnectionResetError: Conn" in line for line in told)


def test_an_object_that_may_not_be_read_is_told(up, memory, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Access Denied")

    monkeypatch.setattr(type(memory.fs), "info", refused)
    with pytest.raises(
        StoreError, match=r"plain\.h5: found that it cannot be reached \(PermissionError: Access Denied"
    ):
        seekless.open(str(up / "plain.h5"))


def test_a_shard_that_is_missing_or_elsewhere_is_told(up, made):
    shard = seekless.open(str(up / "sharded.h5")).shards[1]
    data = shard.read_bytes()
    shard.write_bytes(data[:-1])
    with pytest.raises(StoreFormatError, match=rf"found {len(data) - 1} bytes, expected {len(data)} for this shard"):
        seekless.open(str(up / "sharded.h5"))
    shard.unlink()
    with pytest.raises(StoreFormatError, match=r"found no such file, expected a shard of memory://.*sharded\.h5"):
        seekless.open(str(up / "sharded.h5"))


def test_a_shard_that_is_a_url_itself_is_refused(memory):
    with pytest.raises(StoreFormatError, match=r"found a shard named 's3://b/c\.h5', expected one in the folder"):
        _places(memory / "a.h5", [Shard("s3://b/c.h5", 1, 1, 1)])


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.h5", b"", "found an empty file"),
        ("a.h5", b"x" * 5000, "found no HDF5 file"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 5000, "found a damaged or truncated file"),
        ("a.npy.d/store.json", b"{", "found text that is no description of a store"),
        ("a/b", b"", "found a folder, expected an .h5 file or a folder whose name ends in .npy.d"),
    ],
    ids=["empty", "another", "damaged", "description", "folder"],
)
def test_what_is_no_store_is_told(memory, name, data, message):
    (memory / name).parent.mkdir(parents=True, exist_ok=True)
    (memory / name).write_bytes(data)
    with pytest.raises(StoreFormatError, match=message):
        seekless.open(str(memory / name.split("/")[0]))


def test_a_store_is_not_written_to_a_url(made, memory, convert, write):
    data = write({"train/1.csv": "1 2", "train/2.csv": "3 4", "target.csv": "1,0\n2,1\n"})
    calls = [
        partial(seekless.pack, data, f"{memory}/a.h5", progress=False),
        partial(seekless.pack, data, f"{memory}/a.h5", append=True, progress=False),
        partial(seekless.write, memory / "a.h5", *arrays()),
    ]
    for call in calls:
        with pytest.raises(
            OptionError, match=r"memory://.*a\.h5: found a URL to write to, expected a path: .* copied up"
        ):
            call()
    for arguments in (
        ("shuffle", made / "plain.h5", f"{memory}/a.h5"),
        ("merge", made / "plain.h5", made / "zstd.h5", f"{memory}/a.h5", "--prefix"),
        ("extract", made / "plain.h5", f"{memory}/a"),
        ("preview", made / "plain.h5", f"{memory}/a.png"),
    ):
        code, out, err = convert(*arguments)
        assert (code, out, "found a URL to write to, expected a path" in err) == (2, "", True)
    assert list(memory.iterdir()) == []


# A process of its own: a fork of one with threads, of which tests before this one leave some, can hang.
FORKING = """
import json, multiprocessing, sys, warnings
from upath import UPath
import seekless

def total(answer):
    answer.put(sum(float(x.sum()) for x, _ in store.batches(16)))

address, options = sys.argv[1], json.loads(sys.argv[2])
store = seekless.open(UPath(address, **options))
expected = sum(float(x.sum()) for x, _ in store.batches(16))  # fsspec's thread runs here from now on
warnings.simplefilter("ignore", DeprecationWarning)
context = multiprocessing.get_context("fork")
answer = context.Queue()
process = context.Process(target=total, args=(answer,))
process.start()
assert answer.get(timeout=60) == expected
process.join()
assert process.exitcode == 0
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_a_fork_reads_by_connections_of_its_own(made, bucket, copy):
    store = copy(made, bucket, "zstd") / "zstd.h5"
    options = json.dumps(dict(store.storage_options))
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(store), options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def plain_server(made):
    """The address of a server that knows no ranges: it always sends the whole file."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(made))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_server_that_knows_no_ranges_is_told(plain_server, monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(objects, "WAIT", 0.0)
    store = seekless.open(f"{plain_server}/plain.h5")  # shorter than what is asked for at its front
    with pytest.raises(StoreFormatError, match=r"expected \d+; the object was cut short after it was opened, or its"):
        store.read("x", 0, LENGTH)
    monkeypatch.setattr("seekless.store.front.FIRST_BYTES", 4096)
    with pytest.raises(
        StoreError, match=r"plain\.h5: found that it cannot be read .* in answer to a request for 4096\)"
    ):
        seekless.open(f"{plain_server}/plain.h5")
    with pytest.raises(StoreNotFoundError, match=r"none\.h5: found no such object"):
        seekless.open(f"{plain_server}/none.h5")
    with pytest.raises(StoreError, match=r"found that it cannot be reached \(FileNotFoundError"):
        seekless.open("http://127.0.0.1:9/a.h5")
