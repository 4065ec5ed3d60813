"""While batches are made, garbage is collected in a thread that nobody waits for, and it is collected."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import pytest
from kit.garbage import Garbage, wait_until

from seekless.loader import garbage
from seekless.loader.batches import BatchMaker
from seekless.loader.garbage import collector

COLLECTOR = "seekless-garbage"


class Kept:
    """Something that can be watched."""


@pytest.fixture(autouse=True)
def _from_idle(monkeypatch):
    """No collection of another test goes on, nor does one of these wait because that one took long."""
    monkeypatch.setattr(garbage, "LINGER", 0.1)
    wait_until(lambda: not collector.works)
    monkeypatch.setattr(collector, "_full_from", 0.0)
    assert gc.isenabled()
    yield
    wait_until(lambda: not collector.works)
    assert gc.isenabled()


def in_thread(function) -> None:
    thread = threading.Thread(target=function, name="another")
    thread.start()
    thread.join()


@pytest.mark.parametrize("run", [in_thread, lambda function: function()], ids=["another thread", "this thread"])
def test_garbage_is_collected_elsewhere_meanwhile(run):
    freed_in: list[str] = []

    def make():
        with collector.needed():
            for _ in range(10):
                Garbage(freed_in)
            wait_until(lambda: len(freed_in) == 10)

    run(make)
    assert set(freed_in) == {COLLECTOR}


def test_old_garbage_is_collected_too(monkeypatch):
    monkeypatch.setattr(garbage, "FULL_SHARE", 0)
    monkeypatch.setattr(garbage, "PAUSE", 0.001)
    freed_in: list[str] = []
    with collector.needed():
        garbage_to_be = Garbage(freed_in)
        gc.collect()
        assert any(old is garbage_to_be for old in gc.get_objects(2))
        del garbage_to_be
        wait_until(lambda: Garbage([]) and freed_in)
    assert freed_in == [COLLECTOR]


def test_little_garbage_is_collected_in_time(monkeypatch):
    monkeypatch.setattr(garbage, "YOUNG", 0.05)
    with collector.needed():
        cycle: list[object] = []
        cycle.append(cycle)
        kept = Kept()
        cycle.append(kept)
        gone = weakref.ref(kept)
        del cycle, kept
        wait_until(lambda: gone() is None)


def test_full_collections_are_a_small_part_of_the_time(monkeypatch):
    full, collect = [], gc.collect
    monkeypatch.setattr(gc, "collect", lambda generation=2: (full.append(generation == 2), collect(generation)))
    monkeypatch.setattr(garbage, "FULL_SHARE", 1e9)
    monkeypatch.setattr(garbage, "PAUSE", 0.001)
    with collector.needed():
        wait_until(lambda: Garbage([]) and len(full) >= 300)
    assert sum(full) == 1


def test_nothing_is_collected_where_nothing_was_made():
    generations = gc.get_stats()
    with collector.needed():
        collector._thread.join(5 * garbage.PAUSE)
    assert sum(stats["collections"] for stats in gc.get_stats()) <= sum(g["collections"] for g in generations) + 1


def test_where_nobody_needs_it_each_thread_collects_for_itself():
    freed_in: list[str] = []
    with collector.needed():
        assert not gc.isenabled()
    wait_until(gc.isenabled)

    def make():
        Garbage(freed_in)
        gc.collect()

    in_thread(make)
    assert freed_in == ["another"]


def test_where_collecting_is_off_it_stays_off():
    gc.disable()
    try:
        with collector.needed():
            assert not collector.works
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_it_goes_on_while_it_is_needed_and_begins_again(monkeypatch):
    monkeypatch.setattr(garbage, "LINGER", 0.01)
    for _ in range(3):
        with collector.needed():
            thread = collector._thread
            thread.join(10 * garbage.PAUSE)
            assert thread.is_alive()
            with collector.needed():
                assert collector._thread is thread
        wait_until(lambda: not collector.works)


def test_who_comes_as_it_ends_is_served(monkeypatch):
    monkeypatch.setattr(garbage, "LINGER", 0)
    monkeypatch.setattr(garbage, "PAUSE", 0)
    for _ in range(300):
        with collector.needed():
            wait_until(lambda: not gc.isenabled())


def test_where_no_thread_can_be_started_garbage_is_collected_as_ever(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with collector.needed():
            assert gc.isenabled()
    with collector.needed():
        assert not gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_collects_for_itself():
    code = """
import gc, os
from seekless.loader.garbage import collector
with collector.needed():
    assert not gc.isenabled()
    child = os.fork()
    if not child:
        assert gc.isenabled() and not collector.works
        with collector.needed():
            assert collector.works and not gc.isenabled()
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_at_the_end_of_a_process_python_collects_again():
    code = """
import atexit, gc
atexit.register(lambda: print(gc.isenabled()))
from seekless.loader.garbage import collector
collector.begin()
assert not gc.isenabled()
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_nothing_is_freed_here_while_a_sequence_makes_a_batch(sequence, monkeypatch):
    # Two iterations of TensorFlow may ask one Sequence: the one that was forgotten, which is waited for, waits in turn.
    freed_in: list[str] = []
    epoch = BatchMaker.epoch

    def making(self, *which):
        for batch in epoch(self, *which):
            Garbage(freed_in)
            yield batch

    monkeypatch.setattr(BatchMaker, "epoch", making)
    train = sequence()
    for step in range(20):
        train[step]
    wait_until(lambda: len(freed_in) == 20)
    assert set(freed_in) == {COLLECTOR}
