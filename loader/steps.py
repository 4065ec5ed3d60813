"""How the samples of an epoch are dealt out to batches, and to ranks that train together."""

from dataclasses import dataclass

from seekless.errors import OptionError

__all__ = ["Steps"]


@dataclass(frozen=True)
class Steps:
    """How many samples each batch of an epoch has.

    One rank has full batches and a last one that may be shorter. Several have equal numbers of batches, so that no rank
    waits for another: all steps but the last two are full on every rank, and the samples that are left are spread over
    the last two steps of all ranks in batches whose sizes differ by at most one.

    Attributes:
        length: Samples of the part, for all ranks together.
        batch: Samples in a full batch.
        rank: Which rank this is, from 0.
        count: Number of ranks.
        drop_remainder: True leaves out the samples that fill no step of full batches, "uneven" only those, fewer than
            ranks, by which a batch of one rank would be longer than that of another; which ones is another lot each
            epoch.

    Raises:
        OptionError: The rank is none of the ranks, or there are too few samples for one in each batch.
    """

    length: int
    batch: int
    rank: int = 0
    count: int = 1
    drop_remainder: bool | str = False

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise OptionError(f"batch_size: found {self.batch}, expected 1 or more")
        if not 0 <= self.rank < self.count:
            raise OptionError(
                f"shard: found {(self.rank, self.count)}, expected (rank, ranks) with a rank from 0 to ranks - 1"
            )
        if self.count == 1:
            return
        if self.length < self.count:
            raise OptionError(f"shard: found {self.length} samples for {self.count} ranks, expected one each at least")
        if self.drop_remainder is not True and self.used < self.steps * self.count:
            raise OptionError(
                f"batch_size: found 1 with {self.length} samples for {self.count} ranks, which leaves a batch empty; "
                "expected 2 or more, or drop_remainder=True"
            )

    @property
    def used(self) -> int:
        """Samples of all ranks in an epoch."""
        if self.drop_remainder is True:
            return self.steps * self.batch * self.count
        return self.length - (self.length % self.count if self.drop_remainder else 0)

    @property
    def steps(self) -> int:
        """Batches that each rank has in an epoch."""
        whole = self.batch * self.count
        return self.length // whole if self.drop_remainder is True else -(-self.used // whole)

    @property
    def full(self) -> int:
        """Steps at the beginning of an epoch of which every batch is full."""
        if self.drop_remainder is True:
            return self.steps
        return self.length // self.batch if self.count == 1 else max(0, self.steps - 2)

    @property
    def samples(self) -> int:
        """Samples of this rank in an epoch."""
        return self.begin(self.steps)

    @property
    def before(self) -> int:
        """Samples of the ranks before this one."""
        return sum(self._begin(rank, self.steps) for rank in range(self.rank))

    def begin(self, step: int) -> int:
        """Return the samples of this rank in the batches before a step, 0 to steps."""
        return self._begin(self.rank, step)

    def _begin(self, rank: int, step: int) -> int:
        if step <= self.full:
            return step * self.batch
        if self.count == 1:
            return self.length
        left = self.used - self.full * self.batch * self.count
        each, longer = divmod(left, (self.steps - self.full) * self.count)
        slots = range(rank, (step - self.full) * self.count, self.count)
        return self.full * self.batch + sum(each + (slot < longer) for slot in slots)
