"""Write the samples of a store back as files, so that converting them again gives the same values and targets.

A store is read once from end to end, and files are written in that order. Rows of tables are sorted outside of memory.
"""

import contextlib
import math
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from seekless.convert.commit import remove
from seekless.convert.extract_files import LABELS, csv_bytes, file_names, natural_shape, packed, png_bytes
from seekless.convert.extract_tables import Tables, target_columns
from seekless.convert.extract_targets import are_folders, comes_back, label_texts, write_labels
from seekless.convert.options import Options
from seekless.convert.pictures import is_png
from seekless.errors import ConvertError, StoreError
from seekless.progress import Pass
from seekless.store.inputs import input_name
from seekless.store.kinds import NPY_SUFFIX, suffix_of
from seekless.store.pieces import pieces
from seekless.store.store import Store
from seekless.store.store import open as open_store
from seekless.urls import written_to

__all__ = ["Extracted", "extract"]


@dataclass(frozen=True)
class Extracted:
    """What was written; as text, what the command prints.

    Attributes:
        folder: The folder.
        samples: Samples in it.
        form: What they are: "PNG files", "CSV files", "rows of 2 tables".
        targets: Where the targets are.
        nbytes: Bytes of all files.
        again: The command that makes a store of the folder; NEW stands for the store to make.
        seconds: From start to end.
    """

    folder: Path
    samples: int
    form: str
    targets: str
    nbytes: int
    again: str
    seconds: float

    def __str__(self) -> str:
        lines = [
            f"{self.folder}",
            f"  samples  {self.samples:,} as {self.form}",
            f"  targets  {self.targets}",
            f"  bytes    {self.nbytes / 1e6:,.1f} MB",
            f"  time     {self.seconds:.1f} s, {self.samples / max(self.seconds, 1e-9):,.0f} samples/s",
            f"  again    {self.again}",
        ]
        return "\n".join(lines)


def extract(
    store: str | PathLike[str], folder: str | PathLike[str], *, memory: int = 1 << 30, progress: bool = False
) -> Extracted:
    """Write the samples of a store as files below a folder, whole or not at all; their keys are their paths.

    Pictures (uint8, or gray uint16) become PNG files, all others text; samples whose keys are rows of tables become
    tables. Targets are written to target.csv, or are the folders that files lie in.

    Args:
        store: The store.
        folder: The folder to make.
        memory: Bytes that rows may take before they go through files.
        progress: Show a progress bar on stderr.

    Returns:
        What was written.

    Raises:
        StoreError: The store cannot be read, has no keys, or holds what files cannot say: several inputs, weights of
            samples, targets that are tables.
        ConvertError: The folder exists, or a key is no path inside it.
    """
    start = time.perf_counter()
    memory, made = Options(memory=memory).memory, written_to(folder)
    opened = open_store(store)
    if "key" not in opened.tables:
        raise StoreError(f"{opened.path}: found no keys, expected a store that `convert` or seekless.write made")
    _check_kept_by_files(opened)
    with _making(made) as (partial, parts):
        job = _Job(opened, partial, parts, memory)
        with Pass("extracting", len(opened), progress) as bar:
            job.run(bar)
    return Extracted(
        folder=made,
        samples=len(opened),
        form=job.form,
        targets=job.targets,
        nbytes=job.nbytes,
        again=job.again(made),
        seconds=time.perf_counter() - start,
    )


def _check_kept_by_files(store: Store) -> None:
    """Refuse a store that would not come back from files as it was."""
    found = ""
    if "x" not in store.tables:
        found = f"the inputs {', '.join(map(input_name, store.header.inputs))}"
    elif "sample_weight" in store.tables:
        found = "weights of samples"
    elif "y" in store.tables and len(store.header.fields["y"].sample_shape) > 1:
        found = f"targets of shape {store.header.fields['y'].sample_shape}"
    if found:
        raise StoreError(
            f"{store.path}: found {found}, expected one input, with a class or a row of numbers each, as files can "
            "hold; read the arrays of the store by seekless.open"
        )


@contextlib.contextmanager
def _making(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Make a folder beside its place, and put it there when the context is left without an error.

    Yields:
        The folder in the making, and one that may be made for passing files.
    """
    partial, parts = (folder.with_name(f"{folder.name}.{word}") for word in ("partial", "parts"))
    if not folder.parent.is_dir():
        raise ConvertError(f"{folder}: found no folder {folder.parent}, expected one to write to; make it first")
    for path in (folder, partial, parts):
        if os.path.lexists(path):
            left = "" if path is folder else ", perhaps left by a run that was killed"
            raise ConvertError(
                f"{path}: found something there{left}, expected nothing: files are never written over; remove it, or "
                "name another FOLDER"
            )
    partial.mkdir()
    try:
        yield partial, parts
        os.rename(partial, folder)
    finally:
        remove(partial, parts)


class _Job:
    """Writes one store.

    Attributes:
        form: What samples become.
        targets: Where their targets are.
        nbytes: Bytes written.

    Args:
        store: The store.
        folder: An empty folder.
        parts: A folder to be, for passing files.
        memory: Bytes that rows may take.
    """

    def __init__(self, store: Store, folder: Path, parts: Path, memory: int) -> None:
        self._store = store
        self._folder = folder
        self._parts = parts
        self._memory = memory
        x = store.header.fields["x"]
        self._png = is_png(x.sample_shape, x.encoding.logical_dtype)
        self._finite = True
        self._options: list[str] = []
        self.form = "PNG files" if self._png else "CSV files"
        self.targets = "none"
        self.nbytes = 0

    def run(self, bar: Pass) -> None:
        """Write all samples and targets."""
        keys = self._store.keys
        tables = None if self._png else Tables.of(self._store, keys)
        if tables is not None:
            self._write_tables(tables, bar)
            return
        names = file_names(keys, ".png" if self._png else ".csv")
        self._write_targets(names)
        self._write_files(names, bar)

    def again(self, folder: Path) -> str:
        """Return the command that makes a store of what was written.

        Args:
            folder: Where it is now.
        """
        x, header = self._store.header.fields["x"], self._store.header
        options = list(self._options)
        if not self._png:
            rows = "--rows" in options
            read = (math.prod(x.sample_shape),) if rows else natural_shape(x.sample_shape)
            options += ["--shape", ",".join(map(str, x.sample_shape))] if read != x.sample_shape else []
            options += ["--allow-nan"] if not self._finite else []
            options += ["--scale", str(x.scale)] if x.scale != 1 else []
        if "y" not in header.fields:
            options += ["--labels", "none"]
        suffix = suffix_of(self._store.path)
        command = f"{'png' if self._png else 'csv'}-to-{'npy' if suffix == NPY_SUFFIX else 'h5'}"
        placed = (str(folder / LABELS) if word == LABELS else word for word in options)
        return shlex.join(["convert", command, str(folder), f"NEW{suffix}", *placed])

    def _write_tables(self, tables: Tables, bar: Pass) -> None:
        self.form = f"rows of {len(tables.names):,} table{'s' if len(tables.names) > 1 else ''}"
        columns = target_columns(self._store.header)
        self._options = ["--rows", *(word for name in columns for word in ("--target-column", name))]
        if columns:
            self.targets = f"the column{'s' if len(columns) > 1 else ''} {', '.join(columns)}"
            self._note_classes()
        self.nbytes, self._finite = tables.write(self._folder, self._parts, self._memory, bar)

    def _write_targets(self, names: Sequence[str]) -> None:
        header = self._store.header
        if "y" not in header.fields:
            return
        values = self._store.read("y", 0, len(self._store))
        if are_folders(header, values, names):
            self.targets = "the folders of the files"
            return
        self.targets = LABELS
        self.nbytes += write_labels(self._folder / LABELS, names, label_texts(header, values))
        in_train = sum(name.startswith("train/") for name in names)
        if 0 < in_train < len(names):
            self._options += ["--labels", LABELS]  # else the files outside of train/ would be left out
        self._note_classes()

    def _note_classes(self) -> None:
        header = self._store.header
        if not comes_back(header, self._store.read("y", 0, len(self._store))):
            self._options += ["--classes-from", str(self._store.path)]

    def _write_files(self, names: Sequence[str], bar: Pass) -> None:
        decode = self._store.header.fields["x"].encoding.decode
        made = {""}
        for start, stored in pieces(self._store.tables["x"]):
            for number in range(len(stored)):
                sample = decode(stored[number])
                name = names[start + number]
                above = name.rpartition("/")[0]
                if above not in made:
                    (self._folder / above).mkdir(parents=True, exist_ok=True)
                    made.add(above)
                self._finite &= sample.dtype.kind != "f" or bool(np.isfinite(sample).all())
                data = png_bytes(sample) if self._png else packed(name, csv_bytes(sample))
                self._write_file(name, data)
                bar.add(1)

    def _write_file(self, name: str, data: bytes) -> None:
        try:
            with open(self._folder / name, "xb") as file:
                file.write(data)
        except FileExistsError:
            raise ConvertError(
                f"{name}: found a file of this name that another sample was written to, expected none; this file "
                "system does not tell its keys apart"
            ) from None
        self.nbytes += len(data)
