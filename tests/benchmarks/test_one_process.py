"""The benchmarks that need TensorFlow run at toy size, one after the other in one process, so that it starts once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("one_process.py")
# A script of benchmarks/ and its arguments; nothing is repeated.
JOBS = {
    "loader": "loader.py --only warm,first,memory,fit --digits 80 --photo 20 --repeats 1 --epochs 1",
    "epoch": "epoch.py --count 80 --repeats 1",
    "articles": "articles.py --count 200 --seeds 1 --epochs 1",
    "accuracy": "accuracy.py --count 200 --seeds 1 --epochs 1",
    "mixing": "mixing.py --count 200 --seeds 1 --epochs 1",
    "tf_dataset": "tf_dataset.py --samples 300 --repeats 1 --batch 64",
    "gpu": "gpu/training.py --samples 64 --side 8 --batch-size 16 --turns 1",
    "race": "race.py png --count 200 --repeats 1 --states warm "
    "--ways store-fit,files-4,directory,memory,h5py-fancy,memmap-fancy,tfrecord",
    "seeks": "disk/seeks.py --here --count 70",
}
LINUX = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="looks at processes as on Linux")
NOTED = pytest.mark.skipif(not hasattr(os, "preadv"), reason="the store's reads are noted where it calls preadv")
MARKS = {"race": LINUX, "seeks": NOTED}


@pytest.fixture(scope="module")
def done(request, tmp_path_factory):
    """What each of the benchmarks that are wanted said, by name: the exit code, stdout, stderr and the figures."""
    folder = tmp_path_factory.mktemp("benchmarks")
    tests = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    wanted = [name for name in JOBS if any(item.callspec.params.get("name") == name for item in tests)]
    jobs = [JOBS[name].split() for name in wanted]
    told = json.dumps([(script, [*words, "--json", f"{folder / script}.json"]) for script, *words in jobs])
    ran = subprocess.run([sys.executable, PROGRAM, told], capture_output=True, text=True, cwd=folder, check=False)
    said = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(said) == len(jobs), ran.stderr[-3000:]
    return {
        name: (code, out, err, Path(f"{folder / script}.json"))
        for name, (script, *_), (code, out, err) in zip(wanted, jobs, said, strict=True)
    }


@pytest.fixture
def record(done, name):
    """The figures of a benchmark that has run."""
    code, out, err, file = done[name]
    assert code == 0, err[-3000:]
    figures = json.loads(file.read_text())
    assert figures["title"] in out
    return figures


@pytest.mark.parametrize("name", [name for name in JOBS if name not in MARKS])
def test_a_benchmark_runs_and_writes_its_figures(record, name):
    assert record["rows"]
    assert record["versions"]["seekless"]
    assert record["state"]


@pytest.mark.parametrize("name", [pytest.param("race", marks=MARKS["race"])])
def test_every_way_brings_each_sample_once_and_mixes_as_it_says(record, name, brings_each_sample_once):
    assert record["names"] == JOBS["race"].split()[-1].split(",")
    brings_each_sample_once(record)


@pytest.mark.parametrize("name", [pytest.param("seeks", marks=MARKS["seeks"])])
def test_a_head_is_followed_through_each_order(record, name):
    if "reason" in record["rows"][0]:
        assert "does not tell" in record["rows"][0]["reason"]
        return
    by_order = {row["order"]: row for row in record["rows"]}
    assert by_order["the store"]["seconds"] < by_order["loose files, random order"]["seconds"]
    assert by_order["the store"]["times the store"] == 1
