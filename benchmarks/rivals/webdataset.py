"""WebDataset: tar files of samples, read one after the other through a shuffle buffer."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rivals.way import Batch, Iterated, Source

__all__ = ["WebDataset"]

SHUFFLE = 1000  # samples in the buffer, as in its own examples
A_SHARD = 1000  # samples


class WebDataset(Iterated):
    """PNG files as they are, numbers as .npy; decoded by WebDataset."""

    def load(self) -> None:
        _ = __import__("webdataset"), __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        import webdataset

        with webdataset.ShardWriter(str(target / "%06d.tar"), maxcount=A_SHARD, verbose=0) as writer:
            for number, (file, label) in enumerate(zip(source.files, source.labels.tolist(), strict=True)):
                sample = {"__key__": f"{number:08d}", "cls": label}
                x = file.read_bytes() if source.kind == "png" else source.stacked([file])[0]
                writer.write({**sample, "png" if source.kind == "png" else "npy": x})

    def open(self, source: Source, target: Path, batch: int) -> None:
        import webdataset

        name = "png" if self.dtype == np.uint8 else "npy"
        tars = sorted(map(str, target.glob("*.tar")))
        dataset = webdataset.WebDataset(tars, shardshuffle=100).shuffle(SHUFFLE)
        decoded = dataset.decode("l" if self.shape[-1] == 1 else "rgb") if name == "png" else dataset.decode()
        self._dataset = decoded.to_tuple(name, "cls").batched(batch)

    def batches(self, epoch: int) -> Iterator[Batch]:
        for x, y in self._dataset:
            yield np.asarray(x, np.float32).reshape(len(y), *self.shape), y
