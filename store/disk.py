"""What disk a file lies on, and how fast it is taken to be."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from seekless.urls import is_remote

__all__ = ["Disk", "disk_of"]

DEVICES = Path("/sys/dev/block")

# Bytes a second of long reads in order. Spinning disks give 100 to 250 MB/s, solid ones 500 (SATA) to 7,000 (NVMe), a
# network of 1 Gbit/s 117.
SPINNING, SOLID, NETWORK = 150_000_000, 1_000_000_000, 110_000_000


@dataclass(frozen=True)
class Disk:
    """A disk, as far as it is known.

    Attributes:
        name: The device's name, such as sda; "" where it cannot be told; the protocol of what is reached by URL.
        spinning: Whether it says that it spins; None where it cannot be told, and a solid one is assumed.
        remote: Whether it is reached by URL.
    """

    name: str
    spinning: bool | None
    remote: bool = False

    @property
    def rate(self) -> int:
        """Bytes a second that reading in order is taken to give."""
        return NETWORK if self.remote else SPINNING if self.spinning else SOLID

    def __str__(self) -> str:
        rate = f"{self.rate / 1e6:,.0f} MB/s"
        if self.remote:
            return f"{rate}, assumed: it is reached over a network by {self.name}"
        if self.spinning is None:
            return f"{rate}, assumed: what disk this is cannot be told"
        return f"{rate}, assumed: {self.name} says it is a {'spinning' if self.spinning else 'solid'} disk"


def disk_of(path: Path) -> Disk:
    """Find the disk that a file or folder lies on: Linux says of each block device whether it spins.

    Args:
        path: The file or folder.
    """
    if is_remote(path):
        return Disk(cast("Any", path).protocol, None, remote=True)
    number = os.stat(path).st_dev
    if not hasattr(os, "major"):  # pragma: no cover (Windows)
        return Disk("", None)
    try:
        device = (DEVICES / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
        for place in (device, device.parent):  # a partition lies in the folder of its disk
            flag = place / "queue" / "rotational"
            if flag.is_file():
                return Disk(place.name, flag.read_text().strip() == "1")
    except OSError:  # of a network or an overlay, not a device
        pass
    return Disk("", None)
