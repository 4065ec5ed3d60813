"""Ours: a store, its batches taken in loops with and without Keras, and in Keras' fit."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from rivals.way import Batch, Iterated, Source

__all__ = ["Batches", "InFit", "Store"]


def import_codecs() -> None:
    """Import what decompresses blocks, which seekless does when the first of them is read."""
    for name in ("blosc2", "lz4.block", "zstandard"):
        import_module(name)


class Store(Iterated):
    """`for x, y in StoreSequence(store, 64)`."""

    @classmethod
    def packed_as(cls) -> str:
        return "store"

    def load(self) -> None:
        import seekless

        _ = seekless.StoreSequence, seekless.pack
        import_codecs()

    def pack(self, source: Source, target: Path) -> None:
        import seekless

        seekless.pack(source.folder, target / "data.h5", progress=False)

    def open(self, source: Source, target: Path, batch: int) -> None:
        import seekless

        self._sequence = seekless.StoreSequence(target / "data.h5", batch)

    def batches(self, epoch: int) -> Iterator[Batch]:
        return iter(self._sequence)


class Batches(Store):
    """`for x, y in store.batches(64)`: needs no Keras."""

    def load(self) -> None:
        import seekless

        _ = seekless.batches, seekless.pack, seekless.open
        import_codecs()

    def open(self, source: Source, target: Path, batch: int) -> None:
        import seekless

        self._store, self._batch = seekless.open(target / "data.h5"), batch

    def batches(self, epoch: int) -> Iterator[Batch]:
        return self._store.batches(self._batch, epoch=epoch)  # type: ignore[return-value]


class InFit(Store):
    """`model.fit(StoreSequence(store, 64))`."""

    def load(self) -> None:
        from rivals.fitting import fit

        super().load()
        _ = fit

    def run(self, epoch: int, see: Callable[[Any, Any], None] | None = None) -> int:
        from rivals.fitting import fit

        return fit(see, self._sequence)
