"""What is said of an order is what its batches show: blocks and labels that meet, beside a true shuffle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seekless
from seekless.loader.mixing import describe, shuffled_distance
from seekless.store.blocks import BlockReader


@pytest.fixture
def by_class(make_store):
    """A store of 4,000 samples of 10 classes, sorted by class, in 100 blocks; a sample is a byte."""
    return make_store(np.zeros(4000, np.uint8), np.repeat(np.arange(10), 400), block=40)


def told(store, batch_size=64, **options):
    return seekless.StoreSequence(store, batch_size, **options).describe()


def test_a_true_shuffle_is_as_far_apart_as_is_said(by_class):
    found = told(by_class, shuffle="full", window_bytes=1000)
    assert found.label_distance == pytest.approx(found.shuffled_distance, rel=0.1)
    assert found.warning == ""
    assert found.windows == 4
    assert found.blocks_per_window == 100
    assert found.blocks_per_batch == pytest.approx(100 * (1 - 0.99**64), rel=0.1)


def test_the_distance_of_a_shuffle_is_that_of_draws():
    random, shares = np.random.default_rng(0), np.array([0.5, 0.2, 0.2, 0.1, 0.0])
    labels = np.repeat(np.arange(5), (shares * 1000).astype(int))
    for drawn in (1, 7, 64, 500, 1000):
        counts = [np.bincount(random.permutation(labels)[:drawn], minlength=5) for _ in range(2000)]
        mean = np.mean([np.abs(count / drawn - shares).sum() / 2 for count in counts])
        assert shuffled_distance(shares, drawn, 1000) == pytest.approx(mean, rel=0.03, abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.lists(st.integers(0, 1000), min_size=1, max_size=50).filter(any))
def test_a_distance_is_between_0_and_1(drawn, weights):
    assert 0 <= shuffled_distance(np.array(weights) / sum(weights), drawn, 10**6) <= 1


@pytest.mark.parametrize(
    ("share", "warns"), [(1, False), (0.25, False), (0.05, True), (0.01, True)], ids=["all", "1/4", "1/20", "1/100"]
)
def test_a_window_that_holds_too_little_of_a_sorted_store_is_warned_of(by_class, share, warns):
    found = told(by_class, window_bytes=round(4000 * share))
    assert bool(found.warning) == warns
    if warns:
        assert "the labels of a batch are far from those of all" in found.warning
        assert f"a window holds {share:.1%} of the part; give window_bytes=1000 or more" in found.warning
    assert told(by_class, window_bytes=1000).warning == ""


def test_a_shuffled_store_is_mixed_by_any_window(make_store):
    store = make_store(np.zeros(4000, np.uint8), np.random.default_rng(0).permutation(4000) % 10, block=40)
    for window in (4000, 200, 40):
        found = told(store, window_bytes=window)
        assert found.warning == ""
        assert found.label_distance == pytest.approx(found.shuffled_distance, rel=0.25)


def test_batches_of_one_sample_are_measured_together(by_class):
    found = told(by_class, 1, window_bytes=40)
    assert found.run == 128
    assert found.label_distance > 0.6
    assert found.warning


def test_numbers_are_compared_by_tenths(make_store):
    y = np.linspace(-1, 1, 4000)
    store = make_store(np.zeros(4000, np.uint8), y, block=40, kind="number")
    assert told(store, window_bytes=40).label_distance > 0.6
    assert told(store, shuffle="full").label_distance < 0.15
    same = make_store(np.zeros(400, np.uint8), np.zeros(400), kind="number", name="same.h5")
    assert told(same).label_distance == 0


@pytest.mark.parametrize("y", [None, np.zeros((403, 3))], ids=["none", "vectors"])
def test_without_labels_to_compare_nothing_is_said_of_them(make_store, y):
    store = make_store(np.zeros(403, np.uint8), y, kind=None if y is None else "number", shuffled=True)
    found = told(store, window_bytes=50)
    assert (found.label_distance, found.shuffled_distance, found.warning) == (None, None, "")
    object.__setattr__(store.header, "shuffled", False)
    assert "the store is in its source's order, and there are no labels" in told(store, window_bytes=50).warning
    assert told(store, window_bytes=403).warning == ""


def test_the_order_of_the_store_is_not_warned_of(by_class):
    found = told(by_class, shuffle=False, window_bytes=40)
    assert found.warning == ""
    assert "order    that of the store, 100 windows an epoch" in str(found)


def test_its_text_says_all_of_it(by_class):
    text = str(told(by_class, window_bytes=200, reader="pread")).splitlines()
    assert [line.split()[0] for line in text] == ["reader", "order", "window", "batch", "labels", "warning"]
    assert text[0] == "reader   pread, as told"
    assert text[1] == "order    window, 20 windows an epoch"
    assert text[2] == "window   5 of 100 blocks, 0.0 MiB"


def test_nothing_of_x_is_read(by_class, monkeypatch):
    read = BlockReader.read
    monkeypatch.setattr(
        BlockReader, "read", lambda self, ranges, **how: {"y": read}[self.table.field.name](self, ranges, **how)
    )
    assert told(by_class, window_bytes=200).label_distance > 0


def test_an_empty_part_and_one_of_a_sample_can_be_described(by_class):
    empty = told(by_class, split=(0.5, 0.5))
    assert (empty.windows, empty.label_distance, empty.blocks_per_window) == (0, None, 0)
    assert told(by_class, split=(0.0, 1 / 4000)).label_distance == 0


def test_a_rank_is_described_by_its_own_batches(by_class):
    maker = seekless.StoreSequence(by_class, 16, shard=(1, 4), window_bytes=500)._maker
    found = describe(maker)
    assert found.windows == 2
    assert found.blocks_per_window == pytest.approx(12.5, abs=2)
