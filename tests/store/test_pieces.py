"""A field is read from end to end, each sample once, a bounded number at a time."""

import numpy as np
import pytest

import seekless
from seekless.errors import StoreFormatError
from seekless.store import pieces as pieces_module
from seekless.store.pieces import pieces


@pytest.mark.parametrize("most", [1, 18, 36, 50, 1 << 20])
def test_all_samples_come_in_order(made, digits, monkeypatch, most):
    monkeypatch.setattr(pieces_module, "PIECE_BYTES", most)
    store = seekless.open(made)
    for name, array in digits.items():
        read = list(pieces(store.tables[name]))
        starts = np.cumsum([0, *(len(part) for _, part in read)])
        assert [start for start, _ in read] == starts[:-1].tolist()
        assert np.array_equal(np.concatenate([part for _, part in read]), array)
        assert all(part.nbytes <= max(most, store.tables[name].field.block_bytes) for _, part in read)


def test_a_damaged_block_is_refused(made):
    table = seekless.open(made).tables["x"]
    with open(made, "r+b") as file:
        file.seek(int(table.offset[1]))
        file.write(b"!")
    with pytest.raises(StoreFormatError, match="block 1 of x is damaged"):
        list(pieces(table))
