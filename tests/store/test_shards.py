"""A store in shards is the same store; each shard is one by itself; what is missing or not the one is refused."""

import hashlib
import os
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seekless
from seekless.errors import StoreFormatError
from seekless.store.encoding import Encoding
from seekless.store.kinds import looks_like_a_store
from seekless.store.schema import Field, Header, Shard
from seekless.store.shards import listed_shards, shard_edges, shard_header, shard_id, shards_folder
from seekless.store.verify import verify

X = (np.arange(70 * 40) // 9 % 256).astype(np.uint8).reshape(70, 40)
ARRAYS = {"x": X, "y": np.arange(70) * 3 % 7, "key": np.array([f"k{number:03d}".encode() for number in range(70)])}


@pytest.fixture(params=["none", "gzip"])
def both(request, tmp_path, write_store, write_sharded):
    """The same samples as one file and in shards of 24 samples, the last of 22."""
    how = {"codec": request.param, "target_kind": "class", "class_count": 7, "boundaries": (60, 70)}
    write_store(tmp_path / "one.h5", ARRAYS, {"x": 4}, **how)
    files = write_sharded(tmp_path / "many.h5", ARRAYS, {"x": 4}, 6, **how)
    assert len(files) == 3
    return tmp_path / "one.h5", tmp_path / "many.h5", files


def test_all_that_is_read_is_the_same(both):
    one, many = (seekless.open(path) for path in both[:2])
    assert len(one) == len(many)
    assert one.keys == many.keys
    assert (one.shape, one.dtype, one.fields) == (many.shape, many.dtype, many.fields)
    for name in ("x", "y", "key"):
        assert one[name].tobytes() == many[name].tobytes()
        assert one[name].dtype == many[name].dtype
    for start, stop in [(0, 0), (0, 1), (23, 25), (20, 60), (69, 70), (0, 70)]:
        for found, expected in zip(many[start:stop], one[start:stop], strict=True):
            assert found.tobytes() == expected.tobytes()
    ranges = [(60, 70), (22, 26), (0, 2), (47, 49)]
    assert many.reader("x").read(ranges).tobytes() == one.reader("x").read(ranges).tobytes()
    assert many.part("test") == one.part("test") == (60, 70)
    one_header, many_header = one.header, many.header
    for name in ("length", "shuffled", "seed", "boundaries", "target_kind", "class_count", "options"):
        assert getattr(one_header, name) == getattr(many_header, name)


@pytest.mark.parametrize("shuffle", ["window", False])
def test_batches_are_the_same(both, shuffle):
    one, many = (list(seekless.open(path).batches(9, shuffle=shuffle, seed=3)) for path in both[:2])
    assert len(one) == len(many) == 8
    for found, expected in zip(many, one, strict=True):
        assert [array.tobytes() for array in found] == [array.tobytes() for array in expected]


def test_the_blocks_are_those_of_the_shards(both):
    _, many, files = both
    tables = seekless.open(many).tables
    assert tables["x"].paths == tables["y"].paths == tuple(files)
    assert tables["x"].first.tolist() == [*range(0, 70, 4), 70]
    assert tables["x"].file.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert tables["y"].first.tolist() == tables["key"].first.tolist() == [0, 24, 48, 70]
    assert tables["x"].path(7) == files[1]
    assert seekless.open(many).files == (many, *files)
    assert seekless.open(many).nbytes == sum(path.stat().st_size for path in (many, *files))


def test_each_shard_is_a_store_by_itself(both):
    _, many, files = both
    assert listed_shards(many) == tuple(f"many-shards/{file.name}" for file in files)
    assert listed_shards(files[0]) == ()
    for file, (start, stop) in zip(files, [(0, 24), (24, 48), (48, 70)], strict=True):
        shard = seekless.open(file)
        assert looks_like_a_store(file)
        assert len(shard) == stop - start
        assert (shard["x"] == X[start:stop]).all()
        assert shard.keys == [f"k{number:03d}" for number in range(start, stop)]
        assert shard.header.boundaries == ()
        assert shard.header.class_count == 7
        assert verify(file).bad == ()


def test_the_folder_as_a_whole_may_be_moved(both, tmp_path, monkeypatch):
    _, many, _ = both
    (tmp_path / "new" / "place").mkdir(parents=True)
    os.replace(many, tmp_path / "new" / "place" / "many.h5")
    os.replace(tmp_path / "many-shards", tmp_path / "new" / "place" / "many-shards")
    assert (seekless.open(tmp_path / "new" / "place" / "many.h5")["x"] == X).all()
    monkeypatch.chdir(tmp_path / "new")
    assert (seekless.open("place/many.h5")["x"] == X).all()
    with h5py.File("place/many.h5") as file:
        assert (file["x"][...] == X).all()
    monkeypatch.chdir("place")
    assert (seekless.open("many.h5")["x"] == X).all()


def test_the_index_may_be_renamed(both, tmp_path):
    _, many, _ = both
    os.replace(many, tmp_path / "other.h5")
    assert (seekless.open(tmp_path / "other.h5")["x"] == X).all()


def missing(files):
    files[1].unlink()


def missing_folder(files):
    shutil.rmtree(files[0].parent)


def swapped(files):
    for old, new in ((0, "aside"), (1, files[0].name), ("aside", files[1].name)):
        at = files[0].with_name("aside") if old == "aside" else files[old]
        os.replace(at, at.with_name(new))


def truncated(files):
    os.truncate(files[1], files[1].stat().st_size - 1)


def emptied(files):
    files[1].write_bytes(b"")


def a_folder(files):
    files[1].unlink()
    files[1].mkdir()


def another(files):
    shutil.copy(files[0], files[1])


def noise(files):
    files[1].write_bytes(np.random.default_rng(1).bytes(files[1].stat().st_size))


def changed_outside_its_blocks(files):
    with h5py.File(files[1], "r+") as file:
        file["x"].attrs["divisor"] = np.int64(254)


SPOILT = {
    "missing": (
        missing,
        r"00001\.h5: found no such file, expected a shard of .*many\.h5; move or copy many\.h5 together",
    ),
    "all missing": (missing_folder, r"00000\.h5: found no such file, .* together with the folder many-shards"),
    "swapped": (swapped, r"0000.\.h5: found another store than the shard that .*many\.h5 was written with"),
    "truncated": (truncated, r"00001\.h5: found \d+ bytes, expected \d+ for this shard of .*many\.h5"),
    "emptied": (emptied, r"00001\.h5: found 0 bytes, expected \d+ for this shard"),
    "a folder": (a_folder, r"00001\.h5: found a folder, expected this shard of .*many\.h5"),
    "another": (another, r"00001\.h5: found (another store than the shard|\d+ bytes, expected)"),
    "noise": (noise, r"00001\.h5: found no HDF5 file"),
    "changed": (
        changed_outside_its_blocks,
        r"00001\.h5: found (checksum \w{8} of everything outside|\d+ bytes, expected)",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT)
def test_a_shard_that_is_not_the_one_is_refused(both, spoil, message):
    _, many, files = both
    spoil(files)
    with pytest.raises(StoreFormatError, match=message):
        seekless.open(many)


def test_a_shard_of_the_same_size_from_another_run_is_refused(tmp_path, write_sharded):
    files = write_sharded(tmp_path / "many.h5", ARRAYS, {"x": 4}, 6)
    changed = {**ARRAYS, "x": X ^ 1}
    others = write_sharded(tmp_path / "other.h5", changed, {"x": 4}, 6)
    assert others[1].stat().st_size == files[1].stat().st_size
    os.replace(others[1], files[1])
    with pytest.raises(StoreFormatError, match=r"00001\.h5: found another store than the shard that .*many\.h5 was"):
        seekless.open(tmp_path / "many.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file["_shards/length"].write_direct(np.array([24, 24, 23])), "found that x lies in"),
        (lambda file: file.attrs.modify("length", np.int64(69)), "found 70 samples in x, expected 69"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(both, change, message):
    with h5py.File(both[1], "r+") as file:
        change(file)
    with pytest.raises(StoreFormatError, match=rf"many\.h5: {message}"):
        seekless.open(both[1])


def test_a_shard_of_other_fields_is_refused(both, write_store, tmp_path):
    """Its size and checksum are in the list, so only the store of somebody who means harm gets that far."""
    from seekless.store.front import opened
    from seekless.store.shards import _read_shard, shard_of

    write_store(tmp_path / "wide.h5", {**ARRAYS, "x": np.zeros((70, 41), np.uint8)}, {"x": 4})
    shard = shard_of(tmp_path / "wide.h5", "wide.h5")
    header = seekless.open(both[0]).header
    raws = iter([opened(tmp_path / "wide.h5")])
    with pytest.raises(StoreFormatError, match=r"wide\.h5: found another x than .*one\.h5 tells of, expected that one"):
        _read_shard(both[0], tmp_path / "wide.h5", header, shard, raws)


def test_no_file_stays_open(both):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    before = sorted(os.listdir("/proc/self/fd"))
    seekless.open(both[1])["x"]
    both[2][2].unlink()
    with pytest.raises(StoreFormatError, match="found no such file"):
        seekless.open(both[1])
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_bad_block_of_a_shard_is_named(both):
    _, many, files = both
    table = seekless.open(many).tables["x"]
    for block in (7, 17):
        with open(table.path(block), "r+b") as file:
            file.seek(int(table.offset[block]))
            byte = file.read(1)[0]
            file.seek(int(table.offset[block]))
            file.write(bytes([byte ^ 1]))
    verdict = verify(many)
    found = [(bad.path, bad.field, bad.block, bad.start, bad.stop) for bad in verdict.bad]
    assert found == [(files[1], "x", 7, 28, 32), (files[2], "x", 17, 68, 70)]
    lines = str(verdict).splitlines()
    at = int(table.offset[7])
    assert lines[0].startswith(f"{files[1]}: block 7 of x (samples 28 to 31, byte {at}): found checksum ")
    assert lines[-1] == f"{many}: 2 of 24 blocks are damaged"
    with pytest.raises(StoreFormatError, match=r"00001\.h5: block 7 of x is damaged: found checksum"):
        seekless.open(many).read("x", 0, 70)


def test_the_same_arrays_give_the_same_bytes(tmp_path, write_sharded):
    sums = set()
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        files = write_sharded(tmp_path / folder / "many.h5", ARRAYS, {"x": 4}, 6, codec="zstd")
        paths = [tmp_path / folder / "many.h5", *files]
        sums.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths))
    assert len(sums) == 1


def sized(sample_bytes: int, block: int, length: int) -> Header:
    return Header(
        length,
        {"x": Field("x", (sample_bytes,), Encoding(np.dtype("u1"), np.dtype("u1")), block)},
        True,
        0,
        "by hand",
    )


@pytest.mark.parametrize(
    ("block", "length", "shard_bytes", "edges"),
    [
        (4, 40, 160, [0, 16, 32, 40]),
        (4, 40, 1, [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]),
        (4, 41, 1, [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 41]),
        (4, 43, 40, [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 43]),
        (4, 44, 400, [0, 40, 44]),
        (4, 41, 400, [0, 41]),
        (4, 40, 400, [0, 40]),
        (4, 40, 10**9, [0, 40]),
        (1, 1, 1, [0, 1]),
        (1, 3, 10, [0, 1, 2, 3]),
    ],
)
def test_where_shards_are_cut(block, length, shard_bytes, edges):
    assert shard_edges(sized(10, block, length), shard_bytes) == edges


@given(block=st.integers(1, 9), blocks=st.integers(1, 40), short=st.integers(0, 8), shard_bytes=st.integers(1, 3000))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_shards_are_whole_blocks_and_no_longer_than_asked(block, blocks, short, shard_bytes):
    length = max(block, block * blocks - min(short, block - 1))
    edges = shard_edges(sized(10, block, length), shard_bytes)
    lengths = np.diff(edges)
    assert (edges[0], edges[-1]) == (0, length)
    assert all(edge % block == 0 for edge in edges[:-1])
    assert (lengths >= block).all()
    assert (lengths[:-1] * 10 <= max(shard_bytes, block * 10)).all()
    assert lengths[-1] * 10 < max(shard_bytes, block * 10) + block * 10


def test_labels_lie_in_blocks_of_their_shard():
    header = sized(10, 4, 40)
    y = Field("y", (), Encoding(np.dtype("<i8"), np.dtype("<i8")), 40)
    whole = Header(40, {**header.fields, "y": y}, True, 0, "by hand", boundaries=(30, 40))
    own = shard_header(whole, 16)
    assert (own.length, own.boundaries) == (16, ())
    assert (own.fields["x"].block_length, own.fields["y"].block_length) == (4, 16)


def test_the_id_of_shards_follows_their_content():
    one = [Shard("a", 4, 100, 7), Shard("b", 3, 90, 8)]
    assert shard_id(one) == shard_id([Shard("c", 4, 100, 7), Shard("d", 3, 90, 8)])
    assert len(shard_id(one)) == 16
    ids = {shard_id(one), shard_id(one[::-1]), shard_id(one[:1]), shard_id([Shard("a", 4, 100, 9), one[1]])}
    assert len(ids) == 4


@pytest.mark.parametrize(("name", "folder"), [("data.h5", "data-shards"), ("a.b.h5", "a.b-shards")])
def test_the_folder_of_shards(tmp_path, name, folder):
    assert shards_folder(tmp_path / name) == folder


@st.composite
def spread(draw):
    block = draw(st.integers(1, 5))
    length = draw(st.integers(block, 40))
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
    return length, block, shape, draw(st.integers(1, 6)), draw(st.sampled_from(["none", "zstd", "gzip"]))


@given(case=spread())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_store_in_shards_holds_what_it_holds_in_one_file(write_store, write_sharded, tmp_path_factory, case):
    length, block, shape, shard_blocks, codec = case
    folder = tmp_path_factory.mktemp("spread")
    x = (np.arange(length * int(np.prod(shape))) // 3).astype("<u2").reshape(length, *shape)
    arrays = {"x": x, "key": np.arange(length).astype("S3")}
    write_store(folder / "one.h5", arrays, {"x": block}, codec=codec)
    files = write_sharded(folder / "many.h5", arrays, {"x": block}, shard_blocks, codec=codec)
    one, many = seekless.open(folder / "one.h5"), seekless.open(folder / "many.h5")
    for name in ("x", "key"):
        assert one[name].tobytes() == many[name].tobytes() == arrays[name].tobytes()
    assert verify(folder / "many.h5").blocks == len(many.tables["x"]) + len(files)
    with h5py.File(folder / "many.h5") as file:
        assert file["key"][...].tobytes() == arrays["key"].tobytes()
        if codec != "zstd":  # which needs a plugin
            assert file["x"][...].tobytes() == x.tobytes()
    shutil.rmtree(folder)
