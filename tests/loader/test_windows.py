"""Windows are read ahead, two at a time; what is kept over the epochs changes no batch and is never stale."""

import errno
import itertools
import os
import shutil
import threading
import time
import weakref

import pytest
from kit.garbage import Garbage, wait_until

from seekless.errors import StoreFormatError
from seekless.loader import arrival
from seekless.loader.batches import BatchMaker
from seekless.loader.options import BatchOptions
from seekless.loader.windows import Windows
from seekless.store import reading as reading_module
from seekless.store.blocks import BlockReader


def maker(store, batch_size=32, **options) -> BatchMaker:
    return BatchMaker(store, BatchOptions(batch_size, **options))


def forms(batches) -> list:
    """What two lists of batches must have in common."""
    return [[(array.dtype, array.shape, array.tobytes()) for array in batch] for batch in batches]


@pytest.fixture
def reads(monkeypatch):
    """The names of the fields that were read from the file, a name a call."""
    names, read = [], BlockReader.read_parts

    def counting(self, parts, *how):
        parts = list(parts)
        if parts:
            names.append(self.table.field.name)
        return read(self, parts, *how)

    monkeypatch.setattr(BlockReader, "read_parts", counting)
    return names


def test_a_store_that_fits_a_window_is_read_once(numbered, reads):
    made = maker(numbered.store, 50)
    for epoch in range(3):
        list(made.epoch(epoch, first_step=epoch))
    assert sorted(reads) == ["x", "y"]


def test_a_larger_store_is_read_a_window_at_a_time_and_its_targets_once(numbered, reads):
    made = maker(numbered.store, 50, window_bytes=numbered.window_bytes, cache_bytes=0)
    windows = [made.order(epoch).windows for epoch in range(3)]
    for epoch in range(3):
        list(made.epoch(epoch))
    assert reads.count("x") == sum(windows)
    assert reads.count("y") == 1


def test_an_epoch_begun_later_reads_only_what_is_left(numbered, reads):
    made = maker(numbered.store, 50, window_bytes=numbered.window_bytes)
    list(made.epoch(0, first_step=made.steps - 1))
    assert reads.count("x") <= 2


def test_reading_stops_where_nothing_is_used(numbered, reads):
    batches = maker(numbered.store, 10, window_bytes=numbered.window_bytes).epoch()
    next(batches)
    time.sleep(0.1)
    # A slab is used, two wait, each of a window here; and a window is read ahead.
    assert reads.count("x") <= 4
    batches.close()


def test_two_windows_are_in_memory_at_most(numbered, monkeypatch):
    load, windows, most = Windows.load, [], []

    def noting(self, plan, buffers, follow):
        most.append(sum(window() is not None for window in windows))
        loaded = load(self, plan, buffers, follow)
        windows.append(weakref.ref(loaded.x))
        return loaded

    monkeypatch.setattr(Windows, "load", noting)
    list(maker(numbered.store, 10, window_bytes=numbered.window_bytes, cache_bytes=0).epoch())
    assert len(most) == 7
    assert max(most) <= 1  # and the one that is read then


@pytest.mark.parametrize("method", ["_read_once", "_take"], ids=["that reads", "that decodes"])
def test_no_thread_that_makes_batches_frees_garbage(numbered, monkeypatch, method):
    held, freed_in, threads = getattr(BlockReader, method), [], set()

    def littering(self, *how):
        Garbage(freed_in)
        threads.add(threading.current_thread().name)
        return held(self, *how)

    monkeypatch.setattr(BlockReader, method, littering)
    made = maker(numbered.store, 10, window_bytes=numbered.window_bytes, cache_bytes=0)
    for epoch in range(3):
        list(made.epoch(epoch))
    wait_until(lambda: freed_in)
    assert threads
    assert not threads & set(freed_in)


@pytest.mark.parametrize("batch_size", [5, 20], ids=["small batches", "large batches"])
@pytest.mark.parametrize("cache_bytes", [0, 200 * 12, 1 << 20], ids=["nothing kept", "some kept", "kept"])
def test_no_batch_is_held_back_for_a_window_that_is_there(numbered, monkeypatch, batch_size, cache_bytes):
    wait, late = arrival.Arrival.wait, []

    def noting(self, window, share):
        begun = time.monotonic()
        wait(self, window, share)
        late.append(time.monotonic() - begun >= arrival.HOLD)

    monkeypatch.setattr(arrival, "HOLD", 5)
    monkeypatch.setattr(arrival.Arrival, "wait", noting)
    made = maker(numbered.store, batch_size, window_bytes=numbered.window_bytes, cache_bytes=cache_bytes)
    for epoch in range(2):
        for _ in made.epoch(epoch):
            assert not any(late)
    assert late


@pytest.mark.parametrize("shuffle", ["window", "batch", "full", False], ids=str)
@pytest.mark.parametrize("cache_bytes", [0, 100 * 12, 300 * 12, 1 << 20, None], ids=str)
def test_what_is_kept_changes_no_batch(numbered, shuffle, cache_bytes):
    options = {"shuffle": shuffle, "window_bytes": numbered.window_bytes, "split": (0.1, 0.9), "seed": 5}
    reference = maker(numbered.store, 10, cache_bytes=0, **options)
    made = maker(numbered.store, 10, cache_bytes=cache_bytes, **options)
    for epoch in range(3):
        assert forms(made.epoch(epoch)) == forms(reference.epoch(epoch))


@pytest.mark.parametrize(
    ("cache_bytes", "read"), [(0, [58, 58, 58]), (29 * 84, [58, 29, 29]), (1 << 20, [58, 0, 0])], ids=str
)
def test_blocks_that_are_kept_are_not_read_again(numbered, monkeypatch, cache_bytes, read):
    blocks, spans = [], BlockReader._spans

    def noting(self, parts):
        for span in spans(self, parts):
            if self.table.field.name == "x":
                blocks.append(span.block)
            yield span

    monkeypatch.setattr(BlockReader, "_spans", noting)
    made, found = maker(numbered.store, 10, window_bytes=numbered.window_bytes, cache_bytes=cache_bytes), []
    for epoch in range(3):
        blocks.clear()
        list(made.epoch(epoch))
        found.append(len(blocks))
        assert made.kept_bytes <= cache_bytes
    assert found == read


def test_a_part_that_fits_two_windows_is_kept_and_a_larger_one_is_not(numbered):
    for window, kept in ((202 * 12, 403 * 12), (201 * 12, 0)):
        made = maker(numbered.store, 10, window_bytes=window)
        list(made.epoch())
        assert made.kept_bytes == kept
        made.forget()
        assert made.kept_bytes == 0


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20], ids=["read again", "kept"])
def test_a_store_that_is_replaced_between_epochs_is_noticed(numbered, reading, cache_bytes, damage):
    made = maker(numbered.store, 10, window_bytes=numbered.window_bytes, cache_bytes=cache_bytes)
    list(made.epoch(0))
    damage(numbered.store, 20)
    os.utime(numbered.store.path)
    with pytest.raises(StoreFormatError, match=r"numbered\.h5: block 20 of x is damaged: .* if it was replaced"):
        list(made.epoch(1))
    assert not reading()
    numbered.store.path.unlink()
    with pytest.raises(FileNotFoundError, match=r"numbered\.h5"):
        list(made.epoch(2))
    assert not reading()


def test_verify_reaches_the_blocks(numbered, damage):
    damage(numbered.store, 20)
    assert len(list(maker(numbered.store, 10, verify="never").epoch())) == 41
    made = maker(numbered.store, 10, cache_bytes=0, verify="always")
    damage(numbered.store, 20)  # the same bit again
    list(made.epoch())
    status = numbered.store.path.stat()
    damage(numbered.store, 20)
    os.utime(numbered.store.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(StoreFormatError, match="block 20 of x is damaged"):
        list(made.epoch(1))


def cut(store) -> None:
    os.truncate(store.path, int(store.tables["x"].offset[9]) + 5)


def replace(store) -> None:
    other = store.path.with_suffix(".other")
    shutil.copy(store.path, other)
    with open(other, "r+b") as file:
        for offset in store.tables["x"].offset[5:].tolist():
            file.seek(offset)
            file.write(b"other")
    os.replace(other, store.path)


WRONG = {
    "cut short": (cut, StoreFormatError, r"numbered\.h5: block \d+ of x: found the end of the file .* cut short"),
    "replaced": (
        replace,
        StoreFormatError,
        r"numbered\.h5: block \d+ of x is damaged: .* open the store again if it was",
    ),
}


@pytest.mark.parametrize(("change", "kind", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("cache_bytes", [0, 200 * 12, 1 << 20], ids=["nothing kept", "some kept", "kept"])
@pytest.mark.parametrize("used", [1, 15, 41], ids=str)
def test_a_store_that_changes_amid_epochs_is_an_error_and_no_wrong_batch(
    numbered, reading, change, kind, message, cache_bytes, used
):
    options = {"window_bytes": numbered.window_bytes, "cache_bytes": cache_bytes, "dtype": None}
    made, given = maker(numbered.store, 10, **options), []

    def use():
        for batch in itertools.chain.from_iterable(map(made.epoch, range(4))):
            given.append(numbered.numbers(batch))  # each sample shows its number
            if len(given) == used:
                change(numbered.store)

    with pytest.raises(kind, match=message):
        use()
    assert used <= len(given) <= used + 41
    assert not reading()


@pytest.mark.parametrize("failing", [1, 4])
def test_a_block_that_the_disk_cannot_read_ends_an_epoch_with_its_name(numbered, monkeypatch, reading, failing):
    reads, read = [], reading_module._read_at

    def sometimes(descriptor, buffers, offset):
        reads.append(offset)
        if len(reads) == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(reading_module, "_read_at", sometimes)
    with pytest.raises(OSError, match=r"numbered\.h5: block \d+ of x cannot be read: Input/output error"):
        list(maker(numbered.store, 10, window_bytes=numbered.window_bytes, cache_bytes=0).epoch())
    assert not reading()
