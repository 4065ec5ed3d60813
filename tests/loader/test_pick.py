"""Scattered samples are those asked for, and each block is read once for all of them."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekless.errors import StoreFormatError
from seekless.loader import pick
from seekless.loader.pick import numbers, read_ranges
from seekless.loader.scattered import merged
from seekless.store import local_blocks

FIXTURES = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FIXTURES
@given(st.sets(st.integers(0, 402), min_size=1), st.sampled_from([1, 90, 200, 1 << 20]))
def test_samples_come_as_asked_for(numbered, chosen, scratch):
    reader = numbered.store.reader("x")
    ranges = merged(np.array(sorted(chosen)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pick, "SCRATCH_BYTES", scratch)
        found = read_ranges(reader, ranges)
    assert (found.dtype, found.shape) == (np.uint16, (len(chosen), 3, 2))
    assert found[:, 0, 0].tolist() == sorted(chosen)
    assert numbers(ranges).tolist() == sorted(chosen)


def test_a_block_that_holds_several_is_read_once(numbered, monkeypatch):
    read, blocks = local_blocks.fill, []

    def counting(descriptor, buffers, offset):
        blocks.extend(range(offset, offset + sum(map(len, buffers)), 4096))
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(local_blocks, "fill", counting)
    monkeypatch.setattr(pick, "SCRATCH_BYTES", 200)  # two blocks
    reader = numbered.store.reader("x")
    read_ranges(reader, [(n, n + 1) for n in range(0, 403, 2)])
    assert len(blocks) == len(set(blocks)) == 58


def test_a_damaged_block_is_named(numbered):
    with open(numbered.store.path, "r+b") as file:
        file.seek(int(numbered.store.tables["x"].offset[20]))
        file.write(b"\xff")
    reader = numbered.store.reader("x")
    with pytest.raises(StoreFormatError, match=r"numbered\.h5: block 20 of x is damaged"):
        read_ranges(reader, [(n, n + 1) for n in range(0, 403, 2)])
