"""What stands beside x: read once, or by window; counted without x."""

import re

import numpy as np
import pytest

import seekless
from seekless.errors import OptionError
from seekless.loader import targets as targets_module
from seekless.loader.line import Line
from seekless.loader.targets import Targets, class_counts, class_weights
from seekless.store.blocks import BlockReader


@pytest.mark.parametrize("kept", [1 << 20, 0], ids=["kept", "read each time"])
def test_ranges_of_targets_come_as_asked_for(numbered, monkeypatch, kept):
    monkeypatch.setattr(targets_module, "KEPT_BYTES", kept)
    targets = Targets(numbered.store, "y", Line(((50, 300),)))
    for ranges in ([(50, 60), (299, 300)], [(77, 78), (79, 81)]):
        expected = [3 * number for start, stop in ranges for number in range(start, stop)]
        assert targets.read(ranges).tolist() == expected


@pytest.mark.parametrize("step", [1 << 20, 24], ids=["at once", "three at a time"])
@pytest.mark.parametrize("part", [(0, 40), (7, 31)], ids=["all", "a part"])
def test_classes_are_counted_without_reading_x(make_store, monkeypatch, step, part):
    y = np.array([0, 1, 1, 3] * 10)
    store = make_store(np.zeros((40, 2), np.uint8), y)
    monkeypatch.setattr(targets_module, "COUNTED_BYTES", step)
    read = BlockReader.read
    monkeypatch.setattr(
        BlockReader, "read", lambda self, ranges, **how: {"y": read}[self.table.field.name](self, ranges, **how)
    )
    counts = class_counts(store, [part])
    assert counts.tolist() == np.bincount(y[slice(*part)], minlength=4).tolist()


def test_weights_make_every_class_that_has_samples_count_the_same(make_store):
    store = make_store(np.zeros((40, 2), np.uint8), np.array([0, 1, 1, 3] * 10))
    weights = class_weights(store, [(0, 40)])
    assert weights == {0: 40 / 30, 1: 40 / 60, 3: 40 / 30}
    assert class_weights(store, [(1, 3)]) == {1: 1.0}
    assert seekless.StoreSequence(store, 8, split=(0.0, 0.5), shard=(1, 2)).class_weights() == class_weights(
        store, [(0, 20)]
    )


@pytest.mark.parametrize("kind", ["number", None])
def test_what_has_no_classes_has_no_counts(make_store, kind):
    store = make_store(np.zeros(20, np.uint8), None if kind is None else np.linspace(0, 1, 20), kind=kind)
    with pytest.raises(OptionError, match=re.escape("made.h5: found targets that are no classes, expected classes")):
        class_weights(store, [(0, 20)])
