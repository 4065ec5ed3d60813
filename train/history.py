"""The history of a run: what was reached after each epoch, as a table and as a picture."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seekless.train.drawing import MUTED, TEST_COLOUR, TRAIN_COLOUR, lettering, new_figure
from seekless.train.folder import replacing

__all__ = ["draw_history", "figure_of", "ordered", "write_history"]

Logs = Mapping[str, float]
# Panels side by side, by how many there are; more stand below.
COLUMNS = {1: 2, 2: 2, 3: 3, 4: 2}
MOST_COLUMNS = 3


def ordered(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics as plain numbers, the loss first, those of the train part before those with `val_`."""
    names = sorted(logs, key=lambda name: (name.startswith("val_"), name.removeprefix("val_") != "loss"))
    return {name: float(logs[name]) for name in names}


def figure_of(value: float) -> str:
    """Return a metric as it is printed: four digits behind the point, or four that count where those say nothing."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"


def write_history(folder: Path, history: Sequence[Logs]) -> None:
    """Write `history.csv`: a line an epoch.

    Args:
        folder: The run's folder.
        history: For each epoch its metrics by name; `val_` marks those of the part that is looked at.
    """
    with replacing(folder / "history.csv") as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history[0]])
        for number, logs in enumerate(history, 1):
            writer.writerow([number, *logs.values()])


def draw_history(folder: Path, history: Sequence[Logs], title: str, *, watched: str = "test", best: int = 0) -> None:
    """Draw `history.png`: loss and metrics over the epochs, of the train part and of what is looked at.

    Args:
        folder: The run's folder.
        history: For each epoch its metrics by name; `val_` marks those of the part that is looked at.
        title: What stands above the picture.
        watched: What that part is called.
        best: The epoch with the least loss on it, 1 and up; 0 to mark none.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    metrics = [name for name in history[0] if not name.startswith("val_")]
    columns = COLUMNS.get(len(metrics), MOST_COLUMNS)
    rows = -(-len(metrics) // columns)
    figure = new_figure(5 * columns, 4.2 * rows, "history.png")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    epochs = range(1, len(history) + 1)
    for panel, metric in zip(panels, metrics, strict=False):
        for key, label, colour in ((metric, "train", TRAIN_COLOUR), (f"val_{metric}", watched, TEST_COLOUR)):
            if key not in history[0]:
                continue
            values = [logs[key] for logs in history]
            style = {"marker": "o", "markersize": 4} if len(history) <= 50 else {}
            panel.plot(epochs, values, color=colour, label=f"{label}  {figure_of(values[-1])}", **style)
            if best and key.startswith("val_") and len(history) > 1:
                panel.plot(best, values[best - 1], "o", markersize=10, fillstyle="none", color=colour)
        panel.set_title(metric.replace("_", " ").capitalize(), loc="left", fontsize=11)
        panel.set_xlabel("epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        if len(history) == 1:
            panel.set_xticks([1])
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False)
    for panel in panels[len(metrics) :]:
        panel.set_visible(False)
    figure.suptitle(lettering(title, "history"), x=0.01, ha="left", fontsize=12, fontweight="bold")
    if best and len(history) > 1:
        figure.text(0.99, 0.985, f"ring: epoch {best}, the least {watched} loss", ha="right", va="top", color=MUTED)
    with replacing(folder / "history.png") as partial:
        figure.savefig(partial)
