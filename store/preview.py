"""Draw a contact sheet: some samples of a store with their classes under them."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from seekless.errors import OptionError, StoreError
from seekless.store.inputs import INPUTS, input_name
from seekless.store.lettering import fold, font_for, lines_of
from seekless.store.pieces import pieces
from seekless.store.schema import Field
from seekless.store.store import Store
from seekless.store.tile import is_picture, pixels, tile
from seekless.urls import written_to

__all__ = ["Preview", "preview"]

# Of a sheet, in pixels.
TILE = 128
NARROWEST = 72  # so that a name fits under a small or thin sample
MARGIN, LETTERS, LEADING = 12, 13, 17
GROUND, INK = (250, 250, 250), (40, 40, 40)
# Of a target that is many numbers, under a sample.
SHOWN_NUMBERS = 12
# Samples in memory at one time.
GROUP_BYTES = 64 << 20


@dataclass(frozen=True)
class Preview:
    """A contact sheet that was drawn; as text, what the command prints.

    Attributes:
        path: The picture.
        samples: The numbers of the samples on it, in reading order.
        size: Its width and height, in pixels.
    """

    path: Path
    samples: tuple[int, ...]
    size: tuple[int, int]

    def __str__(self) -> str:
        count = f"{len(self.samples)} sample{'' if len(self.samples) == 1 else 's'}"
        return f"{self.path}: {count}, {self.size[0]} x {self.size[1]} pixels"


def preview(
    store: Store,
    out: str | PathLike[str],
    *,
    of_class: str | int | None = None,
    of_input: str | None = None,
    count: int = 64,
    seed: int = 0,
    overwrite: bool = False,
) -> Preview:
    """Draw randomly chosen samples of a store, each with its class, target or key under it.

    Args:
        store: The store; its samples are images or 2-D arrays.
        out: The PNG file to make.
        of_class: The name or number of the only class to draw; None for all.
        of_input: Which of several inputs to draw; None for the only one that is pictures.
        count: How many samples; all, if there are no more.
        seed: Chooses them; the same seed, the same samples.
        overwrite: Replace a file that exists.

    Returns:
        What was drawn.

    Raises:
        StoreError: Samples of this shape are no pictures.
        OptionError: The file exists, is no PNG or has no folder, there is no such class or input, several inputs are
            pictures, or the count is not positive.
        StoreFormatError: A block is damaged.
    """
    path = written_to(out)
    _check_target(path, overwrite=overwrite)
    if count < 1:
        raise OptionError(f"--count: found {count}, expected 1 or more")
    name = _drawn_field(store, of_input)
    shape = store.header.fields[name].sample_shape
    if not is_picture(shape):
        raise StoreError(
            f"{store.path}: found samples of shape {shape}, expected pictures to draw: (height, width), or that with "
            "1, 3 or 4 channels; tables and CSV files take another shape by --shape at conversion"
        )
    chosen = _choose(_candidates(store, of_class), count, seed)
    sheet = _draw(list(_tiles(store, name, chosen)), _names(store, chosen))
    partial = path.with_name(f"{path.name}.partial")
    try:
        sheet.save(partial, "PNG")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return Preview(path, tuple(chosen), sheet.size)


def _drawn_field(store: Store, of_input: str | None) -> str:
    """Return the field of x that is drawn."""
    inputs = store.header.inputs
    names = ", ".join(map(input_name, inputs))
    if inputs == ("x",):
        if of_input is not None:
            raise OptionError(f"--input: found {of_input!r}, but {store.path} has one input; leave --input out")
        return "x"
    if of_input is not None:
        if f"{INPUTS}{of_input}" not in inputs:
            raise OptionError(f"--input: found {of_input!r}, expected one of the inputs of {store.path}: {names}")
        return f"{INPUTS}{of_input}"
    pictures = [name for name in inputs if is_picture(store.header.fields[name].sample_shape)]
    if len(pictures) > 1:
        raise OptionError(
            f"{store.path}: found the inputs {names}, expected to be told which to draw by --input "
            + " or --input ".join(map(input_name, pictures))
        )
    return pictures[0] if pictures else inputs[0]


def _check_target(path: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() != ".png":
        raise OptionError(f"{path}: found a name that ends in {path.suffix!r}, expected one that ends in .png")
    if not path.parent.is_dir():
        raise OptionError(f"{path}: found no folder {path.parent}, expected one to write to; make it first")
    if path.exists() and not overwrite:
        raise OptionError(f"{path}: found an existing file, expected a new name; --overwrite replaces it")


def _candidates(store: Store, of_class: str | int | None) -> npt.NDArray[np.int64]:
    """Return the numbers of the samples to choose from."""
    if of_class is None:
        return np.arange(len(store))
    number = _class_number(store, of_class)
    found = [start + np.flatnonzero(stored == number) for start, stored in pieces(store.tables["y"])]
    samples = np.concatenate(found)
    if not len(samples):
        raise OptionError(f"--class: found no samples of class {of_class} in {store.path}, expected one that has some")
    return samples


def _class_number(store: Store, of_class: str | int) -> int:
    count, names = store.header.class_count, store.class_names
    if store.header.target_kind != "class":
        raise OptionError(f"--class: found {of_class!r}, but {store.path} has no classes; leave --class out")
    if names is not None and of_class in names:
        return names.index(str(of_class))
    if str(of_class).isdecimal() and int(of_class) < count:
        return int(of_class)
    known = f"0 to {count - 1}"
    if names is not None:
        known = ", ".join(names[:10]) + (f", and {count - 10:,} more" if count > 10 else "")
    raise OptionError(f"--class: found {of_class!r}, expected one of the classes of {store.path}: {known}")


def _choose(candidates: npt.NDArray[np.int64], count: int, seed: int) -> list[int]:
    """Return some of the candidates, in ascending order, so that their blocks are read as they lie."""
    random = np.random.Generator(np.random.Philox(seed % 2**64))
    picked = random.choice(len(candidates), min(count, len(candidates)), replace=False, shuffle=False)
    chosen: list[int] = np.sort(candidates[picked]).tolist()
    return chosen


def _names(store: Store, chosen: Sequence[int]) -> list[tuple[str, str]]:
    """Return what stands under each sample, and what instead of it where no font can write it."""
    ranges = [(sample, sample + 1) for sample in chosen]
    if "y" not in store.tables:
        if "key" not in store.tables:
            return [(str(sample), "") for sample in chosen]
        keys = [key.decode() for key in store.reader("key").read(ranges).tolist()]
        return [(key.rpartition("/")[2], str(sample)) for key, sample in zip(keys, chosen, strict=True)]
    targets = store.reader("y").read(ranges)
    if store.header.target_kind == "class":
        names = store.class_names
        return [(str(number) if names is None else names[number], f"class {number}") for number in targets.tolist()]
    return [(_numbers(target.reshape(-1).tolist()), "") for target in targets]


def _numbers(values: Sequence[float]) -> str:
    more = ["..."] if len(values) > SHOWN_NUMBERS else []
    return ", ".join([*(f"{value:.4g}" for value in values[:SHOWN_NUMBERS]), *more])


def _groups(store: Store, name: str, chosen: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
    """Yield stored samples, (samples, *sample_shape), a bounded number of bytes at a time."""
    reader = store.reader(name)
    step = max(1, GROUP_BYTES // max(1, reader.table.field.sample_bytes))
    for start in range(0, len(chosen), step):
        yield reader.read([(sample, sample + 1) for sample in chosen[start : start + step]])


def _tiles(store: Store, name: str, chosen: Sequence[int]) -> Iterator[Image.Image]:
    low, high = _ends(store.header.fields[name], _groups(store, name, chosen))
    for group in _groups(store, name, chosen):
        for sample in group:
            yield tile(pixels(sample, low, high), TILE)


def _ends(field: Field, groups: Iterator[npt.NDArray[Any]]) -> tuple[float, float]:
    """Return the stored values that are drawn black and white: those of 0 and 1 in training, or the sheet's own."""
    divisor = field.encoding.divisor * field.scale
    if divisor != 1:
        return 0.0, float(divisor)
    low, high = math.inf, -math.inf
    for group in groups:
        finite = group[np.isfinite(group)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low < high else (min(low, 0.0), max(high, 1.0))


def _columns(count: int, proportion: float) -> int:
    """Return how many samples stand side by side: about as many pixels as below each other, and a full last row."""
    square = math.sqrt(count * proportion)
    about = range(max(1, round(0.9 * square)), math.ceil(1.3 * square) + 1)
    return min(count, min(about, key=lambda columns: (-count % columns, abs(columns - square))))


def _draw(tiles: Sequence[Image.Image], names: Sequence[tuple[str, str]]) -> Image.Image:
    font = font_for((name for name, _ in names), LETTERS)
    wide = max(NARROWEST, *(tile.width for tile in tiles))
    high = max(tile.height for tile in tiles)
    texts = [lines_of(fold(name, font, instead), font, wide) for name, instead in names]
    below = 4 + LEADING * max(map(len, texts))
    columns = _columns(len(tiles), (high + below + MARGIN) / (wide + MARGIN))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (MARGIN + columns * (wide + MARGIN), MARGIN + rows * (high + below + MARGIN)), GROUND)
    draw = ImageDraw.Draw(sheet)
    for place, (picture, lines) in enumerate(zip(tiles, texts, strict=True)):
        left = MARGIN + place % columns * (wide + MARGIN)
        top = MARGIN + place // columns * (high + below + MARGIN)
        sheet.paste(picture, (left + (wide - picture.width) // 2, top + high - picture.height))
        for number, line in enumerate(lines):
            at = (left + (wide - font.getlength(line)) / 2, top + high + 4 + number * LEADING)
            draw.text(at, line, fill=INK, font=font)
    return sheet
