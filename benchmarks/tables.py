"""Figures as Markdown."""

from typing import Any

__all__ = ["first_screen", "growth", "large", "machine", "many_files", "other", "peers", "race", "seeks"]

Record = dict[str, Any]
Row = dict[str, Any]
STORE = "the store, in a loop"
README_WAYS = (
    "the store, in fit",
    "arrays in memory, fit(x, y)",
    "loose files, PyDataset, 4 workers",
    "tf.data over TFRecord, in fit",
    STORE,
    "h5py, fancy indices",
    "floor: dd of the bytes",
)


def number(value: Any, digits: int = 3) -> str:
    """Return a figure with so many digits that count; "-" where there is none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, int) or (isinstance(value, float) and abs(value) >= 10**digits):
        return f"{value:,.0f}"
    if isinstance(value, float):
        text = f"{value:#.{digits}g}"
        return f"{value:.{digits + 3}f}".rstrip("0") if "e" in text else text.rstrip(".")
    return str(value)


def times(ratio: float | None) -> str:
    """Return how a figure compares with the store's."""
    return "" if ratio is None or ratio == 1 else f" ({ratio:.2g}x)" if ratio < 10 else f" ({ratio:,.0f}x)"


def markdown(columns: dict[str, list[str]]) -> str:
    """Return a table; columns of figures to the right."""
    names = list(columns)
    lines = ["| " + " | ".join(names) + " |", "|" + "|".join(["---", *["---:"] * (len(names) - 1)]) + "|"]
    lines += ["| " + " | ".join(cells) + " |" for cells in zip(*columns.values(), strict=True)]
    return "\n".join(lines) + "\n"


def plain(rows: list[Row], columns: dict[str, str]) -> str:
    """Return a table of columns of rows, by other names."""
    return markdown({name: [number(row.get(key)) for row in rows] for name, key in columns.items()})


def machine(record: Record) -> str:
    """Say what was measured on, and when it was not alone."""
    on, found = record["machine"], record["versions"]
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    return f"{on['processor']}, {on['cores']} cores, {on['system']}; {text}.\n"


def state(record: Record) -> str:
    return f"{record['title']}. {record['state'][0].upper()}{record['state'][1:]}.\n"


def race(record: Record) -> str:
    """Return the table of a race; ratios are to the store's."""
    rows = [row for row in record["rows"] if not row["failed"]]
    table = {
        "way": [row["way"] for row in rows],
        "packing, s": [number(row["pack s"]) for row in rows],
        "MB": [number(row["packed MB"]) for row in rows],
        "first epoch, s": [number(row["first s"]) + times(row["first/store"]) for row in rows],
        "next, s": [number(row["next s"]) + times(row["next/store"]) for row in rows],
        "cold, s": [number(row["cold s"]) for row in rows],
        "spinning disk, s": [number(row["disk s"]) + times(row["disk/store"]) for row in rows],
        "reads": [number(row["reads"]) for row in rows],
        "memory, MB": [number(row["memory MB"]) for row in rows],
        "parts": [number(row["parts"]) for row in rows],
        "apart": [number(row["apart"]) for row in rows],
        "once": [number(row["once"]) for row in rows],
    }
    used = {name: cells for name, cells in table.items() if set(cells) != {"-"}}
    failed = [f"- {row['way']}: {row['failed']}" for row in record["rows"] if row["failed"]]
    return "\n".join([state(record), markdown(used), *([*failed, ""] if failed else [])])


def peers(record: Record) -> str:
    """Return the table of the race against rivals that were installed."""
    found = ", ".join(f"{name} {version}" for name, version in record["peers"].items())
    text = race(record) + f"\nIn environments of their own: {found}.\n"
    for name, reason in record["not installed"].items():
        text += f"{name} could not be installed: `{reason}`\n"
    return text


def large(record: Record) -> str:
    """Return the table of data larger than memory."""
    if "reason" in record["rows"][0]:
        return state(record)
    columns = {
        "way": "way",
        "epoch, s": "seconds",
        "times the store": "times the store",
        "samples/s": "samples/s",
        "memory, MB": "memory MB",
        "": "ended",
    }
    return state(record) + "\n" + plain(record["rows"], columns)


def growth(record: Record) -> str:
    """Return a line for each size, and for each way its seconds and memory."""
    ways = list(dict.fromkeys(row["way"] for row in record["rows"]))
    sizes = list(dict.fromkeys(row["GB"] for row in record["rows"]))
    cells = {(row["way"], row["GB"]): row for row in record["rows"]}

    def cell(way: str, size: float) -> str:
        row = cells.get((way, size))
        if row is None:
            return "-"
        if row["ended"] != "whole":
            return row["ended"]  # type: ignore[no-any-return]
        return f"{number(row['seconds'])} s, {number(row['memory MB'])} MB"

    table = {"GB of pixels": [number(size) for size in sizes]}
    table |= {way: [cell(way, size) for size in sizes] for way in ways}
    return state(record) + "\n" + markdown(table)


def many_files(record: Record) -> str:
    """Return the table of conversions."""
    return (
        state(record)
        + "\n"
        + plain(record["rows"], {"files": "files", "seconds": "seconds", "files a second": "files/s"})
    )


def seeks(record: Record) -> str:
    """Return the table of a head's way."""
    if "reason" in record["rows"][0]:
        return f"{state(record)}\n{record['rows'][0]['reason']}\n"
    columns = {
        "order": "order",
        "jumps": "jumps",
        "GB jumped over": "GB jumped over",
        "MB read": "MB read",
        "expected, s": "seconds",
        "times the store": "times the store",
        "files all over the disk, s": "files all over",
    }
    return state(record) + "\n" + plain(record["rows"], columns)


def other(records: list[Record]) -> str:
    """Return all other figures, as the scripts gave them."""
    parts = []
    for record in records:
        names = [name for name in record["rows"][0] if any(row[name] is not None for row in record["rows"])]
        table = plain(record["rows"], {name: name for name in names})
        parts.append(f"**{record['title']}**. {record['state']}.\n\n{table}")
    return "\n".join(parts)


def first_screen(csv: Record, photo: Record) -> str:
    """Return README's table."""
    by_way = [{row["way"]: row for row in record["rows"] if not row["failed"]} for record in (csv, photo)]
    ways = [way for way in README_WAYS if all(way in rows for rows in by_way)]
    columns = {"an epoch, seconds": ways}
    for what, rows in zip(("digits as CSV", "photographs as PNG"), by_way, strict=True):
        columns[f"{what}, warm"] = [number(rows[way]["next s"]) + times(rows[way]["next/store"]) for way in ways]
        columns[f"{what}, spinning disk"] = [
            number(rows[way]["disk s"]) + times(rows[way]["disk/store"]) for way in ways
        ]
    counts = f"{csv['asked']['count']:,} digits of 28 x 28, {photo['asked']['count']:,} photographs of 256 x 256 x 3"
    brackets = "in brackets the ratio to the store's, fit to fit and loop to loop"
    return f"{markdown(columns)}\n{counts}; {brackets}. All of it: [docs/benchmarks.md](docs/benchmarks.md).\n"
