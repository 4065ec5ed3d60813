"""The races run at toy size: what each way brings is every sample once, and what a page needs is in the figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is told by Linux's /proc")


def figures(tmp_path, script, *arguments):
    command = [sys.executable, ROOT / "benchmarks" / script, *arguments, "--json", tmp_path / "figures.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "figures.json").read_text())
    assert record["title"] in done.stdout
    return record


@NEEDS_PROC
def test_every_way_brings_each_sample_once_and_mixes_as_it_says(brings_each_sample_once, tmp_path):
    """Those that need no TensorFlow; the others are in test_one_process.py."""
    ways = "store-batches,h5py-slices,memmap-slices,pass,dd"
    record = figures(tmp_path, "race.py", "csv", "--count", "200", "--repeats", "1", "--states", "warm", "--ways", ways)
    assert record["names"] == ways.split(",")
    brings_each_sample_once(record)


@NEEDS_PROC
def test_a_way_that_fails_is_named_with_its_reason_and_the_others_run(tmp_path):
    ways = ["--ways", "store-batches", "--peer", f"webdataset={sys.executable}"]
    record = figures(tmp_path, "race.py", "csv", "--count", "80", "--repeats", "1", "--states", "warm", *ways)
    ours, other = record["rows"]
    assert ours["once"] is True
    assert "webdataset" in other["failed"]


@NEEDS_PROC
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not Path("/sys/fs/cgroup/blkio").exists(),
    reason="cold caches and the emulated disk need root and cgroups' blkio",
)
def test_reads_are_counted_on_the_emulated_disk(tmp_path):
    ways = "store-batches,h5py-fancy"
    record = figures(tmp_path, "race.py", "csv", "--count", "80", "--repeats", "1", "--states", "disk", "--ways", ways)
    for row in record["rows"]:
        assert row["disk s"] > 0
        assert row["reads"] > 0
        assert row["read MB"] > 0


@NEEDS_PROC
def test_growth_says_what_each_size_took(tmp_path):
    record = figures(tmp_path, "growth.py", "--sizes", "0.013,0.026", "--ways", "store-batches,h5py-slices")
    assert [row["files"] for row in record["rows"]] == [66, 66, 132, 132]
    assert all(row["ended"] == "whole" and row["seconds"] > 0 and row["memory MB"] > 0 for row in record["rows"])


@NEEDS_PROC
def test_data_larger_than_memory_is_measured_or_the_reason_given(tmp_path):
    record = figures(
        tmp_path, "large.py", "--gb", "0.013", "--limit-mb", "200", "--ways", "store-batches,memmap-slices,memory"
    )
    if "reason" in record["rows"][0]:
        assert record["rows"][0]["reason"]
        return
    assert record["rows"][-1]["ended"] == "out of memory"  # TensorFlow alone takes more


def test_conversions_of_more_and_more_files_are_timed(tmp_path):
    record = figures(tmp_path, "many_files.py", "--counts", "20,40")
    assert [row["files"] for row in record["rows"]] == [20, 40]
