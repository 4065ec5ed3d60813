"""A bar counts nothing twice, whatever tasks say of themselves, and however often they are done."""

import pytest

from seekless.convert.dask_read import Tally


class Bar:
    def __init__(self):
        self.done, self.bytes, self.bad = 0, 0, 0

    def add(self, done, nbytes=0, *, bad=None):
        self.done, self.bytes, self.bad = self.done + done, self.bytes + nbytes, bad if bad is not None else self.bad


@pytest.mark.parametrize(
    "told",
    [[], [(10, 100), (30, 300)], [(30, 300), (10, 100), (20, 200)], [(50, 500), (70, 700)]],
    ids=["nothing", "as it goes", "begun anew", "more than came"],
)
def test_what_is_told_and_what_comes(told):
    bar = Bar()
    tally = Tally(bar)
    tally.told(1, 5, 50)
    for samples, nbytes in told:
        tally.told(0, samples, nbytes)
        assert bar.done - 5 == max(samples for samples, _ in told[: told.index((samples, nbytes)) + 1])
    tally.done(0, 50, 500, bad=2)
    assert (bar.done, bar.bytes, bar.bad) == (55, 550, 2)
    tally.told(0, 60, 600)  # which comes late
    tally.done(1, 7, 70)
    assert (bar.done, bar.bytes, bar.bad) == (57, 570, 2)
