"""Options check themselves, and the summary says what was done and why."""

from pathlib import Path

import numpy as np
import pytest

from seekless.convert.options import Options, Summary
from seekless.errors import OptionError
from seekless.store.encoding import Encoding
from seekless.store.schema import Field


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("seed", 2**63, "--seed: found 9223372036854775808, expected an integer of 64 bits"),
        ("seed", -(2**63) - 1, "--seed: found -9223372036854775809, expected an integer of 64 bits"),
        ("test_fraction", 0.0, "--test-fraction: found 0.0, expected a number between 0 and 1"),
        ("test_fraction", 1, "--test-fraction: found 1, expected a number between 0 and 1"),
        ("test_fraction", float("nan"), "--test-fraction: found nan, expected a number between 0 and 1"),
        ("workers", -1, "--workers: found -1, expected 0 or more"),
        ("memory", 1023 << 10, "--memory: found 1047552 bytes, expected 1 MiB or more"),
        ("on_error", "ignore", "--on-error: found 'ignore', expected raise or skip"),
        ("progress", "bar", "progress: found 'bar', expected True, False or a function of one argument"),
    ],
)
def test_an_option_that_cannot_be_used(option, value, message):
    with pytest.raises(OptionError, match=f"^{message}$"):
        Options(**{option: value})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seed": 2**63 - 1},
        {"seed": -(2**63)},
        {"test_fraction": 0.1},
        {"workers": 0},
        {"memory": 1 << 20},
        {"on_error": "skip"},
    ],
    ids=str,
)
def test_an_option_that_can(options):
    made = Options(**options)
    assert all(getattr(made, name) == value for name, value in options.items())


def summary(dtype="u1", divisor=255, shape=(28, 28), codec="none", **changed) -> Summary:
    encoding = Encoding(np.dtype(dtype), np.dtype("f8"), divisor)
    values = {
        "store": Path("data.h5"),
        "samples": 10_000,
        "skipped": 0,
        "field": Field("x", shape, encoding, 157, codec=codec),
        "why_codec": "",
        "lossy": False,
        "shards": 0,
        "classes": 10,
        "bytes_in": 196_000_000,
        "bytes_out": 7_946_240,
        "seconds": 2.5,
    }
    return Summary(**{**values, **changed})


def test_the_summary_as_text():
    assert str(summary()) == (
        "data.h5\n"
        "  samples  10,000 of 10 classes\n"
        "  shape    28 x 28\n"
        "  dtype    uint8 / 255 (gives all 7,840,000 float64 values back bit for bit)\n"
        "  codec    none\n"
        "  bytes    196.0 MB -> 7.9 MB\n"
        "  time     2.5 s, 4,000 samples/s"
    )


def test_the_summary_of_another_store():
    text = str(summary("f8", 1, (), "zstd", why_codec="it is small", shards=3, classes=0, skipped=1234, seconds=0.0))
    assert "  codec    zstd (it is small)\n  shards   3\n" in text
    assert "  samples  10,000\n" in text
    assert "  skipped  1,234, listed in data.h5.skipped.csv\n" in text
    assert "  shape    one value\n" in text
    assert "  dtype    float64 (as the files have it; nothing smaller gives every value back bit for bit)\n" in text
