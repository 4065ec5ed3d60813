"""A conversion that is killed at any moment goes on, and ends in the same bytes."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import seekless

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")

# Kills a conversion in a forked process before its n-th step that leaves a mark on the disk, goes on with it by
# --resume, kills that up to two times more at other steps, and lets it end; for every ninth n. A process of its own,
# as one with threads must not fork.
EVERY_STEP = """
import json, os, sys
import seekless
from seekless.convert import commit, journal, scatter, target, write
from seekless.store import hdf5_writer, npy_writer

source, path, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
STEPS = [(journal.Journal, "write"), (journal.Journal, "append_labels"), (scatter.Scatter, "_write"),
         (os, "replace"), (os, "rename"), (os, "unlink"), (os, "rmdir"), (os, "mkdir"),
         (hdf5_writer.HDF5Writer, "_finish"), (npy_writer.NPYWriter, "_finish"), (hdf5_writer, "seal")]
REAL = [getattr(owner, name) for owner, name in STEPS]

def run(kill_at):
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    count = 0
    def counted(real):
        def call(*args, **named):
            nonlocal count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), 9)
            return real(*args, **named)
        return call
    for (owner, name), real in zip(STEPS, REAL):
        setattr(owner, name, counted(real))
    try:
        seekless.pack(source, path, resume=True, progress=False, **options)
    except seekless.StoreError as error:
        # Killed after its very last step: there is nothing to go on with, and the store is there.
        os._exit(0 if "found something there" in str(error) and not os.path.exists(path + ".parts/journal") else 3)
    except BaseException as error:
        import traceback
        traceback.print_exc()
        print("failed:", repr(error), flush=True)
        os._exit(3)
    os._exit(0)

kills = 0
for n in range(int(sys.argv[4]), 4000, 9):
    rounds = 0
    while not run((n, 1 + n * 7919 % 41, 1 + n * 7907 % 83, 0)[rounds]):
        rounds += 1
        kills += 1
    print("kept", n, rounds, flush=True)
    sys.stdin.readline()
    if rounds == 0:
        break
print("kills", kills, flush=True)
"""


def content(path: Path) -> str:
    """One hash over all files of a store."""
    files = [path] if path.is_file() else sorted(path.iterdir())
    folder = path.with_name(f"{path.name.removesuffix('.h5')}-shards")
    files += sorted(folder.iterdir()) if folder.is_dir() else []
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


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
def test_killed_before_any_step_it_goes_on_to_the_same_bytes(source, tmp_path, name, options, overwrite):
    path = tmp_path / name
    seekless.pack(source, path, progress=False, **options)
    expected = content(path)
    every = {"save_every": 0, "workers": 0, "memory": 1 << 20, **options}
    before = set(os.listdir(tmp_path)) - {name, "a-shards"}
    remove(path)
    if overwrite:
        seekless.pack(source, path, seed=5, progress=False, **options)
        every["overwrite"] = True
    code = [
        sys.executable,
        "-c",
        EVERY_STEP,
        str(source),
        str(path),
        json.dumps(every),
        str(2 + (3 * list(WAYS.values()).index((name, options)) + 5 * overwrite) % 11),
    ]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if line.startswith("kills"):
                kills = int(line.split()[1])
                break
            assert line.startswith("kept"), line
            assert content(path) == expected, line
            parts = tmp_path / f"{name}.parts"
            if parts.exists():
                parts.rmdir()  # killed before the very last step, it is empty
            assert set(os.listdir(tmp_path)) - {name, "a-shards"} == before
            assert seekless.open(path).header.seed == 0
            if not overwrite:
                remove(path)
            child.stdin.write("\n")
            child.stdin.flush()
    assert child.returncode == 0
    assert kills >= 10
