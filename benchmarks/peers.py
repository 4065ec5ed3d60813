"""Rivals that have to be installed, each in a virtual environment of its own, beside the store.

    python benchmarks/peers.py [--size quick|full] [--only webdataset,grain,...] [--kinds csv,png,photo]
                               [--venvs FOLDER] [--work FOLDER] [--results FOLDER]

Environments are made once, under benchmarks/.venvs, which git ignores; remove one to install it anew. What does not
install is named in the table with the reason. The figures are those of race.py.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import click
from rivals.table import PEERS

HERE = Path(__file__).resolve().parent
PACKAGES = {
    "webdataset": ["webdataset"],
    "mosaicml": ["mosaicml-streaming"],
    "litdata": ["litdata"],
    "huggingface": ["datasets"],
    "grain": ["grain", "array-record"],
    "ffcv": ["ffcv"],
}
COUNTS = {
    "quick": {"csv": "2000", "png": "2000", "photo": "500"},
    "full": {"csv": "42000", "png": "60000", "photo": "10000"},
}
BESIDE = "store,files-4,pass,dd"


def python_in(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def install(name: str, folder: Path) -> str:
    """Make an environment unless it is there; return "" or why it cannot be made."""
    done = folder / ".installed"
    if done.exists():
        return ""
    venv.create(folder, with_pip=True, clear=True)
    command = [python_in(folder), "-m", "pip", "install", "--quiet", "numpy", "pillow", *PACKAGES[name]]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode:
        return why(installed.stderr)
    done.touch()
    return ""


def why(said: str) -> str:
    """Return the line of what pip said that tells the reason."""
    lines = [line.strip() for line in said.splitlines()]
    errors = [line for line in lines if "Error: " in line] or [line for line in lines if line.startswith("ERROR")]
    return errors[-1] if errors else "pip failed and gave no reason"


def versions(name: str, python: Path) -> dict[str, str]:
    """Return the versions of what was installed by name."""
    code = "import sys, importlib.metadata as m; print(*(m.version(p) for p in sys.argv[1:]))"
    told = subprocess.run([python, "-c", code, *PACKAGES[name]], capture_output=True, text=True, check=True)
    return dict(zip(PACKAGES[name], told.stdout.split(), strict=True))


@click.command()
@click.option("--size", type=click.Choice(list(COUNTS)), default="quick", show_default=True)
@click.option("--only", help="Names of peers.  [default: all]")
@click.option("--kinds", default="csv,png,photo", show_default=True)
@click.option("--count", help="Files, instead of those of the size.")
@click.option("--states", default="warm,cold,disk", show_default=True, help="As race.py takes them.")
@click.option("--venvs", type=click.Path(path_type=Path), default=HERE / ".venvs", help="Where environments are.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files here, and keep the sources.")
@click.option("--results", type=click.Path(path_type=Path), default=HERE / "results", help="Where figures go.")
def main(
    size: str,
    only: str | None,
    kinds: str,
    count: str | None,
    states: str,
    venvs: Path,
    work: Path | None,
    results: Path,
) -> None:
    """Install rivals and race them."""
    names = only.split(",") if only else list(PEERS)
    failed = {name: reason for name in names if (reason := install(name, (venvs / name).absolute()))}
    there = {name: python_in((venvs / name).absolute()) for name in names if name not in failed}
    for name, reason in failed.items():
        print(f"{name}: not installed: {reason}", file=sys.stderr)
    found = {package: number for name, python in there.items() for package, number in versions(name, python).items()}
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds.split(","):
            to = results / f"peers-{kind}.json"
            command = [sys.executable, HERE / "race.py", kind, "--count", count or COUNTS[size][kind]]
            command += ["--ways", BESIDE, "--states", states, "--work", work or folder, "--json", to]
            command += [part for name, python in there.items() for part in ("--peer", f"{name}={python}")]
            subprocess.run(command, check=True)
            record = json.loads(to.read_text())
            to.write_text(json.dumps({**record, "peers": found, "not installed": failed}, indent=2) + "\n")


if __name__ == "__main__":
    main()
