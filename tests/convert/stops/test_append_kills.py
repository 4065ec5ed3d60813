"""An append that is killed at any moment leaves the old store or the new one, whole; and ends in the same bytes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import seekless

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")

# Kills an append in a forked process before its n-th step that leaves a mark on the disk, looks whether the store opens
# whole, kills the run that follows at another step, and lets a third one end; for every n of a stride.
EVERY_STEP = """
import json, os, shutil, sys
import seekless
from seekless.convert import journal, scatter
from seekless.store import hdf5_writer, verify

source, path, kept, options = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
begin, stride = int(sys.argv[5]), int(sys.argv[6])
STEPS = [(journal.Journal, "write"), (journal.Journal, "append_labels"), (scatter.Scatter, "_write"),
         (os, "replace"), (os, "rename"), (os, "unlink"), (os, "rmdir"), (os, "mkdir"), (os, "link"),
         (hdf5_writer.HDF5Writer, "_finish"), (hdf5_writer, "seal")]
REAL = [getattr(owner, name) for owner, name in STEPS]

def run(kill_at):
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
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
        seekless.pack(source, path, append=True, progress=False, **options)
    except BaseException as error:
        import traceback
        traceback.print_exc()
        os._exit(3)
    os._exit(0)

kills = 0
for n in range(begin, 4000, stride):
    folder = os.path.dirname(path)
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    whole = True
    for kill_at in (n, 1 + n * 7919 % 41, 0):
        status = run(kill_at)
        assert status in (0, 9), (n, kill_at, status)
        assert not verify.verify(path).bad, n
        if status == 0:
            break
        whole, kills = False, kills + 1
    print("ended", n, len(seekless.open(path)), flush=True)
    sys.stdin.readline()
    if whole:
        break
print("kills", kills, flush=True)
"""


def content(path: Path) -> str:
    """One hash over all files of a store."""
    digest = hashlib.sha256()
    for file in sorted(seekless.open(path).files):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


WAYS = {
    "one file": {"compression": "zstd"},
    "shards": {"compression": "zstd", "shard_bytes": 1500},
}


@needs_fork
@pytest.mark.parametrize("first", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    ("again", "stride"),
    [({"resume": True, "save_every": 0, "memory": 1 << 20}, 7), ({"save_every": 3600}, 3)],
    ids=["resume", "anew"],
)
def test_killed_before_any_step_the_old_or_the_new_store_is_there(write_source, tmp_path, first, again, stride):
    samples = {f"{n:02d}": np.full((8, 8), n) for n in range(40)}
    source = write_source(samples, {name: "abc"[int(name) % 3] for name in samples})
    for name in samples:
        if int(name) >= 25:
            (source / f"train/{name}.csv").rename(tmp_path / f"{name}.csv")
    kept, place = tmp_path / "kept", tmp_path / "store"
    kept.mkdir()
    lines = (source / "target.csv").read_text().splitlines(keepends=True)
    (source / "target.csv").write_text("".join(lines[:25]))
    seekless.pack(source, kept / "a.h5", progress=False, test_fraction=0.2, **first)
    for name in samples:
        if int(name) >= 25:
            (tmp_path / f"{name}.csv").rename(source / f"train/{name}.csv")
    (source / "target.csv").write_text("".join(lines))
    shutil.copytree(kept, place)
    path = place / "a.h5"
    seekless.pack(source, path, append=True, progress=False)
    expected, names = content(path), sorted(os.listdir(place))
    code = [sys.executable, "-c", EVERY_STEP, str(source), str(path), str(kept), json.dumps({"workers": 0, **again})]
    with subprocess.Popen(
        [*code, str(1 + len(first)), str(stride)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        kills = 0
        for line in child.stdout:
            if line.startswith("kills"):
                kills = int(line.split()[1])
                break
            assert line.startswith("ended"), line
            assert content(path) == expected, line
            parts = place / "a.h5.parts"
            if parts.exists():
                parts.rmdir()  # killed before the very last step, it is empty
            assert sorted(os.listdir(place)) == names, line
            assert sorted(file.name for file in seekless.open(path).shards) == sorted(os.listdir(place / "a-shards"))
            child.stdin.write("\n")
            child.stdin.flush()
    assert child.returncode == 0
    assert kills >= 6


@needs_fork
def test_the_marks_of_an_append_that_was_stopped_are_named_and_removed(write_source, tmp_path):
    """Stopped once the shards were moved, before the rename that counts."""
    samples = {f"{n:02d}": np.full((2, 2), n) for n in range(10)}
    source, path = write_source(samples), tmp_path / "a.h5"
    seekless.pack(source, path, progress=False, workers=0)
    before = path.read_bytes()
    np.savetxt(source / "train/new.csv", np.zeros((2, 2)))
    with open(source / "target.csv", "a") as file:
        file.write("new,0\n")
    pid = os.fork()
    if not pid:
        replace = os.replace
        os.replace = lambda one, other: os._exit(9) if Path(other) == path else replace(one, other)
        seekless.pack(source, path, append=True, progress=False, workers=0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert path.read_bytes() == before
    assert len(os.listdir(tmp_path / "a-shards")) == 2
    summary = seekless.pack(source, path, append=True, progress=False, workers=0)
    assert summary.removed == ("a.h5.partial",)
    assert len(os.listdir(tmp_path / "a-shards")) == 2
    assert len(seekless.open(path)) == 11
