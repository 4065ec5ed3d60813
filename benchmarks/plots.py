"""Figures as pictures."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["draw_all"]

Record = dict[str, Any]
OURS, THEIRS, FLOOR = "#0b6e4f", "#8d99ae", "#d9d9d9"
KINDS = {"race-csv": "digits as CSV", "race-png": "digits as PNG", "race-photo": "photographs as PNG"}


def colour(way: str) -> str:
    return OURS if way.startswith("the store") else FLOOR if way.startswith("floor") else THEIRS


def draw_all(records: dict[str, Record], path: Callable[[str], Path]) -> Iterator[Path]:
    """Draw what there are figures for; yield each picture's path.

    Args:
        records: By name.
        path: Gives the path of a picture by its name.
    """
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 110})
    drawings: list[tuple[str, Callable[[dict[str, Record]], Any], tuple[str, ...]]] = [
        ("benchmarks-disk.png", epochs, tuple(name for name in KINDS if name in records)),
        ("benchmarks-growth.png", growth, ("growth",)),
        ("benchmarks-files.png", files, ("many-files",)),
        ("benchmarks-seeks.png", seeks, ("seeks-csv",)),
    ]
    for name, draw, needed in drawings:
        if needed and all(key in records for key in needed):
            figure = draw(records)
            if figure is not None:
                figure.savefig(path(name), bbox_inches="tight")
                yield path(name)


def plain_numbers(axis: Any) -> None:
    """Write 0.1, 1, 1,000 beside the ticks of a logarithmic axis, at whole powers of ten alone."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def bars(axes: Any, names: list[str], seconds: list[float], unit: str) -> None:
    """Draw bars, the shortest on top, on a logarithmic axis, each with its figure."""
    order = sorted(range(len(names)), key=lambda number: -seconds[number])
    axes.barh([names[n] for n in order], [seconds[n] for n in order], color=[colour(names[n]) for n in order])
    axes.set_xscale("log")
    axes.set_xlim(min(seconds) / 2, max(seconds) * 4)
    plain_numbers(axes.xaxis)
    for place, n in enumerate(order):
        axes.text(seconds[n] * 1.1, place, f"{seconds[n]:,.3g} {unit}", va="center", fontsize=9)


def epochs(records: dict[str, Record]) -> Any:
    """Draw an epoch on the spinning disk, of each workload."""
    from matplotlib import pyplot as plt

    there = [
        (title, [(row["way"], row["disk s"]) for row in records[name]["rows"] if row.get("disk s")], records[name])
        for name, title in KINDS.items()
        if name in records
    ]
    there = [entry for entry in there if entry[1]]
    if not there:
        return None
    figure, all_axes = plt.subplots(len(there), 1, figsize=(8, 3.4 * len(there)), squeeze=False)
    for axes, (title, figures, record) in zip(all_axes[:, 0], there, strict=True):
        bars(axes, [way for way, _ in figures], [seconds for _, seconds in figures], "s")
        axes.set_title(f"{record['asked']['count']:,} {title}: an epoch on an emulated spinning disk", loc="left")
        axes.set_xlabel("seconds, logarithmic; less is better")
    figure.tight_layout()
    return figure


def growth(records: dict[str, Record]) -> Any:
    """Draw seconds and memory against size."""
    from matplotlib import pyplot as plt

    rows = records["growth"]["rows"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    ways, largest = list(dict.fromkeys(row["way"] for row in rows)), max(row["GB"] for row in rows)
    for way, marker in zip(ways, "osD^v", strict=False):
        whole = [row for row in rows if row["way"] == way and row["ended"] == "whole"]
        stopped = [row for row in rows if row["way"] == way and row["ended"] != "whole"]
        sizes = [row["GB"] for row in whole]
        shade = OURS if way.startswith("the store") else "#d1495b" if "memory" in way else "#30638e"
        left.plot(sizes, [row["seconds"] for row in whole], marker=marker, color=shade, label=way)
        right.plot(sizes, [row["memory MB"] for row in whole], marker=marker, color=shade, label=way)
        for row in stopped:
            limit = records["growth"]["limit"]
            right.plot([row["GB"]], [limit], marker="x", color=shade, markersize=10, markeredgewidth=2.5, linestyle="")
            # On the side where there is room.
            shift, side = (6, "left") if row["GB"] < largest / 2 else (-6, "right")
            right.annotate(
                row["ended"], (row["GB"], limit), (shift, 6), textcoords="offset points", color=shade, ha=side
            )
    right.axhline(records["growth"]["limit"], color="black", linewidth=0.8, linestyle="--")
    left.set(xlabel="GB of pixels", ylabel="seconds", title="An epoch")
    right.set(xlabel="GB of pixels", ylabel="MB", title="Memory; the line is the limit")
    right.set_ylim(0, records["growth"]["limit"] * 1.15)
    left.set_ylim(0, None)
    for axes in (left, right):
        axes.set_xlim(0, None)
    left.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    return figure


def files(records: dict[str, Record]) -> Any:
    """Draw the seconds of conversions against the number of files."""
    from matplotlib import pyplot as plt

    rows = records["many-files"]["rows"]
    figure, axes = plt.subplots(figsize=(6, 3.6))
    axes.loglog([row["files"] for row in rows], [row["seconds"] for row in rows], marker="o", color=OURS)
    for row in rows:
        axes.annotate(
            f"{row['seconds']:,.3g} s", (row["files"], row["seconds"]), (0, 8), textcoords="offset points", ha="center"
        )
    axes.set(xlabel="files", ylabel="seconds", title="A conversion")
    axes.set_ylim(
        10 ** math.floor(math.log10(rows[0]["seconds"])), 10 ** math.ceil(math.log10(rows[-1]["seconds"]) + 0.1)
    )
    axes.set_xlim(rows[0]["files"] / 1.5, rows[-1]["files"] * 1.5)
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    return figure


def seeks(records: dict[str, Record]) -> Any:
    """Draw what the seek curve expects."""
    from matplotlib import pyplot as plt

    record = records["seeks-csv"]
    if "reason" in record["rows"][0]:
        return None
    figure, axes = plt.subplots(figsize=(8, 3.4))
    rows = record["rows"]
    bars(axes, [row["order"] for row in rows], [row["seconds"] for row in rows], "s")
    axes.set_title(f"{record['count']:,} digits as CSV: what a 7,200 rpm disk's head is expected to take", loc="left")
    axes.set_xlabel("seconds, logarithmic; less is better")
    figure.tight_layout()
    return figure
