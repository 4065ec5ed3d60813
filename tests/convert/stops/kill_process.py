"""Kills conversions in forked processes; started by the tests, as one with threads must not fork.

    python kill_process.py TOLD

Kills one before its n-th step that leaves a mark on the disk, goes on with it, kills what goes on once or twice more at
other steps, and lets it end; for every n of a stride, until a conversion has fewer steps. TOLD is JSON:

- source, path, options: what to convert, where to, and how;
- begin, stride: which n;
- kept: a folder whose copy that of the path is to be before each n, and whose store grows: with it, after each end the
  store at the path must be whole; null for a store that is not there yet.

After each n a line "ended N KILLS" is printed, and a line is awaited; at last "kills KILLS".
"""

import json
import os
import shutil
import sys
import traceback

import seekless
from seekless.convert import journal, partitions
from seekless.store import hdf5_writer, npy_writer, verify

STEPS = [
    *((journal.Journal, name) for name in ("write", "append_labels")),
    (partitions.PartitionFiles, "write"),
    *((os, name) for name in ("replace", "rename", "unlink", "rmdir", "mkdir", "link")),
    *((writer, "_finish") for writer in (hdf5_writer.HDF5Writer, npy_writer.NPYWriter)),
    (hdf5_writer, "seal"),
]
REAL = [getattr(owner, name) for owner, name in STEPS]


def convert(source, path, kept, options):
    """Convert; end this process with 0, or 3 where there is an error."""
    try:
        seekless.pack(source, path, **{"append" if kept else "resume": True}, progress=False, **options)
    except seekless.StoreError as error:
        # Killed after its very last step: there is nothing to go on with, and the store is there.
        if not kept and "found something there" in str(error) and not os.path.exists(f"{path}.parts/journal"):
            os._exit(0)
        traceback.print_exc()
        os._exit(3)
    except BaseException:
        traceback.print_exc()
        os._exit(3)
    os._exit(0)


def run(kill_at, *given):
    """Convert in a forked process that is killed before a step, counted from 1; return the status of its end."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    count = 0

    def counted(real):
        def call(*arguments, **named):
            nonlocal count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), 9)
            return real(*arguments, **named)

        return call

    for (owner, name), real in zip(STEPS, REAL, strict=True):
        setattr(owner, name, counted(real))
    convert(*given)


def main(source, path, kept, options, begin, stride):
    kills = 0
    for n in range(begin, 4000, stride):
        if kept:
            shutil.rmtree(os.path.dirname(path))
            shutil.copytree(kept, os.path.dirname(path))
        rounds = (n, 1 + n * 7919 % 41, *(() if kept else (1 + n * 7907 % 83,)), 0)
        killed = 0
        for kill_at in rounds:
            status = run(kill_at, source, path, kept, options)
            assert status in (0, 9), (n, kill_at, status)
            assert not (kept and verify.verify(path).bad), (n, kill_at)
            if status == 0:
                break
            killed += 1
        kills += killed
        print("ended", n, killed, flush=True)
        sys.stdin.readline()
        if not killed:
            break
    print("kills", kills, flush=True)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
