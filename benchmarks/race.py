"""Every way to feed the same samples side by side: packing, an epoch warm, cold, on a spinning disk, memory, mixing.

    python benchmarks/race.py csv|png|photo [--count 4000] [--ways store,files,...] [--states warm,cold,disk]
                              [--repeats 3] [--disk-repeats 1] [--work FOLDER] [--json FILE]

- csv: the articles' layout, files of 28 x 28 pixels as numpy.savetxt writes them. png: the same digits as PNG files in
  a folder a class. photo: 256 x 256 x 3. All are sorted by class, so that each way has to mix for itself.
- Each way is a process of its own that stays; they take turns, and its imports are not timed. A first epoch begins with
  opening what was packed, a next epoch follows on it. Batches of 64, float32 with classes, no model.
- cold: this disk, the page cache dropped before each epoch. disk: the emulated spinning disk of disk/disk.sh. Both need
  root. Reads are those that the disk's own counter tells.
- Memory is anonymous and shared memory of all processes of the way at the most, above what they had after imports, in
  the first epoch of all, before the turns.
- In one more epoch each sample that comes is looked up in the source: whether each came once with its label, how many
  of 64 parts of the source meet in a batch, and how far its labels are from those of all.
"""

import os
import shutil
import statistics
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
from child import Child, EndedError
from emulated import Disk
from machine import report
from rivals.table import FIT, FLOORS, TITLES, made, ways_for
from sources import by_class, csv_files, digit_pngs, photo_pngs, warm

BATCH = 64
STATES = ("warm", "cold", "disk")


class Racer:
    """One way in the race."""

    def __init__(self, name: str, python: str, disk: Disk | None) -> None:
        self.name, self.python = name, python
        self.figures: dict[str, Any] = {}
        self.turns: dict[str, list[float]] = {"first": [], "next": [], "cold": [], "disk": []}
        self.failed = ""
        self._prefix = disk.prefix if disk else []
        self._child: Child | None = None

    def begin(self) -> None:
        """Start the process, and do not wait for it."""
        self._child = Child(self.name, BATCH, self._prefix, self.python)

    def wait(self) -> None:
        """Wait for the process to be there."""
        assert self._child is not None
        self._child.wait()

    def ask(self, do: str, **asked: Any) -> dict[str, Any]:
        """Ask the process."""
        assert self._child is not None
        return self._child.ask(do, **asked)

    def watched(self) -> AbstractContextManager[dict[str, int]]:
        """Look at the memory of the process, as `Child.watched` does."""
        assert self._child is not None
        return self._child.watched()

    def end(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.close()
            self._child = None


def take_part(racer: Racer, do: Any, *given: Any) -> None:
    """Do something with a racer that has not failed; note where it fails."""
    if racer.failed:
        return
    try:
        do(racer, *given)
    except EndedError as error:
        racer.failed = str(error)
        racer.end()
        print(f"{racer.name}: {error}", file=sys.stderr)


def packed_in(racer: Racer, work: Path) -> Path:
    return work / type(made(racer.name)).packed_as()


def packers_for(racers: list[Racer], work: Path) -> dict[Path, Racer]:
    """Return who is to pack each target: others than those that are measured, whose memory begins at nothing."""
    packers: dict[Path, Racer] = {}
    for racer in racers:
        if made(racer.name).packs:
            packers.setdefault(packed_in(racer, work), Racer(racer.name, racer.python, None))
    return packers


def begin_and_pack(racers: list[Racer], source: Path, work: Path) -> list[Path]:
    """Start all of them, and pack what they read; return where that is."""
    packers = packers_for(racers, work)
    everyone = [*racers, *packers.values()]
    for racer in everyone:
        racer.begin()
    for racer in everyone:
        take_part(racer, Racer.wait)  # so that none starts while another one is measured
    for target, packer in packers.items():
        take_part(packer, pack, source, target)
        packer.end()
    for racer in racers:
        if (packer := packers.get(packed_in(racer, work))) is not None:
            racer.failed = racer.failed or packer.failed
            racer.figures |= packer.figures
    return [target for target, packer in packers.items() if not packer.failed]


def pack(packer: Racer, source: Path, target: Path) -> None:
    told = packer.ask("pack", source=str(source), target=str(target))
    packer.figures = {f"pack {name}": value for name, value in told.items()}


def look(racer: Racer, source: Path, target: Path) -> None:
    """Look at the memory of an epoch, the first of its process, and in one more at what comes."""
    looks = {"source": str(source), "target": str(target), "count": 1, "cold": False}
    with racer.watched() as memory:
        racer.ask("epochs", **looks, see=False)
    racer.figures["memory"] = memory["most"] - memory["before"]
    racer.figures["memory before"] = memory["before"]
    if racer.name not in FLOORS:
        racer.ask("epochs", **looks, see=True)
        racer.figures |= racer.ask("mixing", source=str(source))


def turn(racer: Racer, state: str, source: Path, work: Path) -> None:
    """Measure one turn of a state."""
    if racer.name == "pass" and state != "warm":
        return
    asked = {"source": str(source), "target": str(packed_in(racer, work)), "see": False}
    if state == "warm":
        told = racer.ask("epochs", **asked, count=2, cold=False)
        racer.turns["first"].append(told["seconds"][0])
        racer.turns["next"].append(told["seconds"][1])
    else:
        told = racer.ask("epochs", **asked, count=1, cold=True)
        racer.turns[state].append(told["seconds"][0])
        racer.figures |= {f"{state} reads": told["reads"], f"{state} bytes": told["bytes"]}
    racer.figures["samples"] = told["samples"]


def race(racers: list[Racer], source: Path, work: Path, repeats: dict[str, int], disk: Disk | None) -> None:
    """Measure all of them in all states, in turns."""
    targets = begin_and_pack(racers, source, work)
    warm(work)
    for racer in racers:
        take_part(racer, look, source, packed_in(racer, work))
    for state, count in repeats.items():
        at, packed = source, work
        if state == "disk":
            assert disk is not None
            at, packed = disk.mount / "source", disk.mount / "packed"
            shutil.copytree(source, at)
            for target in targets:
                shutil.copytree(target, packed / target.name)
            disk.forget()  # else the first way would find in memory what the file system knows of its files
        for number in range(count):
            for racer in racers if number % 2 == 0 else racers[::-1]:
                take_part(racer, turn, state, at, packed)


def compared_with(racer: Racer, racers: list[Racer]) -> Racer:
    """Return the store that a way is compared with: in fit if it runs in fit, else in a loop; itself without one."""
    stores = [other for other in racers if other.name.startswith("store")]
    alike = [other for other in stores if (other.name in FIT) == (racer.name in FIT)]
    return [*alike, *stores, racer][0]


def row(racer: Racer, racers: list[Racer]) -> dict[str, Any]:
    """Return a line of the table; ratios are medians over turns, above 1 where the store is faster."""
    own = compared_with(racer, racers)
    figures = racer.figures

    def median(of: str) -> float | None:
        return statistics.median(racer.turns[of]) if racer.turns[of] else None

    def ratio(of: str) -> float | None:
        pairs = list(zip(racer.turns[of], own.turns[of], strict=False))
        return statistics.median(their / our for their, our in pairs) if pairs else None

    def mega(of: str) -> float | None:
        return figures[of] / 1e6 if of in figures else None

    packs = bool(figures.get("pack files")) and racer.name not in FLOORS
    return {
        "way": TITLES[racer.name],
        "pack s": figures.get("pack seconds") if packs else None,
        "packed MB": mega("pack bytes") if packs else None,
        "first s": median("first"),
        "next s": median("next"),
        "cold s": median("cold"),
        "disk s": median("disk"),
        "reads": figures.get("disk reads", figures.get("cold reads")),
        "read MB": mega("disk bytes" if "disk bytes" in figures else "cold bytes"),
        "memory MB": mega("memory"),
        "parts": figures.get("parts"),
        "apart": figures.get("labels apart"),
        "once": figures.get("once"),
        "first/store": ratio("first"),
        "next/store": ratio("next"),
        "disk/store": ratio("disk"),
        "failed": racer.failed or None,
    }


def make_source(kind: str, count: int, data: Path | None, work: Path) -> tuple[Path, str]:
    """Make the files; return their folder and what they show."""
    if kind == "csv":
        shown = "digits that are drawn" if data is None else f"digits of {data.name}"
        return by_class(csv_files(work, count, data)), shown
    if kind == "png":
        return digit_pngs(work, count), "digits that are drawn"
    return photo_pngs(work, count)


def usable(states: str) -> tuple[list[str], list[str]]:
    """Return the states that can be measured here, and why others cannot."""
    wanted = states.split(",")
    if unknown := set(wanted) - set(STATES):
        raise click.BadParameter(f"found {', '.join(sorted(unknown))}, expected some of {', '.join(STATES)}")
    notes = []
    if "cold" in wanted and os.geteuid() != 0:
        wanted.remove("cold")
        notes.append("no cold epoch: needs root")
    if "disk" in wanted and (reason := Disk.why_not()):
        wanted.remove("disk")
        notes.append(f"no spinning disk: {reason}")
    return wanted, notes


@click.command()
@click.argument("kind", type=click.Choice(["csv", "png", "photo"]))
@click.option("--count", default=4_000, show_default=True, help="Files.")
@click.option("--ways", help="Short names, as in rivals/table.py.  [default: all that need no peer]")
@click.option("--states", default="warm,cold,disk", show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Turns warm; medians are shown.")
@click.option("--disk-repeats", default=1, show_default=True, help="Turns cold, and on the spinning disk.")
@click.option("--peer", "peers", multiple=True, help="NAME=PYTHON: a way that another interpreter runs.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A folder of train/*.csv and target.csv.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files here, and keep the source.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    kind: str,
    count: int,
    ways: str | None,
    states: str,
    repeats: int,
    disk_repeats: int,
    peers: tuple[str, ...],
    data: Path | None,
    work: Path | None,
    to: Path | None,
) -> None:
    """Race all ways to feed the same samples."""
    pythons = dict(peer.split("=", 1) for peer in peers)
    names = [*(ways.split(",") if ways else ways_for("csv" if kind == "csv" else "png")), *pythons]
    can, notes = usable(states)
    turns = {state: repeats if state == "warm" else disk_repeats for state in STATES if state in can}
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        made_in = Path(folder)
        source, shown = make_source(kind, count, data, work or made_in)
        size = warm(source)
        with Disk.maybe("disk" in can, made_in, 6 * size) as disk:
            racers = [Racer(name, pythons.get(name, sys.executable), disk) for name in names]
            try:
                race(racers, source, made_in / "packed", turns, disk)
            finally:
                for racer in racers:
                    racer.end()
    rows = [row(racer, racers) for racer in racers]
    mixed = next((racer.figures for racer in racers if "shuffle parts" in racer.figures), {})
    shuffle = {name: mixed.get(f"shuffle {name}") for name in ("parts", "labels apart")}
    state = "; ".join(
        [
            f"{shown}, sorted by class; median of {repeats} turns warm, {disk_repeats} cold and on the disk",
            "warm: page cache; cold: this disk, cache dropped; disk: emulated, 120 reads/s, 150 MB/s",
            *([f"a true shuffle: {shuffle['parts']:.1f} parts, {shuffle['labels apart']:.3f} apart"] if mixed else []),
            *notes,
        ]
    )
    all_turns = {racer.name: racer.turns for racer in racers}
    figures = {racer.name: racer.figures for racer in racers}
    title = f"An epoch of {count:,} {kind} files, {size / 1e6:,.0f} MB, in batches of {BATCH}"
    asked = {"kind": kind, "count": count, "shown": shown, "notes": notes, "shuffle": shuffle}
    report(title, state, rows, to, asked=asked, names=names, turns=all_turns, figures=figures)


if __name__ == "__main__":
    main()
