"""Memory comes back when nobody holds it, and never before."""

import threading

import numpy as np
import pytest

from seekless.store.buffers import ALIGNED, Buffers


def address(array) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("shape", [(), (0,), (3,), (0, 5), (4, 3, 2), (100_000,)], ids=str)
@pytest.mark.parametrize("dtype", ["u1", "<f4", "S7", "<f8"])
def test_arrays_have_their_shape_and_are_aligned(shape, dtype):
    array = Buffers(2).empty(shape, dtype)
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert address(array) % ALIGNED == 0 or not array.size
    array[...] = np.ones((), dtype)
    assert (array == np.ones((), dtype)).all()


def test_memory_is_used_again():
    buffers = Buffers(2)
    array = buffers.empty((1000,), "f4")
    first = address(array)
    del array
    assert address(buffers.empty((990,), "f4")) == first  # a shorter last batch


@pytest.mark.parametrize(
    "hold",
    [
        lambda array: array,
        lambda array: array[3:],
        lambda array: array[5:].reshape(-1, 5)[1:].T,
        lambda array: array.view("u4"),
        memoryview,
        lambda array: memoryview(array[7:]),
        lambda array: np.frombuffer(array, "u1"),
    ],
    ids=["itself", "slice", "view of a view", "dtype", "memoryview", "memoryview of a slice", "frombuffer"],
)
def test_memory_that_somebody_holds_is_not_used_again(hold):
    buffers = Buffers(2)
    array = buffers.empty((1000,), "f4")
    array[...] = 7
    held = hold(array)
    del array
    others = [buffers.empty((1000,), "f4") for _ in range(4)]
    for other in others:
        other[...] = 0
    assert np.asarray(held).tobytes().strip(np.float32(7).tobytes()) == b""


def test_no_more_memory_is_kept_than_told():
    buffers = Buffers(2)
    arrays = [buffers.empty((1000,), "u1") for _ in range(5)]
    arrays.clear()
    assert len(buffers._free) == 2


def test_far_larger_memory_is_not_used_for_a_small_array():
    buffers = Buffers(2)
    buffers.empty((1 << 20,), "u1")
    small = buffers.empty((1 << 17,), "u1")
    assert address(small) not in range(buffers._free[0][1], buffers._free[0][1] + (1 << 20))


def test_arrays_up_to_the_least_size_share_their_memory():
    buffers = Buffers(2, least=1 << 20)
    places = set()
    for size in (1, 1 << 20, 1000, 1 << 18):
        places.add(address(buffers.empty((size,), "u1")))
    assert len(places) == 1


def test_threads_never_share_memory():
    buffers, wrong = Buffers(3), []

    def use(number):
        for _ in range(500):
            array = buffers.empty((64,), "u8")
            array[...] = number
            wrong.extend([number] if (array != number).any() else [])

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
