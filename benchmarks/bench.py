"""Run all benchmarks, one after the other, and keep their figures for the page.

    python benchmarks/bench.py [--size quick|full] [--only race-csv,growth,...] [--work FOLDER] [--results FOLDER]

quick ends in about 16 minutes on 2 cores; full is the whole, and takes hours and 100 GB under the work folder. What
cannot run here (no root, no emulated disk) says so in its table. report.py makes the page of the figures.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
WORK = "{work}"  # stands for a folder that several share, so that photographs are made once


@dataclass(frozen=True)
class Program:
    """A script and what it is given.

    Attributes:
        script: Its path under benchmarks/.
        quick: Its arguments for 16 minutes in all.
        full: Its arguments for the whole; where empty, its own defaults.
    """

    script: str
    quick: str
    full: str = ""


# One that is not there yet is left out with a word; a new benchmark needs a line here and one in tests/benchmarks.
PROGRAMS = {
    "race-csv": Program(
        "race.py",
        "csv --count 400 --repeats 2 --states warm,disk --work {work}",
        "csv --count 42000 --repeats 5 --disk-repeats 3 --work {work}",
    ),
    "race-png": Program(
        "race.py",
        "png --count 400 --repeats 2 --states warm,disk --work {work}",
        "png --count 60000 --repeats 5 --disk-repeats 3 --work {work}",
    ),
    # The first of those that need photographs: the others take some of these.
    "large": Program(
        "large.py",
        "--gb 1.1 --limit-mb 1050 --work {work}",
        "--gb 20 --limit-mb 4000 --work {work}",
    ),
    "race-photo": Program(
        "race.py",
        "photo --count 150 --repeats 2 --states warm,disk --work {work}",
        "photo --count 10000 --repeats 3 --disk-repeats 3 --work {work}",
    ),
    "growth": Program(
        "growth.py",
        "--sizes 0.1,0.2,0.4 --limit-mb 1000 --work {work}",
        "--sizes 0.1,0.3,1,3,10,20 --limit-mb 4000 --work {work}",
    ),
    "many-files": Program(
        "many_files.py",
        "--counts 1000,3000,10000,30000 --work {work}",
        "--counts 10000,30000,100000,300000,1000000 --repeats 3 --work {work}",
    ),
    "scale": Program(
        "scale.py", "--counts 5000,10000,30000 --work {work}", "--counts 20000,40000,120000 --work {work}"
    ),
    "seeks-csv": Program("disk/seeks.py", "--kind csv --count 3000", "--kind csv --count 42000"),
    "seeks-photo": Program("disk/seeks.py", "--kind photo --count 500", "--kind photo --count 10000"),
    "convert": Program(
        "convert.py",
        "--only csv,png,photo --csv 3000 --png 3000 --photo 300 --repeats 3",
        "--only csv,png,photo,disk --work {work}",
    ),
    "convert-memory": Program("convert_memory.py", "--photo 300", "--million --work {work}"),
    "decode-csv": Program("decode_csv.py", "--count 500 --repeats 5"),
    "decode-png": Program("decode_png.py", "--count 1000 --repeats 5"),
    "help": Program("help_time.py", "--repeats 3"),
    "listing": Program("listing.py", "--count 100000"),
    "opening": Program("opening.py", "--samples 20000 --chunks 5000 --repeats 3"),
    "seek-distance": Program("seek_distance.py", "--count 5000"),
    "epoch": Program("epoch.py", "--count 500 --repeats 2", "--disk"),
    "loader": Program(
        "loader.py",
        "--only warm,first,memory,fit --digits 5000 --photo 300 --repeats 2 --work {work}",
        "--work {work}",
    ),
    "loader-memory": Program(
        "loader_memory.py", "--gib 1 --limit-mib 900 --epochs 1 --work {work}", "--disk --work {work}"
    ),
    "remote-store": Program(
        "remote_store.py", "--mb 96 --repeats 2 --work {work}", "--mb 2000 --repeats 5 --work {work}"
    ),
    "tf-dataset": Program("tf_dataset.py", "--samples 8000 --repeats 3"),
    "accuracy": Program("accuracy.py", "--count 1500 --seeds 1 --epochs 1"),
    "mixing": Program("mixing.py", "--count 1500 --seeds 1 --epochs 1"),
    "articles": Program("articles.py", "--count 1000 --seeds 1 --epochs 1"),
}


def arguments(name: str, size: str, work: Path) -> list[str]:
    """Return what a program is given."""
    given = PROGRAMS[name].quick if size == "quick" else PROGRAMS[name].full
    return [str(work) if part == WORK else part for part in given.split()]


def run(name: str, size: str, work: Path, results: Path) -> str:
    """Run a program; return "" or why there are no figures."""
    script = HERE / PROGRAMS[name].script
    if not script.exists():
        return "not there yet"
    command = [sys.executable, script, *arguments(name, size, work), "--json", results / f"{name}.json"]
    start, used = time.perf_counter(), sum(os.times()[2:4])
    code = subprocess.run(command, check=False).returncode
    used = sum(os.times()[2:4]) - used
    print(f"\n{name}: {time.perf_counter() - start:.0f} s, {used:.0f} s of CPU", flush=True)
    return f"exit code {code}" if code else ""


@click.command()
@click.option("--size", type=click.Choice(["quick", "full"]), default="quick", show_default=True)
@click.option("--only", help="Names, as in PROGRAMS.  [default: all]")
@click.option("--work", type=click.Path(path_type=Path), help="Make files here, and keep them.")
@click.option("--results", type=click.Path(path_type=Path), default=HERE / "results", help="Where figures go.")
def main(size: str, only: str | None, work: Path | None, results: Path) -> None:
    """Run all benchmarks."""
    names = only.split(",") if only else list(PROGRAMS)
    if unknown := set(names) - set(PROGRAMS):
        raise click.BadParameter(f"--only: found {', '.join(sorted(unknown))}, expected some of {', '.join(PROGRAMS)}")
    results.mkdir(parents=True, exist_ok=True)
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        wrong = {name: reason for name in names if (reason := run(name, size, work or Path(folder), results))}
    print(f"\nall: {(time.perf_counter() - start) / 60:.1f} minutes; the page: python benchmarks/report.py")
    for name, reason in wrong.items():
        print(f"{name}: {reason}", file=sys.stderr)
    if any(reason.startswith("exit") for reason in wrong.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
