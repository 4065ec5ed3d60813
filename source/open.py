"""Open any source by its options: a folder of CSV files or of images, or tables whose rows are samples."""

import contextlib
import dataclasses
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError, SourceNotFoundError
from seekless.source.csv import CSV_SUFFIXES, CSVDecoder
from seekless.source.folder import NO_LABELS, open_folder
from seekless.source.image import IMAGE_SUFFIXES, ImageDecoder, Resize
from seekless.source.listing import list_files, suffix_of
from seekless.source.place import check_reached, is_remote
from seekless.source.samples import BadSample, FileSource
from seekless.source.table import TableSource, open_tables
from seekless.source.targets import Classes, TargetOptions, Targets, typed_targets

__all__ = ["SourceOptions", "open_files", "open_source", "row_targets"]

_CSV_ONLY = ("rows", "shape", "delimiter", "decimal", "skip_rows", "columns", "allow_nan", "scale")
_IMAGE_ONLY = ("size", "resize", "channels")
_OF_TARGETS = {"target_columns": "--target-column", "target_type": "--target-type", "classes": "--classes-from"}


@dataclass(frozen=True)
class SourceOptions:
    """How samples and targets are found and decoded.

    Attributes:
        kind: "csv" or "image"; None to tell from the files' suffixes.
        labels: The labels file; "none" for a source without targets; None to find it.
        target_columns: Names of the target columns; () for all but the first of a labels file.
        target_type: "class" or "number"; None to tell from the labels.
        classes: The classes that targets must be of; None to take them from the labels.
        rows: A row of a table is a sample.
        shape: The shape of a sample from CSV; None for that of its file.
        delimiter: See `seekless.source.csv.CSVDecoder`, as for the next four.
        decimal: The decimal point.
        skip_rows: Lines to leave out at the beginning of each file.
        columns: The columns to keep.
        allow_nan: Whether NaN and infinity are values.
        scale: What training divides values by, such as 255 for pixels of 0 to 255.
        size: (height, width) that images are resized to; None to leave them as they are.
        resize: "stretch", "fit" or "crop"; see `seekless.source.image.ImageDecoder`.
        channels: 1, 3 or 4; None for each image's own.
    """

    kind: str | None = None
    labels: str | None = None
    target_columns: tuple[str, ...] = ()
    target_type: str | None = None
    classes: Classes | None = None
    rows: bool = False
    shape: tuple[int, ...] | None = None
    delimiter: str | None = None
    decimal: str = "."
    skip_rows: int = 0
    columns: tuple[int, ...] | None = None
    allow_nan: bool = False
    scale: int = 1
    size: tuple[int, int] | None = None
    resize: Resize = "stretch"
    channels: Literal[1, 3, 4] | None = None

    def __post_init__(self) -> None:
        self._normalise()
        if self.kind not in (None, "csv", "image"):
            raise OptionError(f"kind: found {self.kind!r}, expected csv or image")
        for name in _IMAGE_ONLY if self.kind == "csv" else _CSV_ONLY if self.kind == "image" else ():
            if getattr(self, name) != getattr(type(self), name, None):
                other = "images" if self.kind == "csv" else "CSV files"
                raise OptionError(f"--{name.replace('_', '-')}: found with {self.kind}, expected only with {other}")
        if self.rows and self.labels not in (None, NO_LABELS):
            raise OptionError(f"--labels: found {self.labels!r} with --rows, expected the target in a --target-column")
        if self.rows and (self.labels == NO_LABELS) == bool(self.target_columns):
            raise OptionError(
                "--rows: found no --target-column, expected the name or number of the target's column, or --labels "
                "none for a store without targets"
                if not self.target_columns
                else "--labels none: found together with --target-column, expected one of them"
            )
        for name, option in _OF_TARGETS.items() if self.labels == NO_LABELS else ():
            if getattr(self, name):
                raise OptionError(f"--labels none: found together with {option}, expected one of them")
        if self.resize != "stretch" and self.size is None:
            raise OptionError(f"--resize: found {self.resize} without --size, expected --size HEIGHTxWIDTH beside it")

    def _normalise(self) -> None:
        """Make plain tuples and integers, which a store records, of what NumPy and lists hold."""
        columns = (self.target_columns,) if isinstance(self.target_columns, str) else self.target_columns
        object.__setattr__(self, "target_columns", tuple(map(str, columns)))
        for name in ("shape", "columns", "size"):
            with contextlib.suppress(TypeError):  # the decoder says what is wrong with it, as for None nothing
                object.__setattr__(self, name, tuple(operator.index(number) for number in getattr(self, name)))
        for name in ("skip_rows", "channels"):
            with contextlib.suppress(TypeError):
                object.__setattr__(self, name, operator.index(getattr(self, name)))

    @property
    def targets(self) -> TargetOptions:
        """How labels become targets."""
        return TargetOptions(self.target_columns, self.target_type, self.classes)

    def recorded(self) -> dict[str, Any]:
        """Return what a store records of these options: all that shapes its contents, and no path."""
        changed = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("labels", "classes", "kind") and getattr(self, field.name) != field.default
        }
        if self.labels == NO_LABELS:
            changed["labels"] = NO_LABELS
        return changed


def open_source(root: Path, options: SourceOptions, bad: list[BadSample] | None = None) -> FileSource | TableSource:
    """Open a source.

    Args:
        root: A folder of files, a sample each; with `rows` a table, or a folder of tables.
        options: How.
        bad: Where samples that cannot be used are noted before any is read; None to raise instead.

    Returns:
        The source, targets joined to its samples by name.

    Raises:
        SourceError: What is there is not what the options say.
        OptionError: Options do not fit together.
    """
    if is_remote(root):
        check_reached(root)
    if options.kind is None:
        options = dataclasses.replace(options, kind="csv" if options.rows else _found_kind(root))
    decoder = _decoder(options)
    if options.rows and isinstance(decoder, CSVDecoder):
        return open_tables(root, _tables(root), decoder, target_columns=options.target_columns)
    suffixes = IMAGE_SUFFIXES if options.kind == "image" else CSV_SUFFIXES
    return open_folder(root, suffixes, decoder, labels=options.labels, target_options=options.targets, bad=bad)


def open_files(paths: Sequence[Path], targets: npt.ArrayLike | None, options: SourceOptions) -> FileSource:
    """Open a list of files as a source.

    Args:
        paths: The files, each one sample.
        targets: (paths,) integers are classes, else numbers, also (paths, outputs); None for a source without targets.
        options: How to decode.

    Returns:
        The source; sample i is paths[i], and its key the path as given.

    Raises:
        OptionError: There are no paths, or not as many targets as paths.
    """
    if not paths:
        raise OptionError("paths: found none, expected one file at least")
    typed = None
    if targets is not None:
        values = np.asarray(targets)
        if len(values) != len(paths):
            raise OptionError(f"targets: found {len(values)} for {len(paths)} paths, expected one each")
        if values.dtype.kind in "iub" and values.ndim == 1:
            if values.min() < 0:
                raise OptionError(f"targets: found class {values.min()}, expected classes from 0; floats are numbers")
            typed = Targets(values.astype(np.int64), "class", int(values.max()) + 1)
        elif values.dtype.kind in "fiub":
            typed = Targets(values.astype(np.float64), "number")
        else:
            raise OptionError(f"targets: found dtype {values.dtype}, expected integers for classes, or numbers")
    kind = options.kind or ("image" if suffix_of(paths[0].name) in IMAGE_SUFFIXES else "csv")
    decoder = _decoder(dataclasses.replace(options, kind=kind))
    keys = [path.as_posix() for path in paths]
    return FileSource(Path(), keys, np.arange(len(keys)), typed, decoder)


def _decoder(options: SourceOptions) -> CSVDecoder | ImageDecoder:
    if options.kind == "image":
        return ImageDecoder(options.size, options.resize, options.channels)
    return CSVDecoder(
        options.delimiter,
        options.decimal,
        options.skip_rows,
        options.columns,
        options.shape,
        options.allow_nan,
        options.scale,
    )


def row_targets(
    indices: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    spellings: Sequence[tuple[str, ...]],
    length: int,
    origin: str,
    options: SourceOptions,
) -> Targets:
    """Make targets of the labels that came with the rows of tables.

    Args:
        indices: The rows' numbers.
        labels: (rows,), which of the spellings each has.
        spellings: Each label once, as text; those that no row has play no part.
        length: Rows in all tables; those that are not named keep 0.
        origin: The table, for messages.
        options: What to take labels for.

    Returns:
        Targets in the order of the source.

    Raises:
        SourceError: A label is not what is expected.
    """
    # Few labels are spelled differently: what they are is told from each spelling once.
    used, which = np.unique(labels, return_inverse=True)
    typed = typed_targets([spellings[number] for number in used.tolist()], origin, options.targets)
    given = typed.values[which]
    values = np.zeros((length, *given.shape[1:]), given.dtype)
    values[indices] = given
    return dataclasses.replace(typed, values=values)


def _found_kind(root: Path) -> str:
    """Return the kind that most files have: beside images lies a labels file, beside CSV files perhaps a picture."""
    if not root.is_dir():
        return "csv"
    suffixes = [suffix_of(key) for key in list_files(root, "", IMAGE_SUFFIXES | CSV_SUFFIXES, []).keys]
    images = sum(suffix in IMAGE_SUFFIXES for suffix in suffixes)
    return "image" if images and 2 * images >= len(suffixes) else "csv"


def _tables(root: Path) -> list[str]:
    if root.is_file():
        return [""]
    if not root.is_dir():
        raise SourceNotFoundError(f"{root}: found no such file or folder, expected a table, or a folder of tables")
    tables = list_files(root, "", CSV_SUFFIXES).keys
    if not tables:
        raise SourceNotFoundError(f"{root}: found no table, expected files such as train.csv")
    return tables
