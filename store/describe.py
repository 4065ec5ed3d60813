"""What a store holds, in full: as lines to read, or as JSON."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.progress import Follow, Pass
from seekless.store.blocks import BlockTable
from seekless.store.disk import Disk, disk_of
from seekless.store.inputs import as_x, input_name
from seekless.store.pieces import pieces
from seekless.store.portions import portions_of, recorded
from seekless.store.reasons import block_reason, dtype_reason
from seekless.store.schema import Header
from seekless.store.store import Store
from seekless.urls import is_remote

__all__ = ["Description", "ValueRange", "describe"]

# Without being asked, values are read of stores up to this many bytes: 7 seconds on a spinning disk; of those that are
# reached by URL of fewer.
SCAN_BYTES, REMOTE_BYTES = 1 << 30, 64 << 20
SHOWN_CLASSES = 20
SHOWN_PORTIONS = 6


@dataclass(frozen=True)
class ValueRange:
    """The values of a field, as the source had them.

    Attributes:
        low: The lowest finite value; None if there is none.
        high: The highest.
        nan: How many are not a number.
        infinite: How many are infinite.
    """

    low: float | None
    high: float | None
    nan: int
    infinite: int

    def __str__(self) -> str:
        text = "no finite value" if self.low is None else f"{_number(self.low)} to {_number(self.high)}"
        text += f", {self.nan:,} NaN" if self.nan else ""
        return text + (f", {self.infinite:,} infinite" if self.infinite else "")


@dataclass(frozen=True)
class Description:
    """What a store holds; as text, what `convert info` prints.

    Attributes:
        store: The store.
        size: Bytes of all its files.
        values: The range of x, by field: "x", or "x/NAME" of several inputs; empty if x was not read.
        targets: The range of y, where targets are numbers; else None.
        counts: int64, (classes,): samples of each class, where targets are classes; else None.
        disk: Where it lies.
    """

    store: Store
    size: int
    values: Mapping[str, ValueRange]
    targets: ValueRange | None
    counts: npt.NDArray[np.int64] | None
    disk: Disk

    @property
    def epoch_bytes(self) -> int:
        """Stored bytes that an epoch of training reads: x and y."""
        return sum(table.stored_bytes for name, table in self.store.tables.items() if name != "key")

    @property
    def epoch_seconds(self) -> float:
        """The least time that reading an epoch takes on this disk, if nothing of it is cached."""
        return self.epoch_bytes / self.disk.rate

    @property
    def parts(self) -> dict[str, int]:
        """Samples in each recorded part; of a store that has grown, those of all its portions together."""
        counts = [[stop - start for start, stop in parts] for parts in recorded(self.store.header)]
        number = len(counts[0])
        names = ("train", "test") if number == 2 else tuple(f"part {part}" for part in range(number))
        return {name: sum(count) for name, count in zip(names, zip(*counts, strict=True), strict=True)}

    @property
    def shuffled(self) -> bool | str:
        """Whether samples lie in a random order; "within parts" of a store that has grown."""
        header = self.store.header
        return "within parts" if header.shuffled and header.portions else header.shuffled

    @property
    def _order(self) -> str:
        header = self.store.header
        if not header.portions:
            return f"in random order, seed {header.seed}" if header.shuffled else "in the source's order"
        sizes = [f"{stop - start:,}" for start, stop in portions_of(header)]
        sizes = sizes if len(sizes) <= SHOWN_PORTIONS else [*sizes[: SHOWN_PORTIONS - 1], "...", sizes[-1]]
        portions = f"{len(header.portions):,} portions that were converted one after the other ({' + '.join(sizes)})"
        if not header.shuffled:
            return f"in the source's order within {portions}"
        return f"shuffled: within parts, seed {header.seed}; {portions}; `convert shuffle` mixes them"

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as what JSON can hold; sizes are in bytes, times in seconds."""
        header = self.store.header
        return {
            "path": str(self.store.path),
            "samples": len(self.store),
            "shape": as_x({name: list(header.fields[name].sample_shape) for name in header.inputs}),
            "bytes": self.size,
            "shards": [str(path) for path in self.store.shards],
            "lossy": bool(header.options.get("lossy")),
            "shuffled": self.shuffled,
            "portions": [stop - start for start, stop in portions_of(header)],
            "seed": header.seed,
            "parts": self.parts,
            "fields": {name: _field_dict(table, header) for name, table in self.store.tables.items()},
            "values": as_x({name: vars(found) for name, found in self.values.items()}) if self.values else None,
            "target_kind": header.target_kind or None,
            "targets": None if self.targets is None else vars(self.targets),
            "classes": None if self.counts is None else [_class_dict(*item) for item in self._classes()],
            "epoch": {
                "bytes": self.epoch_bytes,
                "seconds": self.epoch_seconds,
                "bytes_per_second": self.disk.rate,
                "disk": self.disk.name or None,
                "spinning": self.disk.spinning,
            },
            "created_by": header.created_by,
            "options": dict(header.options),
        }

    def __str__(self) -> str:
        header = self.store.header
        lines = [
            ("samples", f"{len(self.store):,}, {self._order}"),
            ("parts", ", ".join(f"{name} {count:,}" for name, count in self.parts.items())),
            ("shape", ", ".join(_of(name, _shape(header.fields[name].sample_shape)) for name in header.inputs)),
            *self._value_lines(),
            *self._target_lines(),
            *(line for table in self.store.tables.values() for line in _field_lines(table, header)),
            ("shards", self._shard_line()),
            ("size", _size(self.size)),
            ("epoch", f"{self.epoch_seconds:.2g} s to read {_size(self.epoch_bytes)} ({self.disk})"),
            (
                "options",
                ", ".join(f"{name} {value}" for name, value in sorted(header.options.items()) if value is not None),
            ),
            ("made by", header.created_by),
        ]
        wide = max(8, *(len(name) for name, text in lines if text))
        return "\n".join([str(self.store.path), *(f"  {name:<{wide}} {text}" for name, text in lines if text)])

    def _classes(self) -> Iterator[tuple[int, str | None, int]]:
        names = self.store.class_names
        for number, count in enumerate([] if self.counts is None else self.counts.tolist()):
            yield number, None if names is None else names[number], count

    def _value_lines(self) -> Iterator[tuple[str, str]]:
        if not self.values:
            yield "values", "not read; --scan reads them"
        for number, (name, found) in enumerate(self.values.items()):
            scale = self.store.header.fields[name].scale
            text = str(found) + (f"; training divides them by {scale}" if scale != 1 else "")
            yield "" if number else "values", _of(name, text)

    def _shard_line(self) -> str:
        shards = self.store.shards
        return f"{_count(len(shards), 'file')} in {shards[0].parent.name}" if shards else ""

    def _target_lines(self) -> Iterator[tuple[str, str]]:
        if self.targets is not None:
            yield "targets", f"numbers{_times(self.store.header.fields['y'].sample_shape)}, {self.targets}"
        elif self.counts is None:
            yield "targets", "none"
        else:
            shown = [f"{number if name is None else name} ({count:,})" for number, name, count in self._classes()]
            rest = [f"and {len(shown) - SHOWN_CLASSES:,} more"] if len(shown) > SHOWN_CLASSES else []
            yield "classes", f"{len(shown):,}: " + ", ".join([*shown[:SHOWN_CLASSES], *rest])


def describe(store: Store, *, scan: bool | None = None, progress: Follow = False) -> Description:
    """Gather the facts of a store; its targets are read, and x if that takes seconds at most or is asked for.

    Args:
        store: The store.
        scan: Read x for the range of its values; None to do so up to 1 GiB of stored bytes, 64 MiB by URL.
        progress: Show a progress bar on stderr; or a function, see `seekless.progress.Progress`.

    Returns:
        The facts.

    Raises:
        StoreFormatError: A block is damaged.
    """
    header, tables = store.header, store.tables
    if scan is None:
        most = REMOTE_BYTES if is_remote(store.path) else SCAN_BYTES
        scan = sum(tables[name].stored_bytes for name in header.inputs) <= most
    classes = header.target_kind == "class"
    return Description(
        store=store,
        size=store.nbytes,
        values={name: _range(tables[name], progress) for name in header.inputs if scan},
        targets=_range(tables["y"], progress) if "y" in tables and not classes else None,
        counts=_class_counts(tables["y"], header.class_count) if classes else None,
        disk=disk_of(store.path),
    )


def _range(table: BlockTable, progress: Follow) -> ValueRange:
    decode = table.field.encoding.decode
    low, high, nan, infinite = math.inf, -math.inf, 0, 0
    with Pass(f"reading {table.field.name}", table.length, progress) as bar:
        for _, stored in pieces(table):
            bar.add(len(stored), stored.nbytes)
            finite = stored
            if stored.dtype.kind == "f":
                is_finite = np.isfinite(stored)
                finite = stored if is_finite.all() else stored[is_finite]
                missing = int(np.count_nonzero(np.isnan(stored)))
                nan, infinite = nan + missing, infinite + stored.size - finite.size - missing
            if finite.size:
                # Dividing by a positive number keeps the order of values: the ends are enough.
                ends = decode(np.array([finite.min(), finite.max()], stored.dtype)).tolist()
                low, high = min(low, ends[0]), max(high, ends[1])
    return ValueRange(low, high, nan, infinite) if low <= high else ValueRange(None, None, nan, infinite)


def _class_counts(table: BlockTable, classes: int) -> npt.NDArray[np.int64]:
    counts = np.zeros(classes, np.int64)
    for _, stored in pieces(table):
        counts += np.bincount(stored, minlength=classes)
    return counts


def _field_lines(table: BlockTable, header: Header) -> Iterator[tuple[str, str]]:
    field = table.field
    why = dtype_reason(header, field.name)
    name = f"UTF-8 of {field.dtype.itemsize} bytes" if field.dtype.kind == "S" else str(field.encoding)
    yield field.name, f"{name}: {why}" if why else name
    packed = "not compressed" if field.codec == "none" else f"{field.codec}, {table.ratio:.2f} times smaller"
    lengths = {own.block_length for own in table.own if header.portions} or {field.block_length}
    upto = "up to " if len(lengths) > 1 else ""
    blocks = f"{_count(len(table), 'block')} of {upto}{_count(max(lengths), 'sample')}"
    yield "", f"{_size(table.stored_bytes)}, {packed}"
    yield "", f"{blocks}, {field.block_bytes:,} bytes: {block_reason(table, header)}"


def _of(field: str, text: str) -> str:
    """Return what is said of x, or of one of several inputs."""
    return text if field == "x" else f"{input_name(field)} {text}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _number(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _size(count: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} bytes"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one value"


def _times(shape: tuple[int, ...]) -> str:
    return f", {_shape(shape)} a sample" if shape else ""


def _field_dict(table: BlockTable, header: Header) -> dict[str, Any]:
    field = table.field
    return {
        "dtype": field.dtype.str,
        "logical_dtype": field.encoding.logical_dtype.str,
        "divisor": field.encoding.divisor,
        "scale": field.scale,
        "why": dtype_reason(header, field.name),
        "codec": field.codec,
        "stored_bytes": table.stored_bytes,
        "ratio": table.ratio,
        "blocks": len(table),
        "block_samples": field.block_length,
        "block_bytes": field.block_bytes,
        "block_reason": block_reason(table, header),
    }


def _class_dict(number: int, name: str | None, count: int) -> dict[str, Any]:
    return {"number": number, "name": name, "samples": count}
