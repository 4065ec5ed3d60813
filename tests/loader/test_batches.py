"""Batches of a store: every pair belongs together, each sample comes once, values are divided once."""

import errno
import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seekless
from seekless.errors import OptionError, StoreFormatError, StoreNotFoundError
from seekless.loader import targets as targets_module
from seekless.loader.batches import BatchMaker
from seekless.loader.options import BatchOptions
from seekless.loader.order import samples
from seekless.store import direct_blocks
from seekless.store.direct_blocks import can_read_directly


def maker(store, batch_size=32, **options) -> BatchMaker:
    return BatchMaker(store, BatchOptions(batch_size, **options))


def equal(one, other) -> bool:
    """Whether two lists of batches are the same bit for bit."""
    return same_arrays([array for batch in one for array in batch], [array for batch in other for array in batch])


def same_arrays(one, other) -> bool:
    """Whether two lists of arrays are the same bit for bit."""
    forms = [[(array.dtype, array.shape, array.tobytes()) for array in arrays] for arrays in (one, other)]
    return forms[0] == forms[1]


def joined(batches):
    """All x and all y of an epoch."""
    x, y = zip(*batches, strict=True)
    return np.concatenate(x), np.concatenate(y)


@pytest.mark.parametrize("window", [36, 36 * 20, 1 << 28], ids=["a sample", "20 samples", "whole store"])
@pytest.mark.parametrize("batch_size", [1, 7, 32, 130, 1000])
@pytest.mark.parametrize("shuffle", ["window", False], ids=str)
def test_an_epoch_holds_every_file_once_with_its_own_target(tiny_csv, tiny_store, shuffle, batch_size, window):
    file_of = {image.tobytes(): number for number, image in enumerate(tiny_csv.images)}
    found = []
    for x, y in seekless.batches(tiny_store, batch_size, shuffle=shuffle, seed=3, epoch=2, window_bytes=window):
        assert (x.dtype, x.shape) == (np.float32, (len(y), 6, 6))
        assert (y.dtype, y.shape) == (np.int64, (len(x),))
        numbers = [file_of[np.rint(sample * 255).astype(np.uint8).tobytes()] for sample in x]
        assert tiny_csv.labels[numbers].tolist() == y.tolist()
        found += numbers
    assert sorted(found) == list(range(len(file_of)))


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_past_the_page_cache_come_the_same_batches(monkeypatch, tmp_path, codec):
    monkeypatch.setattr(direct_blocks, "_set_plain", None)  # no other way
    x = np.random.default_rng(0).integers(0, 3, (300, 40, 40), dtype=np.uint8)
    seekless.write(tmp_path / "a.h5", x, np.arange(300), compression=codec, block_bytes=20_000)
    store = seekless.open(tmp_path / "a.h5")
    if not can_read_directly(store.path):
        pytest.skip("files here can only be read through the page cache")
    for window in (40_000, 1 << 28):
        epochs = [
            [*maker(store, 32, window_bytes=window, reader=reader).epoch(epoch)]
            for epoch in range(2)
            for reader in ("pread", "direct")
        ]
        assert equal(epochs[0], epochs[1])
        assert equal(epochs[2], epochs[3])


def test_a_shard_that_cannot_be_read_past_the_page_cache_is_read_through_it(monkeypatch, tmp_path):
    seekless.write(tmp_path / "a.h5", np.arange(30_000, dtype=np.int32).reshape(300, 100), shard_bytes=40_000)
    store, refused, real = seekless.open(tmp_path / "a.h5"), [], os.open
    if not can_read_directly(store.path):
        pytest.skip("files here can only be read through the page cache")

    def refusing(path, flags, *rest, **options):
        if flags & os.O_DIRECT and os.fspath(path) == os.fspath(store.shards[1]):
            refused.append(path)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)
    assert equal([*maker(store, reader="direct").epoch()], [*maker(store, reader="pread").epoch()])
    assert refused


def test_batches_follow_the_order_of_the_epoch(tiny_store):
    store = seekless.open(tiny_store)
    made = maker(store, 32, seed=5, window_bytes=36 * 20)
    x, y = store[:]
    for epoch in range(3):
        order = list(made.order(epoch).samples())
        assert equal([joined(made.epoch(epoch))], [(x[order].astype(np.float32), y[order])])
    assert made.order(0).windows > 7  # the first ones are small


@pytest.mark.parametrize(
    ("batch_size", "lengths"),
    [(1, [1] * 130), (64, [64, 64, 2]), (65, [65, 65]), (130, [130]), (131, [130]), (10**9, [130])],
    ids=["one", "short last", "even", "all", "more than all", "far more"],
)
def test_batches_are_full_but_the_last(tiny_store, batch_size, lengths):
    made = maker(seekless.open(tiny_store), batch_size, window_bytes=36 * 20)
    assert [len(x) for x, _ in made.epoch()] == lengths
    assert made.steps == len(lengths)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_options_each_sample_of_the_part_comes_once(numbered, data):
    first, last = sorted(data.draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    options = BatchOptions(
        batch_size=data.draw(st.integers(1, 500)),
        split=(first, last),
        shuffle=data.draw(st.sampled_from(["window", "batch", "full", False])),
        seed=data.draw(st.integers(0, 2**64 - 1)),
        window_bytes=data.draw(st.integers(1, 500 * 12)),
        dtype=None,
    )
    made, epoch = BatchMaker(numbered.store, options), data.draw(st.integers(0, 5))
    found = [number for batch in made.epoch(epoch) for number in numbered.numbers(batch)]
    assert found == list(samples(made.order(epoch)))
    assert sorted(found) == list(range(round(403 * first), round(403 * last)))


def test_another_epoch_and_another_seed_give_other_batches(tiny_store):
    first = list(seekless.batches(tiny_store, 130, seed=1, epoch=0))
    assert not equal(first, list(seekless.batches(tiny_store, 130, seed=1, epoch=1)))
    assert not equal(first, list(seekless.batches(tiny_store, 130, seed=2, epoch=0)))
    assert equal(first, list(seekless.batches(tiny_store, 130, seed=1)))


@pytest.mark.parametrize("window", [36 * 20, 1 << 28], ids=["windows", "one window"])
def test_the_same_epoch_read_twice_is_the_same(tiny_store, window):
    made = maker(seekless.open(tiny_store), 32, seed=1, window_bytes=window)
    epochs = [list(made.epoch(epoch)) for epoch in (0, 1, 0)]
    assert equal(epochs[0], epochs[2])
    assert not equal(epochs[0], epochs[1])


def test_a_batch_is_not_overwritten_by_a_later_one(tiny_store):
    kept, copies = [], []
    for x, y in seekless.batches(tiny_store, 16, window_bytes=36 * 20):
        kept.append((x, y))
        copies.append((x.copy(), y.copy()))
    assert equal(kept, copies)


def test_changing_a_batch_does_not_change_the_next_epoch(tiny_store):
    made = maker(seekless.open(tiny_store), 130, shuffle=False, dtype=None)
    (untouched,) = ((x.copy(), y.copy()) for x, y in made.epoch())
    for x, y in made.epoch():
        x[:], y[:] = 1, 1
    assert equal(list(made.epoch()), [untouched])


@pytest.mark.parametrize("window", [36 * 20, 1 << 28], ids=["windows", "one window"])
@pytest.mark.parametrize("shuffle", ["window", "batch", "full", False], ids=str)
def test_an_epoch_begun_later_is_the_tail_of_the_whole(tiny_store, shuffle, window):
    made = maker(seekless.open(tiny_store), 9, shuffle=shuffle, seed=1, window_bytes=window)
    whole = list(made.epoch(4))
    for step in range(made.steps + 2):
        assert equal(list(made.epoch(4, first_step=step)), whole[step:])


def test_another_process_makes_the_same_batch_without_those_before(tiny_store):
    code = (
        "import hashlib, seekless\n"
        "from seekless.loader.batches import BatchMaker\n"
        "from seekless.loader.options import BatchOptions\n"
        f"made = BatchMaker(seekless.open({str(tiny_store)!r}), BatchOptions(9, seed=8, window_bytes=720))\n"
        "x, y = next(made.epoch(3, first_step=6))\n"
        "print(hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    x, y = list(seekless.batches(tiny_store, 9, seed=8, epoch=3, window_bytes=720))[6]
    assert done.stdout.strip() == hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("stored", "top", "divisor", "scale"),
    [("u1", 255, 255, 1), ("u1", 255, 1, 255), ("u2", 65535, 65535, 1), ("u2", 65535, 1, 65535)],
    ids=["fractions of 255", "8-bit pictures", "fractions of 65535", "16-bit pictures"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_value_is_the_float64_value_rounded_once(make_store, stored, top, divisor, scale, dtype):
    values = np.arange(top + 1)
    store = make_store(values.astype(stored).reshape(-1, 16), divisor=divisor, scale=scale, logical="f8")
    ((x,),) = seekless.batches(store, top + 1, shuffle=False, dtype=dtype)
    assert x.dtype == dtype
    assert x.tobytes() == (values / top).astype(dtype).tobytes()


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(size=(20, 3)),
        np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32),
        np.random.default_rng(0).integers(-(2**40), 2**40, (20, 3)),
        np.random.default_rng(0).integers(0, 2, (20, 3)).astype(np.uint8),
        np.arange(20, dtype=np.int16),
    ],
    ids=["float64", "float32", "int64", "uint8", "one value a sample"],
)
def test_values_that_are_not_scaled_are_cast(make_store, x):
    ((batch,),) = seekless.batches(make_store(x), 20, shuffle=False)
    assert (batch.dtype, batch.shape) == (np.float32, x.shape)
    assert batch.tobytes() == x.astype(np.float32).tobytes()


def test_half_precision_holds_pictures_whose_divisor_it_cannot_hold(make_store):
    store = make_store(np.arange(65536, dtype=np.uint16), divisor=65535, logical="f8", block=4096)
    ((x,),) = seekless.batches(store, 65536, shuffle=False, dtype="float16")
    assert x.dtype == np.float16
    assert np.abs(x.astype(float) - np.arange(65536) / 65535).max() < 2**-11


@pytest.mark.parametrize("shuffle", ["window", False], ids=str)
def test_without_a_dtype_values_are_those_stored(tiny_store, shuffle):
    store = seekless.open(tiny_store)
    stored = store.read("x", 0, len(store))
    made = maker(store, 20, shuffle=shuffle, dtype=None, window_bytes=36 * 20)
    x, _ = joined(made.epoch(1))
    assert x.dtype == np.uint8
    assert x.tobytes() == stored[list(made.order(1).samples())].tobytes()


def test_one_hot_rows_say_the_class(tiny_store):
    numbers = [y for _, y in seekless.batches(tiny_store, 32)]
    for (_, row), number in zip(seekless.batches(tiny_store, 32, one_hot=True), numbers, strict=True):
        assert (row.dtype, row.shape) == (np.float32, (len(number), 10))
        assert row.argmax(axis=1).tolist() == number.tolist()
        assert (np.sort(row, axis=1) == [0] * 9 + [1]).all()


def test_one_hot_is_as_wide_as_the_stores_classes_whatever_the_part_holds(make_store):
    store = make_store(np.zeros((20, 2), np.uint8), np.array([0] * 10 + [6] * 10))
    ((_, y),) = seekless.batches(store, 20, split=(0.0, 0.5), one_hot=True)
    assert y.shape == (10, 7)


@pytest.mark.parametrize("shape", [(), (3,)], ids=["a number", "three outputs"])
def test_targets_that_are_numbers_come_as_they_are(make_store, shape):
    y = np.random.default_rng(1).normal(size=(40, *shape))
    store = make_store(np.arange(40, dtype=np.uint8), y, kind="number")
    for x, found in seekless.batches(store, 16):
        assert found.dtype == np.float64
        assert found.tobytes() == y[x.astype(int)].tobytes()


def test_a_store_without_targets_gives_x_alone(make_store):
    batches = list(seekless.batches(make_store(np.arange(40, dtype=np.uint8)), 16))
    assert {len(batch) for batch in batches} == {1}
    assert sorted(np.concatenate([x for (x,) in batches]).tolist()) == list(range(40))


def test_large_targets_are_read_by_window(monkeypatch, numbered):
    kept = list(maker(numbered.store, 50, window_bytes=numbered.window_bytes, dtype=None).epoch(1))
    monkeypatch.setattr(targets_module, "KEPT_BYTES", 403 * 8 - 1)
    made = maker(numbered.store, 50, window_bytes=numbered.window_bytes, dtype=None)
    assert equal(list(made.epoch(1)), kept)
    assert made._beside[0]._kept is None


SPLITS = {
    "two": [(0.0, 0.9), (0.9, 1.0)],
    "three": [(0.0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.0)],
    "an empty one": [(0.0, 0.001), (0.001, 1.0)],
    "recorded": ["train", "test"],
}


@pytest.mark.parametrize("parts", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("shuffle", ["window", False], ids=str)
def test_parts_are_disjoint_and_cover_the_store(make_store, parts, shuffle):
    store = make_store(np.arange(130, dtype=np.uint8), boundaries=(111, 130))
    found = [
        [int(v) for (x,) in store.batches(16, split=part, shuffle=shuffle, window_bytes=20) for v in x]
        for part in parts
    ]
    assert [sorted(numbers) for numbers in found] == [list(range(*store.part(part))) for part in parts]
    assert sorted(number for numbers in found for number in numbers) == list(range(130))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, "window"),
        ({"split": "train"}, "window"),
        ({"split": "test"}, False),
        ({"split": (0.9, 1.0)}, "window"),
        ({"split": "test", "shuffle": "window"}, "window"),
        ({"shuffle": False}, False),
    ],
    ids=["default", "train", "test", "fractions", "test, told", "told"],
)
def test_the_test_part_is_not_shuffled_unless_told(given, used):
    assert BatchOptions(**given).shuffle == used


def test_an_empty_part_has_no_batch(tiny_store, reading):
    made = maker(seekless.open(tiny_store), split=(0.5, 0.5))
    assert made.steps == 0
    assert list(made.epoch()) == []
    assert not reading()


def test_store_batches_are_seekless_batches(tiny_store):
    options = {"seed": 4, "epoch": 2, "one_hot": True, "window_bytes": 720, "split": (0.1, 0.8)}
    by_path = list(seekless.batches(str(tiny_store), 9, **options))
    assert equal(list(seekless.open(tiny_store).batches(9, **options)), by_path)
    assert equal(list(seekless.batches(seekless.open(tiny_store), 9, **options)), by_path)


WRONG = {
    "no batch": ({"batch_size": 0}, "batch_size: found 0, expected 1 or more"),
    "no window": ({"window_bytes": 0}, "window_bytes: found 0, expected 1 or more"),
    "shuffle": ({"shuffle": "ful"}, "shuffle: found 'ful', expected 'window', 'batch', 'full' or False"),
    "drop": ({"drop_remainder": "some"}, "drop_remainder: found 'some', expected True, False or 'uneven'"),
    "shuffle true": ({"shuffle": True}, "shuffle: found True, expected 'window', 'batch', 'full' or False"),
    "shard": ({"shard": 2}, r"shard: found 2, expected \(rank, ranks\), such as \(0, 2\)"),
    "no such rank": ({"shard": (2, 2)}, r"shard: found \(2, 2\), expected \(rank, ranks\) with a rank from 0"),
    "transform": ({"transform": 3}, r"transform: found 3, expected a function of \(x, y, rng\), or None"),
    "integer dtype": ({"dtype": "int8"}, "dtype: found 'int8', expected a float dtype, or None for the stored values"),
    "no dtype": ({"dtype": "flaot32"}, "dtype: found 'flaot32', expected a float dtype"),
    "split": ({"split": "val"}, "split: found 'val', expected 'train', 'test' or two fractions"),
    "no such part": ({"split": "test"}, "split='test': found no recorded parts in .*data.h5"),
    "verify": ({"verify": "daily"}, "verify: found 'daily', expected one of first-epoch, always, never"),
    "map": ({"reader": "map"}, "reader: found 'map', expected 'auto', 'pread' or 'direct': a file that is cut"),
    "reader": ({"reader": "mmap"}, "reader: found 'mmap', expected one of auto, pread"),
    "cache": ({"cache_bytes": -1}, "cache_bytes: found -1, expected 0 or more, or None"),
    "unknown": ({"shufle": False}, "batches: .*unexpected keyword argument 'shufle'"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_option_is_an_option_error(tiny_store, options, message):
    with pytest.raises(OptionError, match=message):
        list(seekless.batches(tiny_store, **options))


@pytest.mark.parametrize("kind", ["number", None])
def test_one_hot_needs_classes(make_store, kind):
    y = None if kind is None else np.linspace(0, 1, 20)
    store = make_store(np.zeros(20, np.uint8), y, kind=kind)
    with pytest.raises(
        OptionError, match=r"one_hot: found targets that are no classes in .*made\.h5, expected classes"
    ):
        list(seekless.batches(store, one_hot=True))


def test_a_missing_store_is_told(tmp_path):
    with pytest.raises(StoreNotFoundError, match=r"data\.h5: found no such file"):
        list(seekless.batches(tmp_path / "data.h5"))


@pytest.mark.parametrize("block", [0, 20, 57])
def test_a_damaged_block_is_named_and_not_one_wrong_sample_is_given(numbered, reading, block, damage):
    damage(numbered.store, block)
    made, given = maker(numbered.store, 10, shuffle=False, window_bytes=numbered.window_bytes, dtype=None), []
    with pytest.raises(StoreFormatError, match=rf"numbered\.h5: block {block} of x is damaged"):
        given.extend(number for batch in made.epoch() for number in numbered.numbers(batch))
    assert given == list(range(len(given)))
    assert len(given) > 7 * block - 60 - 10
    assert not reading()


def test_a_file_cut_short_after_it_was_opened_is_told(numbered, reading):
    with open(numbered.store.path, "r+b") as file:
        file.truncate(int(numbered.store.tables["x"].offset[40]))
    with pytest.raises(StoreFormatError, match=r"block \d+ of x: found the end of the file .* cut short"):
        list(maker(numbered.store, 10, window_bytes=numbered.window_bytes).epoch())
    assert not reading()


def test_a_file_that_went_away_is_told(numbered, reading):
    made = maker(numbered.store, 10, window_bytes=numbered.window_bytes)
    batches = made.epoch()
    next(batches)
    numbered.store.path.unlink()
    with pytest.raises(FileNotFoundError, match=r"numbered\.h5"):
        list(batches)
    assert not reading()


@pytest.mark.parametrize("used", [0, 1, 20], ids=str)
def test_an_epoch_given_up_leaves_no_thread(numbered, reading, used):
    batches = maker(numbered.store, 10, window_bytes=numbered.window_bytes).epoch()
    for _ in range(used):
        next(batches)
    del batches
    assert not reading()


def test_a_copy_by_pickle_makes_the_same_batches_and_carries_no_data(tiny_store):
    made = maker(seekless.open(tiny_store), 9, seed=1)
    empty = len(pickle.dumps(made))
    whole = list(made.epoch(1))
    copy = pickle.dumps(made)
    assert len(copy) < empty + 1000  # the samples alone are 4680 bytes
    assert equal(list(pickle.loads(copy).epoch(1)), whole)


# ranks, remainders, weights


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_ranks_have_equal_numbers_of_batches_and_each_sample_once(numbered, data):
    ranks = data.draw(st.integers(1, 5))
    options = {
        "shuffle": data.draw(st.sampled_from(["window", "batch", "full", False])),
        "window_bytes": data.draw(st.integers(1, 200 * 12)),
        "seed": data.draw(st.integers(0, 99)),
    }
    batch_size, epoch = data.draw(st.integers(2, 100)), data.draw(st.integers(0, 5))
    found = []
    for rank in range(ranks):
        made = maker(numbered.store, batch_size, shard=(rank, ranks), dtype=None, **options)
        found.append([numbered.numbers(batch) for batch in made.epoch(epoch)])
        assert len(found[-1]) == made.steps == -(-403 // (batch_size * ranks))
    assert sorted(number for of_rank in found for batch in of_rank for number in batch) == list(range(403))


@pytest.mark.parametrize("shuffle", ["window", "batch", "full", False], ids=str)
def test_dropped_remainders_leave_full_batches_of_different_samples(numbered, shuffle):
    made = maker(numbered.store, 50, shuffle=shuffle, drop_remainder=True, window_bytes=60 * 12, dtype=None)
    for epoch in range(2):
        batches = [numbered.numbers(batch) for batch in made.epoch(epoch)]
        assert [len(batch) for batch in batches] == [50] * 8 == [50] * made.steps
        assert len({number for batch in batches for number in batch}) == 400


def test_a_store_in_one_window_is_read_once_by_a_rank_of_several_only_where_it_may(numbered):
    for rank in range(2):
        made = maker(numbered.store, 50, shard=(rank, 2), dtype=None)
        epochs = [[n for batch in made.epoch(epoch) for n in numbered.numbers(batch)] for epoch in range(3)]
        assert [len(set(numbers)) for numbers in epochs] == [made.dealt.samples] * 3
        assert set(epochs[0]) != set(epochs[1])


def test_weights_that_a_store_holds_come_third(make_store):
    y = np.arange(40) % 4
    store, weights = (make_store(np.arange(40, dtype=np.uint8), y), make_store(y / 8, name="weights.h5"))
    table = weights.tables["x"]
    store.tables["sample_weight"] = table
    for x, target, weight in store.batches(16, window_bytes=10, one_hot=True):
        assert target.argmax(axis=1).tolist() == (x % 4).tolist()
        assert (weight.dtype, weight.tolist()) == (np.float64, ((x % 4) / 8).tolist())


@pytest.mark.parametrize("codec", ["none", "zstd", "blosc2"])
def test_threads_that_decompress_change_no_batch_and_end(tmp_path, codec, reading):
    x = np.repeat(np.arange(900, dtype=np.uint16), 40).reshape(900, 40)
    seekless.write(tmp_path / "a.h5", x, compression=codec, block_bytes=800)
    store = seekless.open(tmp_path / "a.h5")
    options = BatchOptions(64, seed=3, window_bytes=200 * 80)
    for epoch in range(2):
        one, four = (list(BatchMaker(store, options, threads=threads).epoch(epoch)) for threads in (1, 4))
        assert all((a[0] == b[0]).all() for a, b in zip(one, four, strict=True))
    given_up = BatchMaker(store, options, threads=4).epoch(0)
    next(given_up)
    given_up.close()
    assert not reading()
