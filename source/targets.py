"""What labels are: classes by number or by name, numbers, vectors; of a file's lines, or of folders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError, SourceError
from seekless.source.csv_text import is_number
from seekless.source.labels import is_integer, some

__all__ = ["Classes", "TargetOptions", "Targets", "folder_targets", "typed_targets"]

TARGET_TYPES = (None, "class", "number")
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
