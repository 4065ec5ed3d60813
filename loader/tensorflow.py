"""A store's batches as a tf.data.Dataset: slabs of stored values cross into TensorFlow, which cuts and scales them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from seekless.errors import LoaderError, MissingExtraError
from seekless.loader.batches import BatchMaker
from seekless.loader.passes import Place
from seekless.loader.transform import Batch
from seekless.store.inputs import as_x

__all__ = ["dataset"]

# What crosses at once: windows in pieces, so that no second copy of a whole window is made. Smaller pieces cost more
# crossings, larger ones memory; from 1 to 64 MiB the time differed little.
SLAB_BYTES = 4 << 20
# Batches that wait: one, and more of small ones, which a model uses up while the next slab is made.
WAITING_BYTES = 4 << 20
WAITING = (1, 32)

# Begins a pass: gives what makes its batches, and the place of the first.
Begin = Callable[[], tuple[BatchMaker, Place]]
Arrays = Iterator[tuple[Any, ...]]


def dataset(maker: BatchMaker, length: int, begin: Begin, failed: Callable[[BaseException], None]) -> Any:
    """Return a dataset each of whose iterations is a pass.

    Args:
        maker: What makes the batches.
        length: Batches in a pass.
        begin: Called when the first batch of an iteration is wanted; its maker may differ by the seed.
        failed: Told of an error, of which TensorFlow passes on no more than the text.

    Returns:
        A `tf.data.Dataset` of (x, y) or (x, y, sample_weight), bit for bit what `BatchMaker.epoch` yields; of x alone
        without targets.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    tf = _tensorflow()
    # TensorFlow would round float16 of a float32 twice; and a transform is the user's own Python.
    by_numpy = maker.options.transform is not None or np.dtype(maker.options.dtype or "float32").itemsize < 4
    made = (_of_batches if by_numpy and length else _of_slabs)(tf, maker, _Passes(length, begin, failed))
    if len(made.element_spec) == 1:
        made = made.map(lambda x: x)
    made = made.apply(tf.data.experimental.assert_cardinality(length))
    least, most = WAITING
    return made.prefetch(min(max(least, WAITING_BYTES // _batch_bytes(maker)), most))


def _tensorflow() -> Any:
    try:
        import tensorflow as tf
    except ImportError as error:
        raise MissingExtraError(
            f"to_tf_dataset: found no TensorFlow ({error}), expected it; install it with "
            'pip install "seekless[tensorflow]"'
        ) from error
    return tf


def _batch_bytes(maker: BatchMaker) -> int:
    fields = [maker.store.header.fields[name] for name in maker.store.header.inputs]
    of = [
        field.sample_bytes // field.dtype.itemsize * np.dtype(maker.options.dtype or field.dtype).itemsize
        for field in fields
    ]
    return max(1, maker.options.batch_size * sum(of))


class _Passes:
    """Begins passes, and notes what goes wrong in them.

    Args:
        length: Batches in a pass.
        begin: As of `dataset`.
        failed: As of `dataset`.
    """

    def __init__(self, length: int, begin: Begin, failed: Callable[[BaseException], None]) -> None:
        self._length, self._begin, self._failed = length, begin, failed

    def generate(self, arrays: Callable[[BatchMaker, int, int], Arrays]) -> Arrays:
        """Yield what a function makes of the next pass, given its maker, epoch and first step."""
        try:
            maker, (epoch, step) = self._begin()
            if maker.steps - step != self._length:
                raise LoaderError(
                    f"to_tf_dataset: found a pass of {maker.steps - step} batches, expected {self._length}, as when "
                    "the dataset was made; make another one for what comes after a restored place"
                )
            yield from arrays(maker, epoch, step)
        except Exception as error:
            self._failed(error)
            raise


def _of_batches(tf: Any, maker: BatchMaker, passes: _Passes) -> Any:
    """Return a dataset of batches that cross as they are."""
    spec = tf.nest.map_structure(lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), _example(maker))
    return tf.data.Dataset.from_generator(
        lambda: passes.generate(lambda maker, epoch, step: maker.epoch(epoch, step)), output_signature=spec
    )


def _example(maker: BatchMaker) -> Batch:
    """Make a batch, to see what a transform makes of it: the first of the store's own order, and no more than it."""
    options = maker.options
    window = max(1, options.batch_size * maker.store.header.sample_bytes)
    first = BatchMaker(maker.store, replace(options, shuffle=False, shard=(0, 1), window_bytes=window))
    return next(iter(first.epoch(0, 0, 1)))


def _of_slabs(tf: Any, maker: BatchMaker, passes: _Passes) -> Any:
    """Return a dataset of batches that are cut out of slabs and scaled by TensorFlow."""
    options, header = maker.options, maker.store.header
    fields = [header.fields[name] for name in header.inputs]
    dtypes = [np.dtype(options.dtype or field.dtype) for field in fields]
    divisors = [1 if options.dtype is None else field.encoding.divisor * field.scale for field in fields]
    classes = header.class_count if options.one_hot else 0
    unfinished = lru_cache(1)(BatchMaker.unfinished)  # of one maker unless the seed changes; it keeps what it has read
    together = max(1, SLAB_BYTES // max(1, options.batch_size * header.sample_bytes))

    def slabs(maker: BatchMaker, epoch: int, step: int) -> Arrays:
        with closing(unfinished(maker).slabs(epoch, step, together)) as made:
            for arrays, size in made:
                # A constant divisor would be optimized to a multiplication, which gives other bits for many values.
                yield *arrays, np.int64(size), *map(np.array, divisors, dtypes)

    def cut(*slab: Any) -> Any:
        count = len(slab) - len(fields) - 1
        size, divided_by = slab[count], slab[count + 1 :]
        return tf.data.Dataset.from_tensors(slab[:count]).rebatch(size).map(lambda *batch: finished(batch, divided_by))

    def finished(arrays: tuple[Any, ...], divided_by: tuple[Any, ...]) -> Any:
        inputs = [tf.cast(x, dtype) for x, dtype in zip(arrays, dtypes, strict=False)]
        inputs = [x if of == 1 else x / by for x, of, by in zip(inputs, divisors, divided_by, strict=True)]
        beside = arrays[len(fields) :]
        y = tuple(tf.one_hot(y, classes) for y in beside[:1]) if classes else beside[:1]
        batch = (as_x(dict(zip(header.inputs, inputs, strict=True))), *y, *beside[1:])
        if options.drop_remainder:  # every batch is full: let graphs be compiled for their shape
            batch = tf.nest.map_structure(lambda a: tf.ensure_shape(a, (options.batch_size, *a.shape[1:])), batch)
        return batch

    spec = tuple(tf.TensorSpec((None, *shape), of) for shape, of in maker.stored_arrays)
    spec = (*spec, tf.TensorSpec((), tf.int64), *(tf.TensorSpec((), dtype) for dtype in dtypes))
    crossed = tf.data.Dataset.from_generator(lambda: passes.generate(slabs), output_signature=spec)
    return crossed.prefetch(1).flat_map(cut)
