"""An open store: its parts, and its samples by number, as the source had them."""

import itertools
import os
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seekless
from seekless.errors import OptionError, StoreFormatError, StoreNotFoundError

KEYS = [f"train/{number:02d}.csv" for number in range(11)]


@pytest.fixture
def store(made) -> seekless.Store:
    return seekless.open(made)


@pytest.fixture
def bare(tmp_path, write_store) -> seekless.Store:
    """A store without targets, class names, parts; in the source's order."""
    write_store(tmp_path / "bare.h5", {"x": np.arange(5, dtype="f4")}, {"x": 2}, shuffled=False)
    return seekless.open(str(tmp_path / "bare.h5"))


def test_what_it_says(store, made):
    assert len(store) == 11
    assert store.path == made
    assert store.fields == ("x", "y", "key")
    assert store.shape == (11, 3, 2)
    assert store.dtype == np.float64
    assert store.class_names == ("a", "bc", "é", "d")
    assert store.keys == KEYS


def test_what_it_says_without_targets(bare):
    assert bare.fields == ("x",)
    assert bare.shape == (5,)
    assert bare.dtype == np.float32
    assert bare.class_names is None


def test_as_text(store, bare, made):
    assert repr(store) == (
        f"Store({str(made)!r}: 11 samples of shape (3, 2) float64 stored as uint8 / 255, not compressed, "
        "4 blocks, 4 classes, shuffled with seed 7)"
    )
    assert repr(bare).endswith(
        "bare.h5': 5 samples of shape () float32 stored as float32, not compressed, 3 blocks, in the source's order)"
    )


@pytest.mark.parametrize("index", [0, 2, 3, 10, -1, -11, np.int64(4), True])
def test_one_sample(store, digits, index):
    x, y = store[index]
    assert x.dtype == np.float64
    assert x.tobytes() == (digits["x"][int(index)] / 255).tobytes()
    assert y == digits["y"][int(index)]
    assert y.dtype == np.int64


@pytest.mark.parametrize(
    "part",
    [slice(None), slice(0, 3), slice(2, 7), slice(-4, None), slice(5, 5), slice(7, 2), slice(3, 99), slice(99, None)],
    ids=str,
)
def test_a_slice(store, digits, part):
    x, y = store[part]
    assert x.dtype == np.float64
    assert (x.shape, x.tobytes()) == (digits["x"][part].shape, (digits["x"][part] / 255).tobytes())
    assert y.tolist() == digits["y"][part].tolist()


def test_a_whole_field_as_the_source_had_it(store, digits):
    assert store["x"].tobytes() == (digits["x"] / 255).tobytes()
    assert store["y"].tolist() == digits["y"].tolist()
    assert store["key"].tolist() == [key.encode() for key in KEYS]


def test_without_targets_there_is_x_alone(bare):
    assert bare[1] == 1
    assert bare[1].dtype == np.float32
    assert bare[1:3].tolist() == [1, 2]


@pytest.mark.parametrize("index", [11, -12, 10**30])
def test_a_sample_that_is_not_there(store, index):
    with pytest.raises(IndexError, match=rf"found sample {index}, expected 0 to 10"):
        store[index]


def test_a_sample_must_be_named_by_an_integer(store):
    with pytest.raises(TypeError, match="float"):
        store[1.0]


def test_iteration_ends(bare):
    assert [float(x) for x in bare] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("step", [2, -1])
def test_steps_are_refused(store, step):
    with pytest.raises(OptionError, match=rf"found step {step}, expected 1; read the slice and thin it out"):
        store[::step]


@pytest.mark.parametrize("name", ["z", "_blocks", ""])
def test_a_field_that_is_not_there(store, name):
    for read in (lambda: store[name], lambda: store.reader(name), lambda: store.read(name, 0, 1)):
        with pytest.raises(OptionError, match=rf"made\.h5: found no field '{name}', expected one of x, y, key"):
            read()


def test_read_gives_what_is_stored(store, digits):
    assert store.read("x", 2, 7).tobytes() == digits["x"][2:7].tobytes()
    assert store.reader("x").read([(9, 11), (0, 1)]).tobytes() == digits["x"][[9, 10, 0]].tobytes()


@pytest.mark.parametrize(("start", "stop"), [(0, 12), (-1, 3), (5, 4), (11, 12)])
def test_read_gives_no_padding(store, start, stop):
    with pytest.raises(IndexError, match=rf"made\.h5: found samples {start} to {stop}, expected 0 to 11"):
        store.read("x", start, stop)


@given(
    length=st.sampled_from([1, 2, 3, 7, 10, 64, 999, 60_000]),
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
)
@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_parts_do_not_overlap_and_cover_the_store(store, length, weights):
    sized = seekless.Store(store.path, _of_length(store.header, length), store.tables)
    parts = [sized.part(split) for split in sized.split(*(weight / sum(weights) for weight in weights))]
    assert len(parts) == len(weights)
    assert parts[0][0] == 0
    assert parts[-1][1] == length
    assert all(one[1] == other[0] for one, other in itertools.pairwise(parts))
    assert all(start <= stop for start, stop in parts)


def _of_length(header, length):
    from dataclasses import replace

    return replace(header, length=length)


def test_split(store):
    assert store.split(0.8, 0.1, 0.1) == ((0.0, 0.8), (0.8, 0.9), (0.9, 1.0))
    assert store.split(1) == ((0.0, 1.0),)
    assert [store.part(split) for split in store.split(0.8, 0.1, 0.1)] == [(0, 9), (9, 10), (10, 11)]
    for split in store.split(0.5, 0.5 + 5e-10, 0):  # a sum as near to 1 as is taken
        store.part(split)


@pytest.mark.parametrize("fractions", [(0.5, 0.6), (), (2, -1)], ids=str)
def test_a_split_must_add_up(store, fractions):
    with pytest.raises(OptionError, match="expected numbers from 0 to 1 whose sum is 1"):
        store.split(*fractions)


@pytest.mark.parametrize(
    ("split", "part"),
    [
        (None, (0, 11)),
        ("train", (0, 9)),
        ("test", (9, 11)),
        ((0.0, 1.0), (0, 11)),
        ((0.0, 0.9), (0, 10)),
        ((0.9, 1.0), (10, 11)),
        ((0.5, 0.5), (6, 6)),
        ((0, 1), (0, 11)),
    ],
    ids=str,
)
def test_a_part(store, split, part):
    assert store.part(split) == part


def test_recorded_parts_are_the_first_and_the_last(store):
    from dataclasses import replace

    three = seekless.Store(store.path, replace(store.header, boundaries=(5, 8, 11)), store.tables)
    assert three.part("train") == (0, 5)
    assert three.part("test") == (8, 11)


@pytest.mark.parametrize(
    "split", ["all", 0.9, (0.9, 0.1), (0.0, 1.1), (-0.1, 1.0), (0.1,), (0.0, 0.5, 1.0), (0.0, float("nan"))], ids=str
)
def test_another_part_is_refused(store, split):
    with pytest.raises(OptionError, match=r"split: found .*, expected 'train', 'test' or two fractions such as"):
        store.part(split)


@pytest.mark.parametrize("split", ["train", "test"])
def test_parts_that_were_not_recorded(bare, split):
    message = (
        rf"split='{split}': found no recorded parts in .*bare\.h5, expected a store converted with --test-fraction"
    )
    with pytest.raises(OptionError, match=message):
        bare.part(split)


def test_it_pickles(store, digits):
    other = pickle.loads(pickle.dumps(store))
    assert repr(other) == repr(store)
    assert (other["x"] == digits["x"] / 255).all()
    assert other.keys == KEYS


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_it_keeps_no_open_file(made):
    def open_files():
        return sorted(os.listdir("/proc/self/fd"))

    before = open_files()
    store = seekless.open(made)
    _ = store[0], store[2:9], store["y"], store.keys, repr(store)
    reader = store.reader("x")
    reader.read([(0, 11)])
    assert open_files() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_it_works_after_a_fork(store, digits):
    reader = store.reader("x")
    reader.read([(0, 2)])
    child = os.fork()
    if not child:
        os._exit(0 if (reader.read([(0, 11)]) == digits["x"]).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_file_replaced_after_opening_is_found(store, made, tmp_path, write_store, digits):
    digits["x"] = digits["x"][::-1].copy()
    write_store(tmp_path / "other.h5", digits, {"x": 3, "y": 6, "key": 10}, class_names=("a", "bc", "é", "d"))
    shutil.move(tmp_path / "other.h5", made)
    with pytest.raises(StoreFormatError, match=r"made\.h5: block 0 of x is damaged"):
        store["x"]


def test_a_file_cut_short_after_opening_is_found(store, made):
    os.truncate(made, 160_000)
    store.read("x", 0, 9)
    with pytest.raises(StoreFormatError, match=r"block \d+ of x: found the end of the file .* cut short after it was"):
        store["x"]


def test_a_file_gone_after_opening(store, made):
    made.unlink()
    with pytest.raises(FileNotFoundError, match=r"made\.h5"):
        store[0]


def test_no_such_store(tmp_path):
    with pytest.raises(
        StoreNotFoundError, match=r"none\.h5: found no such file, expected a store; `convert csv-to-h5`"
    ):
        seekless.open(tmp_path / "none.h5")


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(
        StoreFormatError, match=r"found a folder without store\.json, expected a store, an \.h5 file or"
    ):
        seekless.open(tmp_path)


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "text.h5").write_text("no store")
    with pytest.raises(StoreFormatError, match=r"text\.h5: found no HDF5 file"):
        seekless.open(tmp_path / "text.h5")


def test_batches_are_the_loaders(store, digits):
    found = list(store.batches(4, shuffle=False, dtype="float64"))
    assert [len(x) for x, _ in found] == [4, 4, 3]
    assert np.concatenate([y for _, y in found]).tolist() == digits["y"].tolist()
    assert np.concatenate([x for x, _ in found]).tobytes() == (digits["x"] / 255).tobytes()


def test_shards_codec_and_loss_as_text(tmp_path, write_sharded):
    path = tmp_path / "data.h5"
    x = np.zeros((40, 500), np.float16)
    write_sharded(
        path, {"x": x}, {"x": 4}, 5, codec="gzip", logical=np.float64, options={"lossy": True}, shuffled=False
    )
    ratio = seekless.open(path).tables["x"].ratio
    assert ratio > 50
    assert repr(seekless.open(path)) == (
        f"Store({str(path)!r}: 40 samples of shape (500,) float64 stored as float16, values rounded, gzip {ratio:.2f} "
        "times smaller, 10 blocks in 2 shards, in the source's order)"
    )


def test_the_shards_of_a_store(made, made_npy, tmp_path, write_sharded):
    assert seekless.open(made).shards == seekless.open(made_npy).shards == ()
    files = write_sharded(tmp_path / "many.h5", {"x": np.zeros((9, 2), np.uint8)}, {"x": 1}, 3)
    assert seekless.open(tmp_path / "many.h5").shards == tuple(files)
