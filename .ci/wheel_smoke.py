"""Install the built wheel in a fresh venv and run both commands outside the checkout, as a new user would.

usage: wheel_smoke.py DIST
"""

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

ROOMS = ("source", "store", "convert", "loader", "train")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without the checkout's own paths; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def write_source(folder: Path) -> None:
    """Write 300 little pictures whose class is the row that is bright."""
    random = np.random.default_rng(0)
    (folder / "train").mkdir(parents=True)
    lines = []
    for number in range(300):
        label = number % 4
        picture = random.integers(0, 100, (8, 8))
        picture[2 * label : 2 * label + 2] += 150
        np.savetxt(folder / "train" / f"{number:05d}.csv", picture / 255)
        lines.append(f"{number:05d},{label}\n")
    (folder / "target.csv").write_text("".join(lines))


def main() -> None:
    """Check the wheel."""
    (wheel,) = Path(sys.argv[1]).resolve().glob("*.whl")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        venv.create(work / "venv", with_pip=True)
        bin_folder = work / "venv" / ("Scripts" if os.name == "nt" else "bin")
        pip = (bin_folder / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, f"{wheel}[tensorflow,plot]", cwd=work)
        code = "import seekless, pathlib; print(pathlib.Path(seekless.__file__).parent)"
        package = Path(run(bin_folder / "python", "-c", code, cwd=work).strip())
        missing = [room for room in (*ROOMS, "py.typed") if not (package / room).exists()]
        if missing or not package.is_relative_to(work):
            sys.exit(f"{package}: found no {missing}, expected every room in the wheel's own folder")
        write_source(work / "data")
        print(run(bin_folder / "convert", "csv-to-h5", "--quiet", cwd=work), end="")
        printed = run(bin_folder / "train", "--store", "data.h5", "--epochs", "8", cwd=work)
        print(printed, end="")
        accuracy = re.search(r"^Test accuracy: (\d\.\d{4})$", printed, re.MULTILINE)
        if accuracy is None or float(accuracy[1]) < 0.9:
            sys.exit("found no test accuracy, or one below 0.9, on pictures that are easy to tell apart")
        left = {path.name for path in (work / "runs" / "data-1").iterdir()}
        if not {"model.keras", "history.csv", "history.png", "config.json"} <= left:
            sys.exit(f"runs/data-1: found {sorted(left)}, expected model, history, picture and configuration")
        run(bin_folder / "python", "-m", "seekless", "convert", "--help", cwd=work)
    print(f"{wheel.name}: installed and used outside the checkout")


if __name__ == "__main__":
    main()
