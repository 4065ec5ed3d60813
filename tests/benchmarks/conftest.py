"""What tests of benchmarks share: their scripts are no package, and are imported from their folder."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SLICES = {"h5py-slices", "memmap-slices"}


@pytest.fixture
def scripts(monkeypatch):
    """Let the scripts be imported, and forget them afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "disk")
    yield ROOT / "benchmarks"
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


@pytest.fixture
def brings_each_sample_once():
    """Return a function that holds that each way of a race of 200 samples brought them once, mixed as it says."""

    def check(record):
        for name, row in zip(record["names"], record["rows"], strict=True):
            assert row["failed"] is None
            assert row["first s"] > 0
            assert row["next s"] > 0
            assert record["figures"][name]["samples"] == 200
            if name in ("pass", "dd"):
                assert row["once"] is None
                continue
            assert row["once"] is True
            if name in SLICES:  # in the order of the source
                assert row["parts"] < 0.5 * record["asked"]["shuffle"]["parts"]
                assert row["apart"] > 0.5
            else:
                assert row["parts"] > 0.7 * record["asked"]["shuffle"]["parts"]

    return check
