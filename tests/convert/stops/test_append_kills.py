"""An append that is killed at any moment leaves the old store or the new one, whole; and ends in the same bytes."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import seekless

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")

WAYS = {
    "one file": {"compression": "zstd"},
    "shards": {"compression": "zstd", "shard_bytes": 1500},
}


@needs_fork
@pytest.mark.parametrize("first", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    ("again", "stride"),
    [({"resume": True, "save_every": 0, "memory": 1 << 20}, 13), ({"save_every": 3600}, 4)],
    ids=["resume", "anew"],
)
def test_killed_before_any_step_the_old_or_the_new_store_is_there(
    write_source, tmp_path, content, kills, first, again, stride
):
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

    def check(line):
        assert content(path) == expected, line
        parts = place / "a.h5.parts"
        if parts.exists():
            parts.rmdir()  # killed before the very last step, it is empty
        assert sorted(os.listdir(place)) == names, line
        assert sorted(file.name for file in seekless.open(path).shards) == sorted(os.listdir(place / "a-shards"))

    told = {"source": source, "path": path, "kept": kept, "options": {"workers": 0, **again}}
    assert kills(check, **told, begin=1 + len(first), stride=stride) >= 6


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
