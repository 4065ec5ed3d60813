"""Runs in worker processes give what they give in this one; a worker that dies ends it with words, not with a wait."""

import multiprocessing
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest

from seekless.convert import pool
from seekless.convert.pool import map_runs
from seekless.errors import ConvertError
from seekless.source.csv import CSVDecoder
from seekless.source.samples import Decoded, FileReader, FileRun

# Decoders that a worker process can import: this test's own module it cannot.
DECODERS = '''
import os, signal, struct, sys
import numpy as np

class Killed:
    """Dies at the file that says so, as a process does that takes too much memory."""

    def __call__(self, data):
        if data.startswith(b"kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros(1)

class HalfAnswer:
    """Dies when ten bytes of an answer of a thousand have been sent."""

    def __call__(self, data):
        frame = sys._getframe()
        while "result_queue" not in frame.f_locals:
            frame = frame.f_back
        os.write(frame.f_locals["result_queue"]._writer.fileno(), struct.pack("!i", 1000) + b"x" * 10)
        os.kill(os.getpid(), signal.SIGKILL)

class Faulty:
    def __call__(self, data):
        raise ZeroDivisionError("a fault of ours")
'''


@pytest.fixture
def decoders(tmp_path, monkeypatch):
    """A module of decoders that worker processes find: they are handed this process' path."""
    name = f"decoders_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(DECODERS)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__(name)
    sys.modules.pop(name)


def files(folder, texts, per_run=3) -> list[FileRun]:
    keys = []
    for number, text in enumerate(texts):
        keys.append(f"{number:03d}.csv")
        (folder / keys[-1]).write_text(text)
    return [
        FileRun(list(range(start, min(start + per_run, len(keys)))), keys[start : start + per_run])
        for start in range(0, len(keys), per_run)
    ]


def contents(results):
    """Everything in results, whatever order they came in."""
    return sorted(
        (
            [(g.form, g.indices.tolist(), g.stored.tobytes(), str(g.encoding), g.proved) for g in result.groups],
            [str(bad) for bad in result.bad],
            result.bad_indices,
            result.bytes_read,
        )
        for result in results
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_in_any_number_of_processes(tmp_path, workers):
    texts = [f"{number} 0.5\n2 {number}" if number % 5 else "no number" for number in range(40)]
    runs = files(tmp_path, texts)
    runs.append(FileRun([40], ["missing.csv"]))
    reader = FileReader(tmp_path, CSVDecoder())
    expected = contents(map_runs(reader, runs, 0))
    assert len(expected) == 15
    assert contents(map_runs(reader, runs, workers)) == expected


def test_without_workers_nothing_is_decoded_ahead(tmp_path):
    asked = []

    def runs():
        for run in files(tmp_path, ["1", "2"], 1):
            asked.append(run)
            yield run

    results = map_runs(FileReader(tmp_path, CSVDecoder()), runs(), 0)
    next(results)
    assert len(asked) == 1


def test_no_more_than_some_runs_wait_at_a_time(tmp_path):
    asked = []

    def runs():
        for run in files(tmp_path, ["1 2"] * 40, 1):
            asked.append(run)
            yield run

    for done, _ in enumerate(map_runs(FileReader(tmp_path, CSVDecoder()), runs(), 2), 1):
        assert len(asked) <= done + pool.AHEAD * 2
    assert len(asked) == done == 40


def left_processes(patience=10.0) -> list[multiprocessing.Process]:
    end = time.monotonic() + patience
    while multiprocessing.active_children() and time.monotonic() < end:
        time.sleep(0.02)
    return multiprocessing.active_children()


def test_who_stops_early_leaves_no_process(tmp_path):
    results = map_runs(FileReader(tmp_path, CSVDecoder()), files(tmp_path, ["1 2"] * 30, 1), 2)
    next(results)
    results.close()
    assert left_processes() == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills as Linux does")
def test_a_killed_worker_ends_it_and_names_what_it_read(tmp_path, decoders):
    texts = ["fine"] * 7 + ["kill"] + ["fine"] * 4
    runs = files(tmp_path, texts)
    with pytest.raises(ConvertError) as died:
        list(map_runs(FileReader(tmp_path, decoders.Killed()), runs, 1))
    message = str(died.value)
    assert message.startswith("a worker process died (killed, or out of memory) while reading one of: ")
    assert "006.csv to 008.csv" in message
    assert message.endswith("no store was written; run it again, with fewer --workers if memory is short")
    assert left_processes() == []


def test_a_fault_of_a_decoder_is_not_hidden(tmp_path, decoders):
    runs = files(tmp_path, ["1"] * 8, 1)
    for workers in (0, 2):
        with pytest.raises(ZeroDivisionError, match="a fault of ours"):
            list(map_runs(FileReader(tmp_path, decoders.Faulty()), runs, workers))
    assert left_processes() == []


def test_no_runs_no_results(tmp_path):
    for workers in (0, 1):
        assert list(map_runs(FileReader(tmp_path, CSVDecoder()), [], workers)) == []


@dataclass
class Counting:
    """A reader without files."""

    def read(self, run):
        return Decoded([run], [np.array([float(run)])], stamps=[0], bytes_read=1)


def test_any_reader_will_do():
    assert [result.groups[0].stored.item() for result in map_runs(Counting(), range(5), 0)] == [0, 1, 2, 3, 4]


SCRIPT = """
import sys
import seekless
print("begin", __name__)
seekless.pack("data", "data.h5", workers=2, progress=False)
print("end", len(seekless.open("data.h5")), sys.modules["__main__"].__file__ == __file__)
"""


@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
def test_a_script_needs_no_main_guard(tmp_path, write_source, how):
    write_source({f"{number:02d}": [[number, 1.0]] for number in range(20)})
    (tmp_path / "script.py").write_text(SCRIPT)
    script = SCRIPT.replace('sys.modules["__main__"].__file__ == __file__', "True") if how != "file" else SCRIPT
    arguments = {"file": ["script.py"], "-c": ["-c", script], "stdin": ["-"]}[how]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        input=script,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("begin __main__\nend 20 True\n", "", 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills as Linux does")
def test_a_worker_killed_half_way_through_an_answer_is_noticed(tmp_path, decoders):
    """The executor's own thread then waits for the rest of the answer, and sees nothing."""
    runs = files(tmp_path, ["fine"] * 12, 1)
    with pytest.raises(ConvertError, match=r"a worker process died .* while reading one of: 0\d\d\.csv"):
        list(map_runs(FileReader(tmp_path, decoders.HalfAnswer()), runs, 2))
    assert left_processes() == []
