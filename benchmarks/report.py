"""Turn the figures of benchmarks/results into the page, its plots, and README's table.

    python benchmarks/report.py [--results FOLDER] [--page FILE]... [--plots FOLDER]

Between `<!-- bench:NAME -->` and `<!-- /bench -->` of a page stands what NAME gives, and nothing else is touched; names
are those of BLOCKS. A block whose figures are not there says which command measures them.
"""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from plots import draw_all
from tables import first_screen, growth, large, machine, many_files, other, peers, race, seeks

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- bench:([a-z-]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
Record = dict[str, Any]


def picture(title: str, name: str) -> Callable[..., str]:
    """Return what shows a plot; it stands in a block, as there is no plot before there are figures."""
    return lambda *records: f"![{title}]({name})\n"


# A block's text, from the records of these names; a command that measures them.
BLOCKS: dict[str, tuple[Callable[..., str], tuple[str, ...], str]] = {
    "machine": (machine, ("race-csv",), "make bench"),
    "race-csv": (race, ("race-csv",), "make bench"),
    "race-png": (race, ("race-png",), "make bench"),
    "race-photo": (race, ("race-photo",), "make bench"),
    "large": (large, ("large",), "make bench"),
    "growth": (growth, ("growth",), "make bench"),
    "many-files": (many_files, ("many-files",), "make bench"),
    "seeks-csv": (seeks, ("seeks-csv",), "make bench"),
    "seeks-photo": (seeks, ("seeks-photo",), "make bench"),
    "peers-csv": (peers, ("peers-csv",), "make bench-peers"),
    "peers-png": (peers, ("peers-png",), "make bench-peers"),
    "peers-photo": (peers, ("peers-photo",), "make bench-peers"),
    "picture-disk": (picture("An epoch on the spinning disk", "benchmarks-disk.png"), ("race-csv",), "make bench"),
    "picture-growth": (picture("Seconds and memory against size", "benchmarks-growth.png"), ("growth",), "make bench"),
    "picture-files": (
        picture("Seconds of a conversion against the number of files", "benchmarks-files.png"),
        ("many-files",),
        "make bench",
    ),
    "picture-seeks": (
        picture("Expected seconds of a disk's head", "benchmarks-seeks.png"),
        ("seeks-csv",),
        "make bench",
    ),
    "readme": (first_screen, ("race-csv", "race-photo"), "make bench"),
}
OWN = {name for _, names, _ in BLOCKS.values() for name in names}


def read(results: Path) -> dict[str, Record]:
    """Return the records of a folder by name."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(results.glob("*.json"))}


def filled(text: str, records: dict[str, Record]) -> str:
    """Return a page with its blocks as the records have them.

    Raises:
        click.ClickException: A block has a name that is none.
    """

    def block(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        if name == "other":
            return begin + other([record for key, record in records.items() if key not in OWN]) + end
        if name not in BLOCKS:
            raise click.ClickException(f"bench:{name}: found no such block, expected one of {', '.join(BLOCKS)}, other")
        make, names, command = BLOCKS[name]
        if missing := [key for key in names if key not in records]:
            return f"{begin}*Not measured yet ({', '.join(missing)}): `{command}`.*\n{end}"
        return begin + make(*(records[key] for key in names)) + end

    return BLOCK.sub(block, text)


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=ROOT / "benchmarks" / "results")
@click.option("--page", "pages", type=click.Path(path_type=Path, exists=True), multiple=True)
@click.option("--plots", type=click.Path(path_type=Path), default=ROOT / "docs", help="Where plots go.")
def main(results: Path, pages: tuple[Path, ...], plots: Path) -> None:
    """Fill the blocks of the pages, by default docs/benchmarks.md and README.md, and draw the plots."""
    records = read(results)
    for page in pages or (ROOT / "docs" / "benchmarks.md", ROOT / "README.md"):
        text = page.read_text(encoding="utf-8")
        new = filled(text, records)
        page.write_text(new, encoding="utf-8")
        print(f"{page.name}: {len(BLOCK.findall(text))} blocks, {'changed' if new != text else 'as they were'}")
    for drawn in draw_all(records, partial(Path, plots)):
        print(f"{drawn.name}: drawn")


if __name__ == "__main__":
    main()
