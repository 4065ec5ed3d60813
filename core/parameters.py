"""Kinds of option values that several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

__all__ = ["ByteSize", "Numbers"]

if TYPE_CHECKING:
    IntType = click.ParamType[int]
    NumbersType = click.ParamType[tuple[int, ...]]
else:
    IntType = NumbersType = click.ParamType  # takes no type before click 8.4


class ByteSize(IntType):
    """A number of bytes with an optional unit: 512MiB, 1GiB, 2000000, 1.5GB."""

    name = "size"
    units = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}  # noqa: RUF012 (never changed)
    units |= {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes that the text says."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
        try:
            return int(float(number) * self.units[text[len(number) :].strip().lower()])
        except (ValueError, KeyError, OverflowError):
            self.fail(f"found {value!r}, expected a size such as 512MiB or 1GiB", param, ctx)


class Numbers(NumbersType):
    """Whole numbers with a mark between them, such as 28,28,1 or 256x256.

    Args:
        example: What a value looks like.
        marks: What may stand between two numbers.
        count: How many there must be; None for any number.
    """

    name = "numbers"

    def __init__(self, example: str, marks: str = ",", count: int | None = None) -> None:
        self.example = example
        self.marks = marks
        self.count = count

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers that the text says."""
        if isinstance(value, tuple):
            return value
        text = str(value).lower()
        for mark in self.marks:
            text = text.replace(mark, ",")
        try:
            numbers = tuple(int(part) for part in text.split(","))
        except ValueError:
            numbers = ()
        if not numbers or self.count not in (None, len(numbers)):
            self.fail(f"found {value!r}, expected whole numbers such as {self.example}", param, ctx)
        return numbers
