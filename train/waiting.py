"""Where the time of an epoch goes: how long training waits for data, and what is read from the disk.

Keras asks for batches in threads of its own and some ahead, so the time spent inside `__getitem__` is not what training
waits. Training wants batch k when its step k begins, and has it when the k-th request of the epoch is answered: it
waits from the one to the other, and not at all where the answer came first. What Keras does before it asks, such as
compiling in the first step, and what it does with the answer, such as copying it into a tensor, counts as training.

On a device that computes by itself a step only begins when Keras is done with it, and several may be on their way. What
is waited for a batch then is more than what the device lacked: it had work left. Right after a loss was read the device
has none, and the wait for the next batch is what it lacked; that is taken for the steps after it too, until the next
reading. A longer wait can be covered by work for no longer than lies between two readings.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from seekless.loader.windows import DECODERS
from seekless.train.bar import DRAW_EVERY

__all__ = ["Clock", "Spent", "advice", "bytes_from_disk"]

# Linux counts for each process what came from a disk and not from the page cache.
COUNTERS = Path("/proc/self/io")
# Up to this share of its time training may wait before it is worth saying what would help.
WORTH_SAYING = 0.1
CORES = os.cpu_count() or 1
# Nor are seconds that nobody notices.
NOTICED = 0.1


@dataclass(frozen=True)
class Spent:
    """The time of the train part of one epoch.

    Attributes:
        samples: Samples trained on.
        seconds: From the first request to the end of the last step.
        waited: Seconds of it that training waited for data; None where that is not known.
        disk_bytes: Bytes that the process read from disks in that time; None where the system does not count them.
    """

    samples: int
    seconds: float
    waited: float | None
    disk_bytes: int | None

    @property
    def share(self) -> float:
        """The share of the time that training waited for data; 0 where that is not known."""
        return (self.waited or 0.0) / max(self.seconds, 1e-9)

    def __str__(self) -> str:
        seconds = max(self.seconds, 1e-9)
        parts = [f"{self.samples / seconds:,.0f} samples/s"]
        if self.waited is not None:
            parts.append(f"{100 * self.share:.0f}% of it waiting for data")
        if self.disk_bytes is not None:
            rate = f"{self.disk_bytes / seconds / 1e6:,.1f} MB/s" if self.disk_bytes else "nothing"
            parts.append(f"{rate} from disk")
        return ", ".join(parts)


@dataclass
class Clock:
    """Notes when training wants a batch and when it is ready, in one epoch at a time."""

    began: float = 0.0
    ended: float = 0.0
    steps: int = 0
    disk: tuple[int | None, int | None] = (None, None)
    wanted: list[tuple[float, bool]] = field(default_factory=list)
    answered: list[tuple[float, float]] = field(default_factory=list)
    idle: bool = True

    def begin(self, steps: int) -> None:
        """Begin an epoch of so many steps; what Keras read before to look ahead plays no part."""
        self.steps, self.wanted, self.answered = steps, [], []
        self.disk = (bytes_from_disk(), None)
        self.began = self.ended = time.perf_counter()
        self.idle = True

    def want(self) -> None:
        """Note that a step begins."""
        self.wanted.append((time.perf_counter(), self.idle))
        self.idle = False

    def answer(self, asked: float) -> None:
        """Note that a batch is ready that was asked for at a time of `time.perf_counter`."""
        self.answered.append((asked, time.perf_counter()))

    def step(self, *, finished: bool) -> None:
        """Note that a step is done.

        Args:
            finished: Whether the device has finished all it was given.
        """
        self.ended = time.perf_counter()
        self.idle = finished
        if len(self.wanted) == self.steps:  # what follows reads another part
            self.disk = (self.disk[0], bytes_from_disk())

    def spent(self, samples: int) -> Spent:
        """Return where the time of the epoch went.

        Args:
            samples: Samples trained on.
        """
        before, after = self.disk
        read = None if before is None or after is None else after - before
        return Spent(samples, self.ended - self.began, self._waited(), read)

    def _waited(self) -> float | None:
        if not self.wanted or len(self.answered) < len(self.wanted):
            return None
        total = lacked = 0.0
        # Beyond the steps lie batches that were read ahead.
        for (wanted, idle), (asked, ready) in zip(self.wanted, self.answered, strict=False):
            wait = max(0.0, ready - max(wanted, asked))
            if idle:
                lacked = wait
            total += wait if idle else min(wait, max(lacked, wait - DRAW_EVERY))
        return total


def advice(spent: Spent, *, loose: bool, compressed: bool, part_bytes: int, window_bytes: int, workers: int = 1) -> str:
    """Return what would help where training waits for data more than a tenth of its time, long enough to notice.

    Args:
        spent: Where the time of an epoch went.
        loose: Training reads loose files.
        compressed: The store's samples are compressed.
        part_bytes: Decoded bytes of the samples to train on.
        window_bytes: Decoded bytes that are mixed at one time.
        workers: Threads that decompress.

    Returns:
        A line, or "" where training hardly waits.
    """
    if spent.share <= WORTH_SAYING or (spent.waited or 0.0) < NOTICED:
        return ""
    waits = f"training waits for data {100 * spent.share:.0f}% of the time"
    if loose:
        return f"{waits}: convert the files to a store and train with --store"
    helps = []
    kept = part_bytes <= 2 * window_bytes  # as the loader does, for which two windows are in memory anyhow
    if not kept:
        enough = -(-part_bytes // 2)
        helps.append(f"--window-bytes {enough}, if memory holds twice that, reads the part once for all epochs")
    if spent.disk_bytes:
        if not compressed:
            helps.append("a store converted with --compression auto has fewer bytes to read")
        helps.append("a faster disk gives more")
        return f"{waits}, and reads from disk: " + "; ".join(helps)
    if compressed and not kept:
        if (more := max(workers, DECODERS) + 1) <= CORES:
            helps.append(f"--workers {more} decompresses in that many threads")
        helps.append("a store converted with --compression lz4 or none has less to decode")
    helps.append("a larger --batch-size takes less time a sample")
    return f"{waits}, though nothing comes from disk: " + "; ".join(helps)


def bytes_from_disk() -> int | None:
    """Return the bytes that this process has read from disks so far; None where the system does not count them."""
    try:
        lines = COUNTERS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("read_bytes:")), None)
