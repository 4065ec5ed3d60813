"""Open a folder of small files as a source: which files are samples, and where their targets are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seekless.errors import SourceError, SourceNotFoundError
from seekless.source.joining import lines_of_samples
from seekless.source.labels import some
from seekless.source.listing import Listing, list_files
from seekless.source.place import is_remote, place_of
from seekless.source.remote import RemoteSource
from seekless.source.samples import BadSample, Decoder, FileSource
from seekless.source.targets import TargetOptions, Targets, folder_targets, typed_targets

__all__ = ["NO_LABELS", "Layout", "open_folder"]

NO_LABELS = "none"
SEED_FOLDER, SEED_LABELS = "train", "target.csv"


@dataclass(frozen=True)
class Layout:
    """Where samples and targets of a source lie.

    Attributes:
        under: The folder of the samples, relative to the root; "" for the root.
        labels: The labels file; None where folders are classes, or where there are no targets.
        by_folder: Whether a folder is a class.
    """

    under: str
    labels: Path | None
    by_folder: bool = False


def open_folder(
    root: Path,
    suffixes: frozenset[str],
    decoder: Decoder,
    *,
    labels: str | None = None,
    target_options: TargetOptions | None = None,
    bad: list[BadSample] | None = None,
) -> FileSource:
    """Open a folder of files, each one sample.

    Without `labels` the layout is found: `train/` beside `target.csv`, or files beside `target.csv`, or a folder a
    class. With them all files below the root are samples; the labels file and a `target.csv` at the root never are.

    Args:
        root: The folder; keys are relative to it.
        suffixes: The suffixes of sample files, in lower case, each with its dot.
        decoder: Turns one file into one sample.
        labels: The labels file; "none" for a source without targets.
        target_options: How labels become targets.
        bad: Where files without a target, and targets without a file, are noted and left out; None to raise instead.

    Returns:
        The source, its targets joined to its files by name.

    Raises:
        SourceNotFoundError: The folder, or the labels file, does not exist.
        SourceError: There are no such files, or files and targets do not match one to one.
    """
    wanted = ", ".join(sorted(suffixes))
    if not root.is_dir():
        what = "a file" if root.exists() else "no such folder"
        table = "; if it is a table, a sample a row, say --rows" if root.is_file() and ".csv" in suffixes else ""
        raise SourceNotFoundError(f"{root}: found {what}, expected a folder of samples ({wanted}){table}")
    layout = _layout(root, labels)
    unreadable: list[bytes] | None = None if bad is None else []
    listing = list_files(root, layout.under, suffixes, unreadable)
    if bad is not None:
        bad += [BadSample(repr(name), "a name that is not UTF-8", "UTF-8; rename it") for name in unreadable or ()]
    for path in (root / SEED_LABELS, layout.labels):
        listing = listing if path is None else _without(listing, root, path)
    if not listing.keys:
        raise SourceError(f"{root / layout.under}: found no sample files, expected some ({wanted})")
    options = target_options or TargetOptions()
    if layout.by_folder:
        targets: Targets | None = folder_targets(listing.keys, str(root), options)
    elif layout.labels is None:
        targets = None
    else:
        listing, targets = _labelled(listing, layout.labels, options, bad)
    if listing.sizes is not None and listing.marks is not None:
        return RemoteSource(root, listing.keys, listing.inodes, targets, decoder, listing.sizes, listing.marks)
    return FileSource(root, listing.keys, listing.inodes, targets, decoder)


def _layout(root: Path, labels: str | None) -> Layout:
    if labels is not None:
        return Layout("", None if labels == NO_LABELS else place_of(labels))
    under = SEED_FOLDER if (root / SEED_FOLDER).is_dir() else ""
    if under and not (root / SEED_LABELS).exists():
        raise SourceNotFoundError(
            f"{root / SEED_LABELS}: found no such file beside {SEED_FOLDER}/, expected the targets: a line "
            f"'name,label' for each sample; name another by --labels, say --labels none, or give {root / SEED_FOLDER} "
            "itself as SOURCE if its folders are classes"
        )
    if (root / SEED_LABELS).exists():
        return Layout(under, root / SEED_LABELS)
    return Layout("", None, by_folder=True)


def _without(listing: Listing, root: Path, labels: Path) -> Listing:
    """Leave out the labels file itself, where it lies among the samples."""
    if is_remote(root) != is_remote(labels):
        return listing
    try:
        key = labels.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return listing
    return _chosen(listing, lambda index: listing.keys[index] != key)


def _chosen(listing: Listing, keep: Callable[[int], bool]) -> Listing:
    return listing.chosen([index for index in range(len(listing.keys)) if keep(index)])


def _labelled(
    listing: Listing, path: Path, options: TargetOptions, bad: list[BadSample] | None
) -> tuple[Listing, Targets]:
    found, lines = lines_of_samples(listing.keys, path, options.columns)
    without = [listing.keys[index] for index in np.flatnonzero(found < 0).tolist()]
    used = np.zeros(len(lines.ids), bool)
    used[found[found >= 0]] = True
    unused = [lines.ids[line] for line in np.flatnonzero(~used).tolist()]
    if bad is None and without:
        raise SourceError(
            f"{path}: found no target for {len(without):,} of {len(listing.keys):,} files: {some(without)}; add their "
            "lines, or leave such files out by --on-error skip"
        )
    if bad is None and unused:
        raise SourceError(
            f"{path}: found {'1 target' if len(unused) == 1 else f'{len(unused):,} targets'} without a sample file: "
            f"{some(unused)}; add the files, remove the lines, or leave them out by --on-error skip"
        )
    if bad is not None:
        bad += [BadSample(key, f"no target in {path.name}", "one line for each sample") for key in without]
        bad += [BadSample(name, f"a target in {path.name} without a file", "a sample file") for name in unused]
    kept = _chosen(listing, lambda index: bool(found[index] >= 0))
    if not kept.keys:
        raise SourceError(f"{path}: found no id that names a sample file, expected ids such as {listing.keys[0]}")
    labels = [lines.labels[line] for line in found[found >= 0].tolist()]
    return kept, typed_targets(labels, str(path), options)
