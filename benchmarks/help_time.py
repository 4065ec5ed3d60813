"""How long `convert --help` takes, against an interpreter that does nothing.

python benchmarks/help_time.py [--repeats 15] [--json FILE]
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
from machine import report

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "convert --help": [sys.executable, "-m", "seekless", "convert", "--help"],
    "train --help": [sys.executable, "-m", "seekless", "train", "--help"],
}


@click.command()
@click.option("--repeats", default=15, show_default=True, help="Runs of each, one after the other in turn.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(repeats: int, to: Path | None) -> None:
    """Time the commands in turn; medians of whole processes."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for repeat in range(repeats + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            if repeat:  # the first turn only warms the cache
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    base = medians["python -c pass"]
    rows = [{"command": name, "seconds": m, "ratio": m / base} for name, m in medians.items()]
    report("Answering --help, whole process", f"page cache warm, median of {repeats}", rows, to)


if __name__ == "__main__":
    main()
