"""The header says what samples, targets and options come to; values stand in the order of the store."""

from pathlib import Path

import numpy as np
import pytest

from seekless.convert.census import Census
from seekless.convert.layout import lay_out
from seekless.convert.options import Options
from seekless.convert.workers import encode_run
from seekless.errors import OptionError
from seekless.source.open import SourceOptions
from seekless.source.samples import Decoded
from seekless.source.targets import Targets


class Five:
    """Five samples, named a to e."""

    root = Path("data")
    keys = ("a", "b", "c", "d", "é")

    def __len__(self):
        return 5

    def scale_for(self, dtype):
        return 255 if dtype == np.uint8 else 1


ORDER = np.array([3, 0, 4, 1])  # c is left out
TARGETS = Targets(np.array([10, 11, 12, 13, 14]), "class", 15)


def laid_out(targets=TARGETS, dtype="u1", **options):
    census = Census(Five())
    census.add(encode_run(Decoded(list(range(5)), [np.full((2, 3), n, dtype) for n in range(5)], stamps=[0] * 5)))
    return lay_out(Five(), targets, census, ORDER, Options(**options), SourceOptions())


def test_targets_and_keys_come_in_the_order_of_the_store():
    header, values = laid_out()
    assert values["y"].tolist() == [13, 10, 14, 11]
    assert [key.decode() for key in values["key"]] == ["d", "a", "é", "b"]
    assert (header.length, list(header.fields), header.class_count) == (4, ["x", "y", "key"], 15)


def test_a_source_without_targets_has_no_y():
    header, values = laid_out(None)
    assert (list(values), list(header.fields), header.target_kind) == (["key"], ["x", "key"], "")


@pytest.mark.parametrize(("dtype", "scale"), [("u1", 255), ("f8", 1)])
def test_samples_are_stored_in_what_was_proved_of_them(dtype, scale):
    x = laid_out(dtype=dtype)[0].fields["x"]
    assert (x.sample_shape, x.encoding.dtype, x.encoding.logical_dtype, x.scale) == ((2, 3), "u1", dtype, scale)


@pytest.mark.parametrize(("block_bytes", "length"), [(None, 1), (1, 1), (12, 2), (13, 2), (1 << 20, 4)])
def test_blocks_hold_whole_samples_and_no_more_than_there_are(block_bytes, length):
    assert laid_out(block_bytes=block_bytes)[0].fields["x"].block_length == length


@pytest.mark.parametrize(("fraction", "ends"), [(None, ()), (0.25, (3, 4)), (0.5, (2, 4))])
def test_a_test_part_is_recorded(fraction, ends):
    assert laid_out(test_fraction=fraction)[0].boundaries == ends


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_a_part_without_samples_is_refused(fraction):
    with pytest.raises(OptionError, match=rf"--test-fraction: found {fraction} of 4 samples, expected one or more in"):
        laid_out(test_fraction=fraction)


def test_options_are_recorded_without_paths():
    header = laid_out(compression="zstd", temp="/somewhere", seed=7, shuffle=False)[0]
    assert (header.seed, header.shuffled, header.fields["x"].codec) == (7, False, "zstd")
    assert header.options["compression"] == "zstd"
    assert "temp" not in header.options
