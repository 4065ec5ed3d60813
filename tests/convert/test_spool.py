"""What a spool takes it gives back, in order, from memory or from its file."""

import numpy as np
import pytest

from seekless.convert.spool import Spool
from seekless.store.encoding import Encoding

BYTES = Encoding(np.dtype("u1"), np.dtype("f8"))
WIDE = Encoding(np.dtype("f8"), np.dtype("f8"))


@pytest.mark.parametrize("memory", [0, 1000, 3000, 1 << 20])
def test_pieces_come_back_in_order_and_no_file_is_left(tmp_path, memory, same_open_files):
    given = [(np.full((n + 1, 3, 2), n, e.dtype), e) for n, e in enumerate([BYTES, WIDE, WIDE, BYTES] * 3)]
    with Spool(memory, tmp_path) as spool:
        for stored, encoding in given:
            spool.add(stored, encoding)
        assert not list(tmp_path.iterdir())
        found = list(spool.pieces())
    assert len(found) == len(given)
    for (stored, encoding), (wanted, its) in zip(found, given, strict=True):
        assert encoding == its
        assert stored.dtype == wanted.dtype
        assert np.array_equal(stored, wanted)
