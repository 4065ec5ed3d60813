"""Threads that make batches leave garbage to the others, which still free it."""

import gc
import threading
import time

import pytest
from kit.garbage import Garbage

from seekless.loader import garbage
from seekless.loader.batches import BatchMaker
from seekless.loader.garbage import leave_garbage, leaving_garbage

HERE = threading.current_thread().name
COLLECTOR = "seekless-garbage"


@pytest.fixture
def _no_collector(monkeypatch):
    """Garbage is not collected by the thread that does it instead."""
    monkeypatch.setattr(garbage.Collector, "begin", lambda self: None)
    end = time.monotonic() + 10
    while garbage._collector.thread.is_alive():
        assert time.monotonic() < end
        time.sleep(0.01)


def collected() -> list[str]:
    freed_in: list[str] = []
    Garbage(freed_in)
    gc.collect()
    return freed_in.copy()


def in_thread(function) -> None:
    thread = threading.Thread(target=function, name="another")
    thread.start()
    thread.join()


@pytest.mark.usefixtures("_no_collector")
def test_what_is_left_meanwhile_is_freed_afterwards():
    freed_in: list[str] = []
    with leaving_garbage():
        Garbage(freed_in)
        with leaving_garbage():
            gc.collect()
        gc.collect()
        assert freed_in == []
    gc.collect()
    assert freed_in == [HERE]


@pytest.mark.usefixtures("_no_collector")
def test_young_garbage_is_left_too():
    freed_in: list[str] = []
    gc.collect()
    with leaving_garbage():
        Garbage(freed_in)
        for generation in range(3):
            gc.collect(generation)
        made = [[] for _ in range(50_000)]  # by far enough to begin collections
    assert freed_in == []
    del made


@pytest.mark.usefixtures("_no_collector")
def test_a_thread_leaves_it_and_the_others_do_not():
    found = []

    def leave():
        leave_garbage()
        found.append(collected())

    in_thread(leave)
    in_thread(lambda: found.append(collected()))
    assert found == [[], ["another"]]
    assert collected() == [HERE]


@pytest.mark.usefixtures("_no_collector")
def test_nothing_is_held_when_a_collection_is_over():
    with leaving_garbage():
        kept = [[]]
        gc.collect()
        assert len(gc.get_referrers(kept[0])) == 1


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_what_a_thread_leaves_is_collected_by_one_that_nobody_waits_for(generation):
    freed_in: list[str] = []
    gc.disable()
    try:
        with leaving_garbage():
            Garbage(freed_in)
            gc.collect(generation)
            if generation == 1:  # its garbage has become old
                gc.collect(2)
            end = time.monotonic() + 10
            while not freed_in:
                assert time.monotonic() < end
                time.sleep(0.001)
    finally:
        gc.enable()
    assert freed_in == [COLLECTOR]


def test_that_thread_ends_when_it_is_not_needed_and_begins_again(monkeypatch):
    monkeypatch.setattr(garbage, "LINGER", 0.01)
    for _ in range(2):
        with leaving_garbage():
            assert garbage._collector.thread.is_alive()
        garbage._collector.thread.join(10)
        assert not garbage._collector.thread.is_alive()


@pytest.mark.usefixtures("_no_collector")
def test_nothing_is_freed_while_a_sequence_makes_a_batch(sequence, monkeypatch):
    # Two iterations of TensorFlow may ask one Sequence: the one that was forgotten, which is waited for, waits in turn.
    freed_in: list[str] = []
    epoch = BatchMaker.epoch

    def collecting(self, *which):
        for batch in epoch(self, *which):
            Garbage(freed_in)
            gc.collect()
            yield batch

    monkeypatch.setattr(BatchMaker, "epoch", collecting)
    train = sequence()
    for step in range(3):
        train[step]
    assert freed_in == []
    gc.collect()
    assert freed_in == [HERE] * 3
