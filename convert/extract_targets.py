"""The targets of a store as text beside its files, and what `convert` must be told to read them as they were."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import SourceError
from seekless.source.csv_text import is_number
from seekless.source.targets import TargetOptions, typed_targets
from seekless.store.schema import Header

__all__ = ["are_folders", "comes_back", "label_texts", "write_labels"]


def label_texts(header: Header, values: npt.NDArray[Any]) -> list[tuple[str, ...]]:
    """Return each target as text, a tuple a sample: a class by its name, a number with all its digits.

    Args:
        header: What the store says of its targets.
        values: The targets, (n,) or (n, outputs).
    """
    if header.target_kind == "class":
        names = header.class_names or tuple(map(str, range(header.class_count)))
        return [(names[number],) for number in values.tolist()]
    # As floats, whatever they came as: "1" would be read as a class.
    return [tuple(map(repr, row)) for row in values.reshape(len(values), -1).astype(np.float64).tolist()]


def are_folders(header: Header, values: npt.NDArray[Any], names: Sequence[str]) -> bool:
    """Return whether each sample's file lies in the folder of its class, so that no other file need say it.

    Args:
        header: What the store says of its targets.
        values: The targets.
        names: The samples' files.
    """
    classes = header.class_names
    if classes is None or len(classes) < 2 or list(classes) != sorted(set(classes)) or "train" in classes:
        return False
    if len(np.unique(values)) < len(classes):
        return False
    return all(name.startswith(f"{classes[number]}/") for number, name in zip(values.tolist(), names, strict=True))


def comes_back(header: Header, values: npt.NDArray[Any]) -> bool:
    """Return whether `convert` tells from the text of all targets the classes that they are, with the same numbers.

    Args:
        header: What the store says of its targets.
        values: The targets.
    """
    if header.target_kind != "class":
        return True
    used = np.unique(values)
    try:
        found = typed_targets(label_texts(header, used), "", TargetOptions())
    except SourceError:
        return False
    same = (found.kind, found.class_count, found.class_names)
    return same == ("class", header.class_count, header.class_names) and np.array_equal(found.values, used)


def write_labels(path: Path, names: Sequence[str], labels: Iterable[tuple[str, ...]]) -> int:
    """Write a labels file: the name of each sample and its targets, in the order of the names, without header.

    Args:
        path: The file to make.
        names: The samples' files.
        labels: Their targets, in the same order.

    Returns:
        Its bytes.
    """
    rows = sorted(zip(names, labels, strict=True))
    # Words above numbers would be taken for a header.
    first = next((at for at, (_, label) in enumerate(rows) if all(map(is_number, label))), 0)
    rows.insert(0, rows.pop(first))
    tabs = any("\t" in text for name, label in rows for text in (name, *label))
    with open(path, "x", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if tabs else ",", lineterminator="\n")
        writer.writerows((name, *label) for name, label in rows)
    return path.stat().st_size
