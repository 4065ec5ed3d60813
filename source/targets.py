"""Give each sample its target: joined by name, never by the order of a listing; and tell classes from numbers."""

import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError, SourceError
from seekless.source.csv_text import is_number
from seekless.source.labels import LabelFile, is_integer, read_labels, some

__all__ = ["Classes", "TargetOptions", "Targets", "folder_targets", "join_targets", "typed_targets"]

TARGET_TYPES = (None, "class", "number")
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
# Whole numbers beyond this are prices or years, not classes.
MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class Classes:
    """The classes of another store, which this one must share: their number, and their names if they have any.

    Attributes:
        count: How many.
        names: Their names; None for classes that are numbers.
        origin: The store.
        more: Others get the next numbers, by sorted name; else they are an error.
    """

    count: int
    names: tuple[str, ...] | None
    origin: str
    more: bool = False


@dataclass(frozen=True)
class TargetOptions:
    """How labels become targets.

    Attributes:
        columns: Names of the target columns, as in a header; () for all.
        kind: "class" or "number"; None to tell from the labels.
        classes: The classes to use; None to take them from the labels.
    """

    columns: tuple[str, ...] = ()
    kind: str | None = None
    classes: Classes | None = None

    def __post_init__(self) -> None:
        if self.kind not in TARGET_TYPES:
            raise OptionError(f"--target-type: found {self.kind!r}, expected class or number")
        if self.kind == "number" and self.classes is not None:
            raise OptionError("--classes-from: found together with --target-type number, expected classes")


@dataclass(frozen=True)
class Targets:
    """The targets of a source, in the order of its samples.

    Attributes:
        values: int64, (N,) for classes; float64, (N,) or (N, outputs) for numbers. Numbers that came as arrays have
            the dtype that they came in, and any shape.
        kind: "class" or "number".
        class_count: Number of classes; 0 for numbers.
        class_names: The names of the classes 0, 1, ... where targets were names; else None.
    """

    values: npt.NDArray[np.generic]
    kind: str
    class_count: int = 0
    class_names: tuple[str, ...] | None = None


def join_targets(keys: Sequence[str], path: Path, options: TargetOptions) -> tuple[npt.NDArray[np.int64], LabelFile]:
    """Find for each sample the line of a labels file that names it.

    The id of a sample is the first of these that stands there: its key, its file name, its file name without suffix, as
    written; else, where that is unambiguous, the same number (7 for 00007.csv). An id that is the key of one sample is
    no other's.

    Args:
        keys: The samples' keys.
        path: The labels file.
        options: Which of its columns.

    Returns:
        int64, (N,): the line of each key, or -1; and the lines, without header.

    Raises:
        SourceError: The file cannot be read, an id stands twice, fits two samples, leaves the folder, or
            two ids name one sample.
    """
    lines = read_labels(path)
    if options.columns:
        lines = lines.columns(options.columns).without_header()
    elif lines.has_numbers_below_words:
        lines = lines.without_header()
    _refuse_outside(lines)
    found = _match(keys, lines)
    if not options.columns and len(lines.ids) > 1 and _is_word_header(lines, found):
        lines, found = lines.without_header(), np.where(found < 0, -1, found - 1)
    _refuse_twice(lines)
    return found, lines


def typed_targets(labels: Sequence[tuple[str, ...]], origin: str, options: TargetOptions) -> Targets:
    """Tell what labels are: whole numbers are classes, other numbers numbers, words classes, several columns a vector.

    Args:
        labels: The label, or labels, of each sample, as text.
        origin: Where they were read, for messages.
        options: What to take them for.

    Raises:
        SourceError: A label is not what is expected.
    """
    if any(not label for row in labels for label in row):
        raise SourceError(f"{origin}: found an empty label, expected one for each sample")
    if len(labels[0]) > 1:
        if options.kind == "class" or options.classes is not None:
            raise SourceError(f"{origin}: found {len(labels[0])} target columns, expected one; see --target-column")
        return Targets(_numbers(labels, origin), "number")
    column = [row[0] for row in labels]
    if options.classes is not None:
        return _given_classes(column, origin, options.classes)
    if options.kind == "number" or (
        options.kind is None and all(map(is_number, column)) and not all(map(is_integer, column))
    ):
        return Targets(_numbers(labels, origin)[:, 0], "number")
    if all(map(is_integer, column)) and not (options.kind == "class" and any(int(label) < 0 for label in set(column))):
        return _integer_classes(column, origin)
    names = tuple(sorted(set(column)))
    return Targets(_numbered(column, names), "class", len(names), names)


def folder_targets(keys: Sequence[str], origin: str, options: TargetOptions) -> Targets:
    """Make classes of the folders that samples lie in: the first part of each key.

    Args:
        keys: The samples' keys.
        origin: The source's folder, for messages.
        options: What to take the names for.

    Returns:
        Classes by sorted name; the names are kept.

    Raises:
        SourceError: A file lies in no folder, there are fewer than two folders, or another class than is expected.
        OptionError: The options are for a labels file.
    """
    if options.columns:
        raise OptionError(
            f"--target-column: found {some(options.columns)} where a folder is a class, expected none; or give --labels"
        )
    if options.kind == "number":
        raise OptionError("--target-type: found number, expected class where a folder is a class; or give --labels")
    loose = [key for key in keys if "/" not in key]
    if loose:
        raise SourceError(
            f"{origin}: found {some(loose)} in no class folder, expected a folder a class, or --labels FILE or none"
        )
    column = [key.partition("/")[0] for key in keys]
    if options.classes is not None:
        return _given_classes(column, origin, options.classes)
    names = tuple(sorted(set(column)))
    if len(names) < 2:
        raise SourceError(
            f"{origin}: found the one folder {names[0]!r}, expected two class folders or more, or target.csv beside "
            "train/, or --labels FILE, or --labels none"
        )
    return Targets(_numbered(column, names), "class", len(names), names)


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


def _numbers(labels: Iterable[tuple[str, ...]], origin: str) -> npt.NDArray[np.float64]:
    rows = []
    for row in labels:
        for label in row:
            if not is_number(label):
                raise SourceError(f"{origin}: found label {label!r}, expected a number; see --target-type")
        rows.append([float(label) for label in row])
    values = np.array(rows, np.float64)
    if not np.isfinite(values).all():
        raise SourceError(f"{origin}: found a label that is not a finite number, expected finite numbers")
    return values


def _integer_classes(column: Sequence[str], origin: str) -> Targets:
    numbers = [int(label) for label in column]
    lowest, highest = min(numbers), max(numbers)
    if lowest < 0 or highest >= MOST_CLASSES:
        raise SourceError(
            f"{origin}: found class {lowest if lowest < 0 else highest}, expected classes from 0 to "
            f"{MOST_CLASSES - 1}; --target-type number takes whole numbers as numbers"
        )
    return Targets(np.array(numbers, np.int64), "class", highest + 1)


def _numbered(column: Sequence[str], names: Sequence[str]) -> npt.NDArray[np.int64]:
    number_of = {name: number for number, name in enumerate(names)}
    return np.fromiter((number_of[label] for label in column), np.int64, len(column))


def _given_classes(column: Sequence[str], origin: str, classes: Classes) -> Targets:
    if classes.names is not None:
        unknown = sorted(set(column) - set(classes.names))
        if classes.more:
            names = (*classes.names, *unknown)
            return Targets(_numbered(column, names), "class", len(names), names)
        if unknown:
            raise SourceError(
                f"{origin}: found classes {some(unknown)}, expected those of {classes.origin}: {some(classes.names)}"
            )
        return Targets(_numbered(column, classes.names), "class", classes.count, classes.names)
    most = MOST_CLASSES if classes.more else classes.count
    wrong = [label for label in sorted(set(column)) if not is_integer(label) or not 0 <= int(label) < most]
    if wrong:
        raise SourceError(
            f"{origin}: found classes {some(wrong)}, expected those of {classes.origin}: 0 to {classes.count - 1}"
            + (", or more of such numbers" if classes.more else "")
        )
    numbers = np.array([int(label) for label in column], np.int64)
    return Targets(numbers, "class", max(classes.count, int(numbers.max()) + 1))
