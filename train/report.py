"""What a run leaves behind: its history as a table and as a picture, and its configuration."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seekless.errors import MissingExtraError, OptionError

__all__ = ["draw_history", "new_run_folder", "write_config", "write_history"]

Logs = Mapping[str, float]
TRAIN_COLOUR, TEST_COLOUR = "#2a6f97", "#d1495b"


def new_run_folder(out: Path, name: str) -> Path:
    """Make the next free folder NAME-1, NAME-2, ... for a run.

    Args:
        out: The folder of all runs; made if it is not there.
        name: What the run is called, before its number.

    Returns:
        The new, empty folder.

    Raises:
        OptionError: The folder of all runs is a file.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OptionError(f"--out: found the file {out}, expected a folder for runs; name another") from None
    number = 1
    while True:
        try:
            folder = out / f"{name}-{number}"
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write `config.json`.

    Args:
        folder: The run's folder.
        config: What to write; every value fit for JSON.
    """
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_history(folder: Path, history: Sequence[Logs]) -> None:
    """Write `history.csv`: a line an epoch.

    Args:
        folder: The run's folder.
        history: For each epoch its metrics by name; `val_` marks those of the test part.
    """
    with open(folder / "history.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history[0]])
        for number, logs in enumerate(history, 1):
            writer.writerow([number, *logs.values()])


def draw_history(folder: Path, history: Sequence[Logs], title: str) -> None:
    """Draw `history.png`: loss and accuracy over the epochs, of the train and the test part.

    Args:
        folder: The run's folder.
        history: For each epoch its metrics by name; `val_` marks those of the test part.
        title: What stands above the picture.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    figure = _new_figure()
    panels = figure.subplots(ncols=2)
    epochs = range(1, len(history) + 1)
    for panel, metric in zip(panels, ("loss", "accuracy"), strict=True):
        for key, label, colour in ((metric, "train", TRAIN_COLOUR), (f"val_{metric}", "test", TEST_COLOUR)):
            values = [logs[key] for logs in history]
            panel.plot(epochs, values, marker="o", markersize=4, color=colour, label=f"{label}  {values[-1]:.4f}")
        panel.set_title(metric.capitalize(), loc="left", fontsize=11)
        panel.set_xlabel("epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.savefig(folder / "history.png")


def _new_figure() -> Any:
    """Make a figure that needs no screen and no global state."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            'history.png is not drawn: found no matplotlib; install it with pip install "seekless[plot]"'
        ) from None
    figure = Figure(figsize=(10, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
