"""A conversion in a process of its own that is told to stop, loses a worker, or finds its disk full."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import seekless
from seekless.errors import BusyError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes as on Linux")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """6,000 files: a second of work for two processes, or more."""
    root = tmp_path_factory.mktemp("many") / "data"
    (root / "train").mkdir(parents=True)
    text = "".join(f"{value}," * 63 + "1\n" for value in range(0, 60, 2))
    for n in range(6000):
        (root / f"train/{n:04d}.csv").write_text(f"{n}," + text[2:])
    (root / "target.csv").write_text("".join(f"{n:04d},{n % 10}\n" for n in range(6000)))
    return root


@pytest.fixture(scope="module")
def whole(source) -> bytes:
    seekless.pack(source, source.parent / "a.h5", progress=False)
    return (source.parent / "a.h5").read_bytes()


def begun(source, path, *options) -> subprocess.Popen:
    command = [sys.executable, "-m", "seekless", "convert", "csv-to-h5", source, path, "--workers", "2", "--quiet"]
    return subprocess.Popen(
        [*map(str, command), "--save-every", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def family(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have, in the order of their start."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return [*found, *(grandchild for child in found for grandchild in family_or_none(child))]


def family_or_none(pid: int) -> list[int]:
    try:
        return family(pid)
    except OSError:
        return []


def journal_of(path) -> bytes:
    file = path.with_name(f"{path.name}.parts") / "journal"
    return file.read_bytes() if file.exists() else b""


# When to act, and whether any work was saved by then.
MOMENTS = {
    "before it writes": (lambda pid, path: path.with_name(f"{path.name}.lock").exists(), False),
    "as the first helper starts": (lambda pid, path: len(family_or_none(pid)) >= 1, None),
    "as workers are to start": (lambda pid, path: len(family_or_none(pid)) >= 2, None),
    "as a worker starts": (lambda pid, path: len(family_or_none(pid)) >= 3, None),
    "as both have started": (lambda pid, path: len(family_or_none(pid)) >= 4, None),
    "in reading": (lambda pid, path: journal_of(path).count(b"saved") > 3, True),
    "in writing": (lambda pid, path: journal_of(path).count(b'"block"') > 3, True),
}


def act_at(moment, child, path) -> None:
    end = time.monotonic() + 60
    while not moment(child.pid, path):
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize(("moment", "saved"), MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_ends_at_once_with_words_and_leaves_no_process(source, whole, tmp_path, moment, saved, number):
    path = tmp_path / "a.h5"
    with begun(source, path) as child:
        act_at(moment, child, path)
        at = time.monotonic()
        # A terminal sends Ctrl-C to all processes of a command, `kill` sends SIGTERM to one.
        os.killpg(child.pid, number) if number == signal.SIGINT else child.send_signal(number)
        error = child.stderr.read()  # ends once every process that was started has ended
        assert time.monotonic() - at < 10
    # click ends the line that begins with the terminal's ^C.
    last = "\nstopped by Ctrl-C" if number == signal.SIGINT else "stopped by SIGTERM"
    kept = rf"{path}: [\d,]+ samples read are kept; the same command goes on by --resume\n{last}\n"
    nothing = rf"{path}: no store was written; the same command starts again\n{last}\n"
    expected = {True: kept, False: nothing, None: f"{kept}|{nothing}|{last}\n"}[saved]
    assert re.fullmatch(expected, error), error
    assert child.returncode == 128 + number
    left = set(os.listdir(tmp_path))
    assert left <= {"a.h5.parts", "a.h5.partial"} if "--resume" in error else left == set()
    if number == signal.SIGINT and (left or saved is False):
        with begun(source, path, "--resume") as child:
            assert child.stderr.read() == ""
        assert path.read_bytes() == whole


def test_a_killed_worker_ends_it_with_the_files_it_read_and_work_is_kept(source, whole, tmp_path):
    path = tmp_path / "a.h5"
    with begun(source, path) as child:
        act_at(MOMENTS["in reading"][0], child, path)
        workers = [pid for pid in family_or_none(child.pid) if b"forkserver" in command_of(pid)]
        os.kill(workers[-1], signal.SIGKILL)
        error = child.stderr.read()
    files = r"train/\d{4}\.csv to train/\d{4}\.csv"
    assert re.fullmatch(
        rf"{path}: [\d,]+ samples read are kept; the same command goes on by --resume\n"
        rf"error: a worker process died \(killed, or out of memory\) while reading one of: {files}(; {files})?; no "
        r"store was written; run it again, with fewer --workers if memory is short\n",
        error,
    ), error
    assert child.returncode == 1
    with begun(source, path, "--resume") as child:
        assert child.stderr.read() == ""
    assert path.read_bytes() == whole


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_two_runs_on_one_store_exclude_each_other(source, tmp_path):
    path = tmp_path / "a.h5"
    with begun(source, path) as child:
        act_at(MOMENTS["in reading"][0], child, path)
        child.send_signal(signal.SIGSTOP)
        before = journal_of(path)
        for options in ((), ("--resume",), ("--overwrite",)):
            with begun(source, path, *options) as second:
                error = second.stderr.read()
            assert error == (
                f"error: {path}: found another conversion (process {child.pid}) writing this store; wait for it, or "
                "name another\n"
            )
            assert (second.returncode, journal_of(path)) == (1, before)
        with pytest.raises(BusyError, match=rf"found another conversion \(process {child.pid}\)"):
            seekless.pack(source, path, resume=True, progress=False)
        child.send_signal(signal.SIGCONT)
        assert child.stderr.read() == ""
    assert child.returncode == 0
    assert os.listdir(tmp_path) == ["a.h5"]
