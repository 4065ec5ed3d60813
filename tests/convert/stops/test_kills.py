"""A conversion that is killed at any moment goes on, and ends in the same bytes."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import seekless

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")


@pytest.fixture
def source(write_source) -> Path:
    """40 samples: some of them need a larger dtype than the first, so that the encoding widens late."""
    samples = {f"{n:02d}": np.full((8, 8), n) / (255 if n < 30 else 65535) for n in range(40)}
    return write_source(samples, {name: int(name) % 4 for name in samples})


WAYS = {
    "one file": ("a.h5", {}),
    "compressed": ("a.h5", {"compression": "zstd"}),
    "shards": ("a.h5", {"shard_bytes": 1500}),
    "folder": ("a.npy.d", {}),
}


def remove(path: Path) -> None:
    for file in sorted(path.parent.glob(f"{path.name.partition('.')[0]}*"), reverse=True):
        if file.is_dir():
            for inner in file.iterdir():
                inner.unlink()
            file.rmdir()
        else:
            file.unlink()


@needs_fork
@pytest.mark.parametrize(("name", "options"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
def test_killed_before_any_step_it_goes_on_to_the_same_bytes(
    source, tmp_path, content, kills, name, options, overwrite
):
    path = tmp_path / name
    seekless.pack(source, path, progress=False, **options)
    expected = content(path)
    every = {"save_every": 0, "workers": 0, "memory": 1 << 20, **options}
    before = set(os.listdir(tmp_path)) - {name, "a-shards"}
    remove(path)
    if overwrite:
        seekless.pack(source, path, seed=5, progress=False, **options)
        every["overwrite"] = True

    def check(line):
        assert content(path) == expected, line
        parts = tmp_path / f"{name}.parts"
        if parts.exists():
            parts.rmdir()  # killed before the very last step, it is empty
        assert set(os.listdir(tmp_path)) - {name, "a-shards"} == before
        assert seekless.open(path).header.seed == 0
        if not overwrite:
            remove(path)

    begin = 2 + (3 * list(WAYS.values()).index((name, options)) + 5 * overwrite) % 11
    told = {"source": source, "path": path, "kept": None, "options": every}
    assert kills(check, **told, begin=begin, stride=9) >= 10


RESUME = """
import sys, json, seekless
seekless.pack(sys.argv[1], sys.argv[2], resume=True, save_every=0, workers=2, progress=False, **json.loads(sys.argv[3]))
"""


def lines_of(journal: Path) -> list[bytes]:
    try:
        return journal.read_bytes().splitlines()
    except FileNotFoundError:  # not there yet, or not any more
        return []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills")
@pytest.mark.parametrize("options", [{"memory": 1 << 20, "compression": "zstd"}, {"shard_bytes": 200_000}], ids=str)
def test_killed_at_random_with_workers_and_threads_it_goes_on_to_the_same_bytes(
    write_source, tmp_path, content, options
):
    """By `kill -9` of a real process, when its journal has grown to some random length; both passes are hit."""
    noise = np.random.default_rng(0).integers(0, 256, (2600, 16, 16))
    source = write_source({f"{n:04d}": sample for n, sample in enumerate(noise)})
    path, whole = tmp_path / "a.h5", tmp_path / "whole/a.h5"
    whole.parent.mkdir()
    seekless.pack(source, whole, progress=False, **options)
    chance, journal = random.Random(len(str(options))), tmp_path / "a.h5.parts/journal"
    hit = {"reading": 0, "writing": 0}
    for _ in range(3):
        for most in (6, 12, 40, 60, None):
            limit = math.inf if most is None else len(lines_of(journal)) + chance.randint(1, most)
            code = [sys.executable, "-c", RESUME, str(source), str(path), json.dumps(options)]
            with subprocess.Popen(code, stdout=subprocess.PIPE) as child:
                while child.poll() is None and len(lines_of(journal)) < limit:
                    time.sleep(0.0005)
                child.kill()
                assert child.stdout.read() == b""  # ends only once no worker holds it
            if child.returncode == 0:
                break
            assert child.returncode == -signal.SIGKILL
            hit["writing" if b"codec" in b"".join(lines_of(journal)) else "reading"] += 1
        assert content(path) == content(whole)
        remove(path)
    assert min(hit.values()) > 1
