"""One item ahead, in order, and a thread that ends with whatever ends the reading."""

import itertools
import threading
import time

import pytest

from seekless.loader.ahead import Ahead

WAIT = 10  # seconds; a hang fails instead of stopping the run


class Steps:
    """A source that counts what was taken from it and can be made to wait before an item."""

    def __init__(self, items, *, wait_at=None):
        self.items = iter(items)
        self.taken = 0
        self.threads = set()
        self.wait_at = wait_at
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.current_thread())
        if self.taken == self.wait_at:
            self.reached.set()
            assert self.go_on.wait(WAIT)
        item = next(self.items)
        self.taken += 1
        return item


def settled(ahead: Ahead) -> None:
    """Wait until the item on its way has come."""
    end = time.monotonic() + WAIT
    while not ahead._work.answers.qsize():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("items", [[], [1], [1, 2, 3], [None, (), 0, False]], ids=["none", "one", "three", "falsy"])
def test_items_come_in_order(items):
    assert list(Ahead(iter(items))) == items


def test_a_long_source_comes_in_order():
    assert list(Ahead(iter(range(5000)))) == list(range(5000))


def test_items_are_taken_in_other_threads_one_at_a_time():
    source = Steps(range(20))
    assert list(Ahead(source)) == list(range(20))
    assert threading.current_thread() not in source.threads


def test_one_item_at_most_is_taken_ahead():
    source = Steps(range(10))
    ahead = Ahead(source)
    for used in range(5):
        settled(ahead)
        assert source.taken == used + 1
        assert next(ahead) == used
    ahead.close()
    assert source.taken in (5, 6)


def test_the_next_item_is_taken_while_the_current_one_is_used():
    source = Steps(range(3), wait_at=1)
    ahead = Ahead(source)
    assert next(ahead) == 0
    assert source.reached.wait(WAIT)  # item 1 is asked for though nobody wants it yet
    source.go_on.set()
    assert list(ahead) == [1, 2]


@pytest.mark.parametrize("error", [ValueError("block 3 is damaged"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_an_error_of_the_source_is_raised_at_its_place(error, reading):
    def source():
        yield 1
        yield 2
        raise error

    ahead = Ahead(source())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(type(error)) as caught:
        next(ahead)
    assert caught.value is error
    assert not reading()
    with pytest.raises(StopIteration):
        next(ahead)


def test_the_end_stays_the_end(reading):
    ahead = Ahead(iter([1]))
    assert list(ahead) == [1]
    assert not reading()
    assert list(ahead) == []


@pytest.mark.parametrize("used", [0, 1, 3])
def test_nothing_comes_after_close(used):
    ahead = Ahead(itertools.count())
    assert [next(ahead) for _ in range(used)] == list(range(used))
    ahead.close()
    assert list(ahead) == []
    ahead.close()  # once more does no harm


def test_close_waits_for_the_item_on_its_way():
    source = Steps(range(3), wait_at=0)
    ahead = Ahead(source)
    assert source.reached.wait(WAIT)
    threading.Timer(0.05, source.go_on.set).start()
    ahead.close()
    assert source.taken == 1


@pytest.mark.parametrize("used", [0, 1, 3])
def test_no_thread_outlives_its_item_though_somebody_keeps_the_rest(used, reading):
    ahead = Ahead(itertools.count())
    assert [next(ahead) for _ in range(used)] == list(range(used))
    assert not reading()
    assert next(ahead) == used


def test_a_thread_takes_its_item_while_nobody_asks(reading):
    source = Steps(range(3), wait_at=0)
    ahead = Ahead(source)
    assert source.reached.wait(WAIT)
    assert len(reading(patience=0)) == 1
    source.go_on.set()
    assert not reading()
    assert list(ahead) == [0, 1, 2]
