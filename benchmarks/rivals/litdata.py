"""LitData: chunks that `optimize` writes, read by its StreamingDataset."""

from pathlib import Path
from typing import Any

from rivals.torch_loader import Loaded, stacked
from rivals.way import Source

__all__ = ["LitData"]


class Sample:
    """Reads one sample by its number; optimize calls it in its processes."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __call__(self, number: int) -> dict[str, Any]:
        """Return it."""
        x = self.source.stacked([self.source.files[number]])[0]
        return {"x": x, "y": int(self.source.labels[number])}


class LitData(Loaded):
    """StreamingDataset(shuffle=True) in its StreamingDataLoader."""

    def load(self) -> None:
        _ = __import__("litdata"), __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        import litdata

        litdata.optimize(
            fn=Sample(source),
            inputs=list(range(len(source.files))),
            output_dir=str(target / "chunks"),
            chunk_bytes="64MB",
            num_workers=2,
        )

    def open(self, source: Source, target: Path, batch: int) -> None:
        import litdata

        dataset = litdata.StreamingDataset(str(target / "chunks"), shuffle=True)
        self._loader = litdata.StreamingDataLoader(dataset, batch_size=batch, collate_fn=stacked)
