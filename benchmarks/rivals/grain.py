"""Grain over an ArrayRecord file, shuffled by its global shuffle."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rivals.way import Batch, Iterated, Source, as_floats

__all__ = ["Grain"]


class Grain(Iterated):
    """MapDataset.source(ArrayRecordDataSource).shuffle().map().batch(), read by Grain's own threads."""

    def load(self) -> None:
        _ = __import__("grain.python"), __import__("array_record.python.array_record_module"), __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        from array_record.python.array_record_module import ArrayRecordWriter

        writer = ArrayRecordWriter(str(target / "data.array_record"), "group_size:1")
        for x, y in source.pieces():
            for one, label in zip(x, y.tolist(), strict=True):
                writer.write(label.to_bytes(8, "little") + one.tobytes())
        writer.close()

    def open(self, source: Source, target: Path, batch: int) -> None:
        import grain.python as grain

        records = grain.ArrayRecordDataSource(str(target / "data.array_record"))

        def parse(record: bytes) -> tuple[Any, int]:
            x = np.frombuffer(record, self.dtype, offset=8).reshape(self.shape)
            return as_floats(x), int.from_bytes(record[:8], "little")

        self._made = lambda epoch: (
            grain.MapDataset.source(records).shuffle(seed=epoch).map(parse).batch(batch).to_iter_dataset()
        )

    def batches(self, epoch: int) -> Iterator[Batch]:
        yield from self._made(epoch)
