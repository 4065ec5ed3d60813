"""MosaicML Streaming: MDS shards, shuffled by its own default."""

from pathlib import Path

from rivals.torch_loader import Loaded, stacked
from rivals.way import Source, as_floats

__all__ = ["Streaming"]


class Streaming(Loaded):
    """StreamingDataset(shuffle=True) on local shards."""

    def load(self) -> None:
        _ = __import__("streaming"), __import__("torch.utils.data"), __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        import streaming

        kind = "png" if source.kind == "png" else "ndarray"
        with streaming.MDSWriter(out=str(target / "shards"), columns={"x": kind, "y": "int"}) as writer:
            for file, label in zip(source.files, source.labels.tolist(), strict=True):
                if kind == "png":
                    from PIL import Image

                    with Image.open(file) as picture:
                        writer.write({"x": picture, "y": label})
                else:
                    writer.write({"x": source.stacked([file])[0], "y": label})

    def open(self, source: Source, target: Path, batch: int) -> None:
        import streaming
        from torch.utils.data import DataLoader

        streaming.base.util.clean_stale_shared_memory()
        dataset = streaming.StreamingDataset(local=str(target / "shards"), shuffle=True, batch_size=batch)

        def shaped(samples: list[dict[str, object]]) -> tuple[object, object]:
            x, y = stacked(samples)
            return as_floats(x).reshape(len(y), *self.shape), y

        self._loader = DataLoader(dataset, batch_size=batch, collate_fn=shaped)
