"""What a benchmark says beside its figures: the machine, the versions, the state of the cache."""

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["report"]

PACKAGES = ("seekless", "numpy", "h5py", "keras", "tensorflow", "jax", "torch", "pillow", "orjson")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def report(title: str, state: str, rows: list[dict[str, Any]], to: Path | None, **more: Any) -> None:
    """Print a table of figures with what they were measured on, and write both as JSON.

    Args:
        title: What was measured.
        state: The state of the page cache, and whatever else a reader must know to repeat it.
        rows: A line of the table each; all with the same keys.
        to: The JSON file to write; None for none.
        **more: What else the file is to hold, not printed: what was asked for, single turns.
    """
    machine = {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform(terse=True)}
    versions = _versions()
    print(f"\n{title}\n{state}")
    print(f"{machine['processor']}, {machine['cores']} cores; " + ", ".join(f"{k} {v}" for k, v in versions.items()))
    columns = {name: [name, *(_text(row[name]) for row in rows)] for name in rows[0]}
    widths = {name: max(map(len, cells)) for name, cells in columns.items()}
    for number in range(len(rows) + 1):
        print("  " + "  ".join(cells[number].rjust(widths[name]) for name, cells in columns.items()))
    if to is not None:
        to.parent.mkdir(parents=True, exist_ok=True)
        record = {"title": title, "state": state, "machine": machine, "versions": versions, "rows": rows, **more}
        to.write_text(json.dumps(record, indent=2) + "\n")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
