"""Threads that make batches leave garbage to the others, which still free it."""

import gc
import threading

from kit.garbage import Garbage

from seekless.loader.batches import BatchMaker
from seekless.loader.garbage import leave_garbage, leaving_garbage

HERE = threading.current_thread().name


def collected() -> list[str]:
    freed_in: list[str] = []
    Garbage(freed_in)
    gc.collect()
    return freed_in.copy()


def in_thread(function) -> None:
    thread = threading.Thread(target=function, name="another")
    thread.start()
    thread.join()


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


def test_a_thread_leaves_it_and_the_others_do_not():
    found = []

    def leave():
        leave_garbage()
        found.append(collected())

    in_thread(leave)
    in_thread(lambda: found.append(collected()))
    assert found == [[], ["another"]]
    assert collected() == [HERE]


def test_nothing_is_held_when_a_collection_is_over():
    with leaving_garbage():
        kept = [[]]
        gc.collect()
        assert len(gc.get_referrers(kept[0])) == 1


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
