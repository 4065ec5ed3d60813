"""What stands already is copied or left, not made again."""

from pathlib import Path

import numpy as np
import pytest

import seekless
from seekless.convert.journal import Journal
from seekless.store import writer as writer_module

QUIET = {"workers": 0, "progress": False}


@pytest.fixture
def source(write_source):
    return write_source({f"{n:02d}": np.random.default_rng(n).integers(0, 9, (16, 16)) for n in range(40)})


@pytest.fixture
def made(monkeypatch):
    """How many blocks are compressed; to choose a codec they are as well, but not when one is named."""
    calls = []
    real = writer_module.compressed
    monkeypatch.setattr(
        writer_module, "compressed", lambda field, block: calls.append(field.name) or real(field, block)
    )
    return calls


def test_blocks_that_were_written_are_copied_and_not_made_again(source, tmp_path, stop, made):
    seekless.pack(source, tmp_path / "whole.h5", compression="zstd", **QUIET)
    blocks = made.count("x")
    for after in (1, 9, blocks):
        stop(source, tmp_path / "a.h5", after, "block", compression="zstd")
        made.clear()
        summary = seekless.pack(source, tmp_path / "a.h5", compression="zstd", resume=True, **QUIET)
        assert (summary.resumed, made.count("x")) == ((40, after), blocks - after)
        end = "s" if after > 1 else ""
        words = f"40 samples read and {after} block{end} written by the run that was stopped were kept"
        assert words in str(summary)
        assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
        (tmp_path / "a.h5").unlink()


def test_shards_that_were_finished_are_kept(source, tmp_path, stop, made):
    options = {"shard_bytes": 3000, "compression": "zstd"}
    count = seekless.pack(source, tmp_path / "whole.h5", **QUIET, **options).shards
    blocks = made.count("x")
    assert count > 3
    for after in range(1, count + 1):
        path = tmp_path / f"a{after}.h5"
        stop(source, path, after, "complete", **options)
        past = Journal(tmp_path / f"{path.name}.parts").read()
        inodes = {file.name: file.stat().st_ino for file in (tmp_path / f"{path.name}.partial").glob("0*.h5")}
        assert len(inodes) == after
        made.clear()
        summary = seekless.pack(source, path, resume=True, **QUIET, **options)
        assert (summary.resumed, made.count("x")) == ((40, past.blocks), blocks - past.blocks)
        shards = {
            file.name.rpartition("-")[2]: file.stat().st_ino for file in Path(f"{path}"[:-3] + "-shards").iterdir()
        }
        assert {name: shards[name] for name in inodes} == inodes
        whole = seekless.open(tmp_path / "whole.h5")
        assert (seekless.open(path)["x"][:] == whole["x"][:]).all()
