"""The names of a store's fields: x, or several inputs beside each other, and what belongs to each sample of them."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

__all__ = ["INPUTS", "LABELS", "as_x", "field_order", "input_name", "is_input"]

T = TypeVar("T")

# What the fields of several inputs begin with: x/image, x/depth.
INPUTS = "x/"
# The fields beside x, in the order in which they lie in a store.
LABELS = ("y", "sample_weight", "key")
# A name that every file system and every HDF5 tool takes, and Keras too.
_INPUT = re.compile(r"x(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})?", re.ASCII)


def is_input(field: str) -> bool:
    """Return whether a field is x, or one of several inputs: x/NAME, of ASCII letters, digits, `_`, `.` and `-`."""
    return _INPUT.fullmatch(field) is not None


def input_name(field: str) -> str:
    """Return what a model calls a field: image for x/image."""
    return field.removeprefix(INPUTS)


def field_order(names: Iterable[str]) -> list[str]:
    """Return the fields of a store in the order in which they lie there: inputs by name, then `LABELS`.

    Args:
        names: Those that there are, in any order.

    Raises:
        ValueError: There is no x, or x beside inputs of other names, or a name is no field's.
    """
    found = set(names)
    inputs = sorted(found - set(LABELS))
    odd = [name for name in inputs if not is_input(name)]
    if odd or not inputs or ("x" in inputs and len(inputs) > 1):
        raise ValueError(f"the fields {', '.join(sorted(found)) or 'none'}, expected x, or x/NAME, and others beside")
    return [*inputs, *(name for name in LABELS if name in found)]


def as_x(values: Mapping[str, T]) -> T | dict[str, T]:
    """Return x as a model takes it: what is of the field x, or a dictionary by the names of the inputs.

    Args:
        values: By field: `{"x": ...}` or `{"x/depth": ..., "x/image": ...}`.
    """
    if "x" in values:
        return values["x"]
    return {input_name(field): value for field, value in values.items()}
