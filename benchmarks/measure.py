"""One way to feed samples, in a process of its own that does what it is told, line by line.

    python benchmarks/measure.py WAY BATCH

Each line of stdin is JSON, as race.py writes it; the answer is a line of JSON on stdout. Everything is imported before
the first answer, so that no import is timed. Needs NumPy, Pillow and what the way itself needs, not seekless.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rivals.table import made
from rivals.way import Source, as_floats

PARTS = 64  # of the source, in the order of its files: how many meet in a batch


def served(folder: Path) -> tuple[int, int]:
    """Return reads and bytes that the disk of a folder has served so far; zeros where the system does not tell."""
    try:
        device = folder.stat().st_dev
        fields = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
    except OSError:
        return 0, 0
    return int(fields[0]), int(fields[2]) * 512


def drop_caches() -> None:
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def digests(x: np.ndarray) -> list[int]:
    """Return a number for each sample that tells it from others: of its values as bytes."""
    return [hash(sample.tobytes()) for sample in np.rint(np.asarray(x) * 255).astype(np.uint8)]


class Measurer:
    """Does what is asked of one way."""

    def __init__(self, name: str, batch: int) -> None:
        self.name, self.batch = name, batch
        self.seen: list[list[tuple[int, int]]] = []
        made(name).load()

    def pack(self, source: str, target: str) -> dict[str, Any]:
        """Pack once."""
        Path(target).mkdir(parents=True)
        read = Source(Path(source))
        start = time.perf_counter()
        made(self.name).pack(read, Path(target))
        seconds = time.perf_counter() - start
        files = [file for file in Path(target).rglob("*") if file.is_file()]
        return {"seconds": seconds, "bytes": sum(file.stat().st_size for file in files), "files": len(files)}

    def epochs(self, source: str, target: str, count: int, cold: bool, see: bool) -> dict[str, Any]:
        """Open and go through epochs; the first one's seconds hold the opening."""
        self.seen = []
        way = made(self.name)
        known = Source(Path(source))
        sample = known.stacked(known.files[:1])[0]
        way.shape, way.dtype = sample.shape, sample.dtype
        if cold:
            drop_caches()
        reads, size = served(Path(source))
        seconds = []
        start = time.perf_counter()
        way.open(Source(Path(source)), Path(target), self.batch)
        for epoch in range(count):
            samples = way.run(epoch, self._see if see else None)
            seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
        after, size_after = served(Path(source))
        del way
        gc.collect()
        return {"seconds": seconds, "samples": samples, "reads": after - reads, "bytes": size_after - size}

    def _see(self, x: Any, y: Any) -> None:
        self.seen.append(list(zip(digests(x), np.asarray(y).ravel().tolist(), strict=True)))

    def mixing(self, source: str) -> dict[str, Any]:
        """Say what met in the batches that were seen, and whether each sample came once with its label."""
        read = Source(Path(source))
        places: dict[int, list[int]] = {}
        place = 0
        for x, _ in read.pieces(64):
            for digest in digests(as_floats(x)):
                places.setdefault(digest, []).append(place)
                place += 1
        order, right = [], True
        for batch in self.seen:
            found = []
            for digest, label in batch:
                left = places.get(digest)
                if not left:
                    right = False
                    continue
                # The same picture may be there twice, of two classes.
                own = next((p for p in left if read.labels[p] == label), None)
                right &= own is not None
                found.append(left.pop(left.index(own) if own is not None else -1))
            order.append(np.array(found, np.int64))
        once = right and sum(map(len, order)) == place and not any(places.values())
        shuffled = np.random.default_rng(0).permutation(place)
        straight = [shuffled[start : start + self.batch] for start in range(0, place, self.batch)]
        return {
            "once": once,
            **met(order, read.labels),
            **{f"shuffle {k}": v for k, v in met(straight, read.labels).items()},
        }


def met(order: list[np.ndarray], labels: np.ndarray) -> dict[str, float]:
    """Return how many parts of the source meet in a whole batch, and how far its labels are from those of all."""
    size = max(map(len, order))
    whole = [batch for batch in order if len(batch) == size]
    parts = [len(np.unique(batch * PARTS // len(labels))) for batch in whole]
    classes = int(labels.max()) + 1
    share = np.bincount(labels, minlength=classes) / len(labels)
    distances = [
        np.abs(np.bincount(labels[batch], minlength=classes) / max(1, len(batch)) - share).sum() / 2 for batch in whole
    ]
    return {"parts": float(np.mean(parts)), "labels apart": float(np.mean(distances))}


def main() -> None:
    """Answer lines of JSON."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    measurer = Measurer(sys.argv[1], int(sys.argv[2]))
    print(json.dumps({}), file=answers)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(getattr(measurer, asked.pop("do"))(**asked)), file=answers)


if __name__ == "__main__":
    main()
