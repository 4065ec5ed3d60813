"""Join samples and the lines of a labels file: by name, never by the order of a listing."""

import os
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seekless.errors import SourceError
from seekless.source.csv_text import is_number
from seekless.source.labels import LabelFile, is_integer, read_labels, some

__all__ = ["lines_of_samples"]

# What a header calls the column of names. Another word may be the name of a file that is missing.
HEADER_WORDS = {
    "id",
    "ids",
    "name",
    "names",
    "key",
    "keys",
    "file",
    "files",
    "filename",
    "filenames",
    "path",
    "paths",
    "filepath",
    "image",
    "images",
    "imageid",
    "imagename",
    "img",
    "sample",
    "sampleid",
    "samples",
    "index",
    "idx",
}


def lines_of_samples(
    keys: Sequence[str], path: Path, columns: Sequence[str]
) -> tuple[npt.NDArray[np.int64], LabelFile]:
    """Find for each sample the line of a labels file that names it.

    The id of a sample is the first of these that stands there: its key, its file name, its file name without suffix, as
    written; else, where that is unambiguous, the same number (7 for 00007.csv). An id that is the key of one sample is
    no other's.

    Args:
        keys: The samples' keys.
        path: The labels file.
        columns: Names of the target columns, as in a header; () for all.

    Returns:
        int64, (N,): the line of each key, or -1; and the lines, without header.

    Raises:
        SourceError: The file cannot be read, an id stands twice, fits two samples, leaves the folder, or
            two ids name one sample.
    """
    lines = read_labels(path)
    if columns:
        lines = lines.columns(columns).without_header()
    elif lines.has_numbers_below_words:
        lines = lines.without_header()
    _refuse_outside(lines)
    found = _match(keys, lines)
    if not columns and len(lines.ids) > 1 and _is_word_header(lines, found):
        lines, found = lines.without_header(), np.where(found < 0, -1, found - 1)
    _refuse_twice(lines)
    return found, lines


def _match(keys: Sequence[str], lines: LabelFile) -> npt.NDArray[np.int64]:
    """Return for each key the line of its id, or -1: as written, in the first form that fits it; then by number."""
    line_of = {lines.ids[line]: line for line in reversed(range(len(lines.ids)))}
    found = np.fromiter((line_of.get(key, -1) for key in keys), np.int64, len(keys))
    whole = set(found.tolist())
    for form in (_name, _stem):
        for index in np.flatnonzero(found < 0).tolist():
            line = line_of.get(form(keys[index]), -1)
            found[index] = -1 if line in whole else line
    del line_of, whole
    # Of 00000.csv to 10000.csv with ids 0 to 10000, the last fits as written and the others do not.
    unmatched = [index for index in np.flatnonzero(found < 0).tolist() if is_integer(_stem(keys[index]))]
    by_number = _lines_by_number(lines, set(found.tolist())) if unmatched else {}
    for index in unmatched:
        found[index] = by_number.get(int(_stem(keys[index])), -1)
    _refuse_shared(keys, lines, found)
    _refuse_second_names(keys, lines, found)
    return found


def _lines_by_number(lines: LabelFile, taken: Set[int]) -> dict[int, int]:
    """Return the line of each id that is a whole number, without those that fit a sample as written."""
    by_number: dict[int, int] = {}
    for line, name in enumerate(lines.ids):
        if line in taken or not is_integer(name):
            continue
        if lines.ids[by_number.setdefault(int(name), line)] != name:
            raise SourceError(
                f"{lines.path}: found two ids that are the number {int(name)}, expected ids as the files are named"
            )
    return by_number


def _name(key: str) -> str:
    """Return a file's name; no path objects: half a kilobyte a file."""
    return key.rpartition("/")[2]


def _stem(key: str) -> str:
    """Return a file's name without its suffix, and without .gz behind that."""
    stem, suffix = os.path.splitext(_name(key))
    return os.path.splitext(stem)[0] if suffix.lower() == ".gz" else stem


def _is_word_header(lines: LabelFile, found: npt.NDArray[np.int64]) -> bool:
    """Whether the first line looks like a header over words: the id of no sample, and a label that no other has."""
    first, others = lines.labels[0], lines.labels[1:]
    named = set(found[found >= 0].tolist())
    return (
        0 not in named
        and bool(named)
        and lines.ids[0].lower().replace("_", "").replace(" ", "") in HEADER_WORDS
        and not any(map(is_number, first))
        and not any(first[column] == row[column] for row in others for column in range(len(first)))
    )


def _refuse_outside(lines: LabelFile) -> None:
    for line, name in zip(lines.lines, lines.ids, strict=True):
        if name.startswith("/") or ".." in name.split("/"):
            raise SourceError(f"{lines.path}, line {line}: found {name!r}, expected a name inside the source's folder")


def _refuse_twice(lines: LabelFile) -> None:
    if len(set(lines.ids)) == len(lines.ids):
        return
    seen: dict[str, tuple[str, ...]] = {}
    twice: list[str] = []
    for name, label in zip(lines.ids, lines.labels, strict=True):
        known = seen.get(name)
        if known is None:
            seen[name] = label
        else:
            twice.append(f"{name} ({', '.join(known)}; {', '.join(label)})" if known != label else name)
    raise SourceError(f"{lines.path}: found more than one line for {some(twice)}, expected one line a sample")


def _refuse_shared(keys: Sequence[str], lines: LabelFile, found: npt.NDArray[np.int64]) -> None:
    counts = np.bincount(found[found >= 0], minlength=len(lines.ids))
    for line in np.flatnonzero(counts > 1)[:1].tolist():
        shared = [keys[index] for index in np.flatnonzero(found == line).tolist()]
        raise SourceError(
            f"{lines.path}, line {lines.lines[line]}: found id {lines.ids[line]!r}, which fits {some(shared)}, "
            "expected one sample an id; write their paths"
        )


def _refuse_second_names(keys: Sequence[str], lines: LabelFile, found: npt.NDArray[np.int64]) -> None:
    """Refuse a second id of a sample: 3 and 00003 for 00003.csv."""
    used = {lines.ids[line] for line in found[found >= 0].tolist()}
    if len(used) == len(lines.ids):
        return
    index_of: dict[str | int, int] = {}
    for index, key in enumerate(keys):
        name = key.rpartition("/")[2]
        stem = _stem(name)
        if found[index] >= 0:
            for form in (key, name, stem):
                index_of.setdefault(form, index)
            if is_integer(stem):
                index_of.setdefault(int(stem), index)
    for line, name in zip(lines.lines, lines.ids, strict=True):
        named = index_of.get(name, index_of.get(int(name)) if is_integer(name) else None)
        if name not in used and named is not None:
            raise SourceError(
                f"{lines.path}, line {line}: found id {name!r} beside {lines.ids[found[named]]!r}, both for "
                f"{keys[named]}, expected one line a sample"
            )
