"""Processes that read a pass together agree on its number, and no two passes have the same."""

import multiprocessing
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekless.loader.agreed import KEPT, AgreedPasses


def ask(passes, names, queue):
    queue.put([passes.number(name, 3) for name in names])


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_get_one_number_for_each_pass(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    context = multiprocessing.get_context(method)
    passes, queue = AgreedPasses(), context.Queue()
    assert passes.number() == 0
    names = [(-5, 0), (-5, 1), (2**62, 0), (0, 0)]
    processes = [context.Process(target=ask, args=(passes, names, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert found == [[1, 2, 3, 4]] * 3
    assert passes.begun == 5
    assert passes.number() == 5


@given(st.lists(st.integers(1, 5), max_size=3 * KEPT))
def test_passes_one_behind_the_other_are_numbered_in_turn(together):
    passes = AgreedPasses()
    for number, processes in enumerate(together):
        assert [passes.number((7, 7), processes) for _ in range(processes)] == [number] * processes


def test_a_process_that_is_late_finds_its_pass():
    passes = AgreedPasses()
    assert [passes.number((1, pass_), 2) for pass_ in range(KEPT)] == list(range(KEPT))
    assert [passes.number((1, pass_), 2) for pass_ in range(KEPT)] == list(range(KEPT))


def test_a_copy_by_pickle_counts_on_by_itself():
    passes = AgreedPasses()
    passes.number()
    copy = pickle.loads(pickle.dumps(passes))
    assert [copy.number(), copy.number(), passes.number()] == [1, 2, 1]
