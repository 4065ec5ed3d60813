"""A store as a Keras dataset."""

import sys
from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any

import keras

from seekless.errors import MissingExtraError, OptionError
from seekless.loader.asking import asks_keras, steps_of_epoch, takes_endless, warn_of_prediction
from seekless.loader.batches import BatchMaker
from seekless.loader.feed import Feed
from seekless.loader.mixing import Description, describe
from seekless.loader.options import WINDOW_BYTES, BatchOptions
from seekless.loader.passes import Place
from seekless.loader.state import State
from seekless.loader.targets import class_weights
from seekless.store.splits import Split
from seekless.store.store import Store
from seekless.store.store import open as open_store

__all__ = ["StoreSequence"]


class StoreSequence(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Batches of a store for `fit`, `evaluate` and `predict`.

    When shuffled, the index that Keras asks for is not a position in the data: the k-th request of a pass gets the k-th
    batch of the epoch's own order, which reads the disk in long runs, whatever order Keras asks in. (Its default,
    `fit(shuffle=True)`, permutes indices.) Every sample comes once an epoch; the same seed gives the same batches; a
    second `fit` goes on with the next epoch. When not shuffled, Keras gets the store's order whatever it asks, and you
    get batch i by index i.

    Args:
        store: An open store, its path, or a URL of it.
        batch_size: Samples in a batch; the last of an epoch may be shorter.
        split: "train" or "test" as the conversion recorded them, a pair of fractions such as (0.0, 0.9), or None for
            the whole store.
        shuffle: "window" mixes samples inside windows of randomly chosen blocks; "batch" puts slices of a batch each in
            random order and "full" every sample anywhere, which both seek; False gives the store's order. None is
            "window", but False where split is "test".
        seed: Draws the order.
        window_bytes: Decoded bytes of x that are mixed at one time; two windows are in memory.
        one_hot: Give class targets as float32 rows with a single 1.
        dtype: The dtype of x, scaled by one division so that pictures come as 0 to 1; None for stored values.
        shard: (rank, ranks), for one of several ranks that train together: other samples than theirs, as many batches.
        drop_remainder: Leave out the samples that fill no whole batch; another lot each epoch if shuffled. "uneven"
            leaves out only those, fewer than ranks, by which a batch of one rank would be longer than that of another.
        transform: f(x, y, rng) that gives (x, y) again, after scaling; rng follows from seed, epoch and step alone.
        reader: By what blocks are read: "pread", through the page cache; "direct", past it; or "auto", which reads past
            it where an epoch is more than twice the memory that is left, and what is reached by URL by ranges.
        verify: When a block of x is compared with its checksum: "first-epoch", when it is first read and after its file
            changed; "always", each time it is read; "never", where a file that changed is an error.
        cache_bytes: Decoded bytes of x that stay in memory over the epochs at most; no batch depends on it. None keeps
            a part that fits two windows, which would be in memory at a time anyhow, and nothing of a larger one.
        workers: Threads that check and decompress blocks, two at the least; and processes that run the transform, if
            `use_multiprocessing`.
        use_multiprocessing: Run the transform in other processes; no batch changes by it. Keras itself is told of one
            worker and no processes.
        max_queue_size: Batches that wait in those processes at most.

    Raises:
        StoreNotFoundError: There is no store at the path.
        OptionError: An option has a value that cannot be used.

    Example:
        >>> train = seekless.StoreSequence("data.h5", 64, split=(0.0, 0.9))  # doctest: +SKIP
        >>> model.fit(train, epochs=5)  # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0913 (the options stand in the signature)
        self,
        store: Store | str | PathLike[str],
        batch_size: int = 32,
        *,
        split: Split = None,
        shuffle: str | bool | None = None,
        seed: int = 0,
        window_bytes: int = WINDOW_BYTES,
        one_hot: bool = False,
        dtype: str | None = "float32",
        shard: tuple[int, int] = (0, 1),
        drop_remainder: bool | str = False,
        transform: Callable[..., Any] | None = None,
        reader: str = "auto",
        verify: str = "first-epoch",
        cache_bytes: int | None = None,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
    ) -> None:
        super().__init__()  # to Keras this has one worker: our own threads and processes keep the order
        if workers < 1 or max_queue_size < 1:
            raise OptionError(
                f"workers, max_queue_size: found {workers} and {max_queue_size}, expected 1 or more of each"
            )
        self.store = store if isinstance(store, Store) else open_store(store)
        options = BatchOptions(
            batch_size=batch_size,
            split=split,
            shuffle=shuffle,
            seed=seed,
            window_bytes=window_bytes,
            one_hot=one_hot,
            dtype=dtype,
            shard=shard,
            drop_remainder=drop_remainder,
            transform=transform,
            reader=reader,
            verify=verify,
            cache_bytes=cache_bytes,
        )
        processes = min(workers, max_queue_size) if use_multiprocessing else 0
        self._feed = Feed(BatchMaker(self.store, options, processes, workers))
        self._warned = False  # of a prediction in a random order

    def __len__(self) -> int:
        return self._feed.passes.length

    @property
    def _maker(self) -> BatchMaker:
        return self._feed.maker

    @property
    def error(self) -> BaseException | None:
        """Why the last request failed; None where it did not. TensorFlow passes on no more than its text."""
        return self._feed.error

    @property
    def num_batches(self) -> int | None:
        """Batches in a pass. Keras reads this when it begins a pass over the data.

        Keras gets None, for a pass without end, where its `steps_per_epoch` do not cut an epoch into whole slices.
        """
        frame = sys._getframe(1)
        if self._maker.options.shuffle and not self._warned:
            self._warned = warn_of_prediction(frame, self._maker.options.shuffle)
        passes = self._feed.passes
        with self._feed.alone():
            steps = steps_of_epoch(frame, self)
            if steps is not None:
                passes.cut(steps)
            passes.ask()
            return None if passes.endless and takes_endless(frame) else passes.length

    @property
    def samples(self) -> int:
        """Samples of this rank in an epoch."""
        return self._maker.dealt.samples

    @property
    def samples_of_all(self) -> int:
        """Samples of all ranks in an epoch."""
        return self._maker.dealt.used

    def class_weights(self) -> dict[int, float]:
        """Return weights for `fit(class_weight=...)` that make all classes of the part count the same.

        It reads targets alone: samples / (classes * samples of the class), for each class that has samples.

        Raises:
            OptionError: Targets are no classes.
        """
        return class_weights(self.store, self._maker.sizes.line.ranges)

    def describe(self) -> Description:
        """Return what batches are made of, and how well they are mixed; `print` it.

        It measures a few windows of epoch 0 and reads targets alone.
        """
        return describe(self._maker)

    def __getitem__(self, index: int) -> Any:
        """Return a batch: the next of the epoch's order if shuffled, else batch `index`.

        Args:
            index: 0 to len(self) - 1.

        Returns:
            (x, y), or x alone for a store without targets; (x, y, sample_weight) for one that holds weights. x: (batch,
            *sample_shape), float32 unless `dtype` says otherwise, or a dictionary of several inputs by name; y: int64
            (batch,) for classes, float32 (batch, classes) if `one_hot`, numbers of the dtype that the source had.

        Raises:
            IndexError: The index is no batch's.
            StoreError: The store is damaged.
        """
        keras_asks = asks_keras(sys._getframe(1))
        known = index < self._maker.steps or (keras_asks and self._maker.steps)  # Keras counts on in a pass without end
        if index < 0 or not known:
            raise IndexError(f"found batch {index}, expected 0 to {self._maker.steps - 1}")
        if self._maker.options.shuffle or keras_asks:
            return self._feed.next()
        return self._feed.at((0, index))

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of an epoch: the rest of one after `restore`, else the next one whole."""
        with self._feed.alone():
            epoch, first = self._feed.passes.loop()
        for step in range(first, self._maker.steps):
            if self._maker.options.shuffle:
                yield self._feed.next()
            else:  # by number, so that two loops side by side do not take batches from each other
                yield self._feed.use((epoch, step))

    def on_epoch_begin(self) -> None:
        """Note that Keras announces an epoch."""
        with self._feed.alone():
            self._feed.passes.begin()

    def on_epoch_end(self) -> None:
        """Note that Keras says the epoch is over."""
        with self._feed.alone():
            self._feed.passes.end()

    def state(self) -> State:
        """Return the place after the last batch that was given out, to be restored later.

        In `fit` Keras takes batches some steps before it trains on them: use `seekless.SaveState`, which counts steps
        that are finished.
        """
        with self._feed.alone():
            return self.state_at(*self._feed.passes.position)

    def restore(self, state: State) -> None:
        """Go on where a state was taken: with exactly the batches that had not been used.

        `len` is then the rest of that epoch, and one pass (one epoch of `fit`) runs it; later passes are whole epochs.
        The number of workers may differ, and between two epochs all else too, such as the number of ranks.

        Args:
            state: From `state`, or from `seekless.SaveState`.

        Raises:
            OptionError: The state stands amid an epoch whose batches are others than those of this Sequence.
        """
        self._feed.restore(state)

    def to_tf_dataset(self) -> Any:
        """Return the same batches as a `tf.data.Dataset`, which hands stored values on to TensorFlow to scale them.

        Each iteration is an epoch, the next one of this Sequence (or the rest of one, after `restore`); one that is cut
        short is used up too. Its batches are those of the Sequence bit for bit.

        Raises:
            MissingExtraError: TensorFlow is not installed.
        """
        from seekless.loader.tensorflow import dataset

        return dataset(self._maker, len(self), self._feed.begin_pass, self._feed.note)

    def to_torch(self) -> Any:
        """Return the same batches as a `torch.utils.data.IterableDataset`, for a DataLoader with `batch_size=None`.

        Each iteration is an epoch; it counts them itself, from where this Sequence stands. The workers of the loader
        share the batches of an epoch, see `seekless.loader.torch`.

        Raises:
            MissingExtraError: PyTorch is not installed.

        Example:
            >>> loader = torch.utils.data.DataLoader(train.to_torch(), None, num_workers=2)  # doctest: +SKIP
        """
        try:
            from seekless.loader.torch import StoreDataset
        except ImportError as error:
            raise MissingExtraError(
                f'to_torch: found no PyTorch ({error}), expected it; install it with pip install "seekless[torch]"'
            ) from error
        return StoreDataset(self._maker, self.upcoming)

    def close(self) -> None:
        """Stop reading ahead, and free what was read; the next request begins to read again where it stands.

        A training that was interrupted leaves a window waiting, which Keras may hold on to.
        """
        self._feed.close()

    def state_at(self, epoch: int, steps: int) -> State:
        """Return the state of a place.

        Args:
            epoch: The epoch.
            steps: Batches of it that were used.
        """
        return State(self._maker.options.seed, epoch, steps, self._maker.described)

    @property
    def upcoming(self) -> Place:
        """The place, (epoch, step), at which a pass begins that begins now."""
        with self._feed.alone():
            return self._feed.passes.upcoming

    @property
    def steps(self) -> int:
        """Batches in a whole epoch; `len` is the rest of one after `restore`."""
        return self._maker.steps
