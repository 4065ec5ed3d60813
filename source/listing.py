"""Find the sample files of a folder, in one pass over its directories."""

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import SourceError, SourceNotFoundError
from seekless.source.place import check_reached, is_remote, mark_of

__all__ = ["Listing", "list_files", "suffix_of"]

NOT_SAMPLES = frozenset({"thumbs.db", "desktop.ini"})
# What a conversion writes beside what it reads: its lists of bad samples, and its store.
LISTS = (".h5.errors.csv", ".h5.skipped.csv", ".npy.d.errors.csv", ".npy.d.skipped.csv")
STORE_FOLDER = ".npy.d"
LARGEST = (1 << 63) - 1  # some file systems number beyond int64


@dataclass(frozen=True)
class Listing:
    """The files of a folder, sorted by key.

    Attributes:
        keys: Paths relative to the root, "/" between parts.
        inodes: int64, (N,), the file system's number of each file, close to its place on a disk.
        sizes: int64, (N,), bytes of each file, where the listing said them: of files that are reached by URL.
        marks: uint32, (N,), what tells each file from a changed one; likewise.
    """

    keys: list[str]
    inodes: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64] | None = None
    marks: npt.NDArray[np.uint32] | None = None

    def chosen(self, indices: list[int]) -> "Listing":
        """Return the listing of some of the files."""
        return Listing(
            [self.keys[index] for index in indices],
            self.inodes[indices],
            None if self.sizes is None else self.sizes[indices],
            None if self.marks is None else self.marks[indices],
        )


def list_files(root: Path, under: str, suffixes: frozenset[str], unreadable: list[bytes] | None = None) -> Listing:
    """List the files below a folder that end in one of the suffixes, whatever the case.

    Hidden files and folders (a leading dot), files that desktops leave behind, and stores and lists of bad samples that
    a conversion left are not samples. Symbolic links are followed; a link that leads back to a folder it lies in is an
    error.

    Args:
        root: The folder that keys are relative to.
        under: The folder to search, relative to the root; "" for the root itself.
        suffixes: Suffixes in lower case, each with its dot.
        unreadable: Where names that are not UTF-8 are noted and left out; None to raise instead.

    Returns:
        The files, sorted by key, whatever order the file system names them in.

    Raises:
        SourceNotFoundError: There is no such folder.
        SourceError: A name is not UTF-8, or links run in a circle.
    """
    if is_remote(root):
        return _list_remote(root, under, suffixes)
    top = root / under
    if not top.is_dir():
        raise SourceNotFoundError(f"{top}: found no such folder, expected a folder of {_names(suffixes)} files")
    keys, inodes = list[str](), array("q")  # not pairs of both, which would take as much again
    for key, inode in _walk(os.fspath(top), f"{under}/" if under else "", suffixes):
        keys.append(key)
        inodes.append(inode)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    odd = [keys[index] for index in order if not _is_utf8(keys[index])]
    if odd and unreadable is None:
        raise SourceError(
            f"{top}: found a file whose name is not UTF-8 ({os.fsencode(odd[0])!r}), expected UTF-8; rename it"
        )
    if odd and unreadable is not None:
        unreadable += map(os.fsencode, odd)
        order = [index for index in order if _is_utf8(keys[index])]
    return Listing([keys[index] for index in order], np.array(inodes, np.int64)[np.array(order, np.int64)])


def _list_remote(root: Any, under: str, suffixes: frozenset[str]) -> Listing:
    check_reached(root / under)
    begin = len(root.path.rstrip("/")) + 1
    found = {}
    for path, info in root.fs.find((root / under).path, detail=True).items():
        key = path[begin:]
        *folders, name = key.lower().split("/")
        left_out = any(_is_left_out(part) or part.endswith(STORE_FOLDER) for part in folders) or _is_left_out(name)
        if suffix_of(name) in suffixes and not left_out:
            found[key] = info
    keys = sorted(found)
    return Listing(
        keys,
        np.arange(len(keys)),  # nothing is known of where they lie
        np.fromiter((found[key]["size"] for key in keys), np.int64, len(keys)),
        np.fromiter((mark_of(found[key]) for key in keys), np.uint32, len(keys)),
    )


def _walk(top: str, prefix: str, suffixes: frozenset[str]) -> Iterator[tuple[str, int]]:
    above: list[tuple[int, int]] = []
    waiting = [(top, prefix, 0)]  # folders, and how many lie above each
    while waiting:
        folder, prefix, depth = waiting.pop()
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        del above[depth:]
        if here in above and status.st_ino:
            raise SourceError(
                f"{folder}: found a link back to a folder it lies in, expected no circle; remove the link"
            )
        above.append(here)
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_left_out(entry.name.lower()):
                    continue
                if _is_folder(entry):
                    if not entry.name.lower().endswith(STORE_FOLDER):
                        waiting.append((os.path.join(folder, entry.name), f"{prefix}{entry.name}/", depth + 1))
                elif suffix_of(entry.name) in suffixes and _may_be_read(entry):
                    # The directory itself holds the inode: a stat in directory order would cost a disk seek a file.
                    yield f"{prefix}{entry.name}", entry.inode() & LARGEST


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in NOT_SAMPLES or name.endswith(LISTS)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: listed as a file, so that reading says what is wrong with it
        return False


def _may_be_read(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is a file, or a link, also a broken one; opening a named pipe would wait for ever."""
    if not entry.is_symlink():
        return entry.is_file(follow_symlinks=False)
    return not os.path.exists(entry.path) or os.path.isfile(entry.path)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def suffix_of(name: str) -> str:
    """Return the suffix of a file's name in lower case; of data.CSV.gz it is ".csv.gz"."""
    stem, suffix = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] + suffix if suffix == ".gz" else suffix


def _names(suffixes: frozenset[str]) -> str:
    return ", ".join(sorted(suffixes))
