"""What a run says of its batches before it begins: all in `log.txt`, and on the terminal where they are mixed badly."""

from dataclasses import dataclass, replace

from seekless.loader.mixing import Description
from seekless.train.folder import Log
from seekless.train.timed import TimedFiles, TimedStore

__all__ = ["Mixing", "mixing_of"]


@dataclass(frozen=True)
class Mixing:
    """How the batches to train on are made.

    Attributes:
        description: Of a store; None for loose files, any of which may meet.
    """

    description: Description | None

    def tell(self, log: Log) -> None:
        """Keep it in the log; print only what is wrong with it.

        Args:
            log: Of the run.
        """
        if self.description is None:
            return
        log.keep(str(replace(self.description, warning="")))
        if self.description.warning:
            log.warn(self.description.warning.replace("window_bytes=", "--window-bytes "))


def mixing_of(train: TimedStore | TimedFiles) -> Mixing:
    """Look at how batches are mixed; reads targets alone.

    Args:
        train: What is trained on.

    Raises:
        StoreFormatError: A block of the targets is damaged.
    """
    return Mixing(train.describe() if isinstance(train, TimedStore) else None)
