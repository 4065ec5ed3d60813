"""Draw `confusion.png`: which classes of the test part a model takes for which."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.train.drawing import MUTED, lettering, new_figure
from seekless.train.folder import replacing
from seekless.train.outcome import Outcome
from seekless.train.targets import Targets

__all__ = ["draw_confusion"]

# More classes than this cannot be read on one picture; those with the most mistakes are drawn.
MOST_CLASSES = 40
# With more, counts in the fields are too small to read.
MOST_COUNTED = 24
LONGEST_NAME = 24
LETTER = 0.085  # inches


def draw_confusion(folder: Path, outcome: Outcome, targets: Targets, title: str) -> None:
    """Draw `confusion.png`.

    Args:
        folder: The run's folder.
        outcome: What became of the test part.
        targets: The classes, for their names.
        title: What stands above the picture.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    chosen = _chosen(outcome, targets.class_count)
    counts = _counts(outcome, chosen)
    of_class = np.array([sum(c for (true, _), c in outcome.pairs.items() if true == number) for number in chosen])
    shares = counts / np.maximum(of_class, 1)[:, None]
    names = [lettering(_short(targets.name(number)), f"class {number}") for number in chosen]
    longest = max(map(len, names))
    counted = len(chosen) <= MOST_COUNTED
    side = max(4.0, (0.42 if counted else 0.24) * len(chosen) + 1.0) + 0.075 * longest
    figure = new_figure(side + 1.1, side + 0.5, "confusion.png")
    panel = figure.subplots()
    # Few mistakes among many samples would be white; the root makes them seen.
    image = panel.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    if counted:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.4 else "#222222"
                panel.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)
    small = 9 if counted else 7
    upright = longest * LETTER > (side - 1.0 - 0.075 * longest) / len(chosen)
    panel.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize=small)
    panel.set_yticks(range(len(names)), names, fontsize=small)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    panel.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    panel.grid(which="minor", color="#e4e4e4", linewidth=0.6)
    panel.tick_params(which="minor", length=0)
    panel.set_xlabel("taken for")
    panel.set_ylabel("true class")
    _add_scale(figure, panel, image)
    figure.suptitle(lettering(title, "confusion"), x=0.01, ha="left", fontsize=12, fontweight="bold")
    panel.set_title(_said(outcome, len(chosen), targets.class_count), loc="left", fontsize=9, color=MUTED)
    with replacing(folder / "confusion.png") as partial:
        figure.savefig(partial)


def _add_scale(figure: Any, panel: Any, image: Any) -> None:
    marks = {0: "0", 0.01: "1%", 0.05: "5%", 0.2: "20%", 0.5: "50%", 1: "100%"}
    bar = figure.colorbar(image, ax=panel, shrink=0.6, aspect=25, pad=0.06, ticks=np.sqrt(list(marks)))
    bar.ax.set_yticklabels(list(marks.values()), fontsize=8)
    bar.ax.set_title("of the\ntrue class", fontsize=8, color=MUTED)
    bar.outline.set_visible(False)


def _chosen(outcome: Outcome, classes: int) -> list[int]:
    """Return the classes to draw: all, or those with the most mistakes, in the order of their numbers."""
    if classes <= MOST_CLASSES:
        return list(range(classes))
    mistakes = np.zeros(classes, np.int64)
    for (true, predicted), count in outcome.pairs.items():
        if true != predicted:
            mistakes[[true, predicted]] += count
    return sorted(np.argsort(-mistakes, kind="stable")[:MOST_CLASSES].tolist())


def _counts(outcome: Outcome, chosen: list[int]) -> npt.NDArray[np.int64]:
    place = {number: at for at, number in enumerate(chosen)}
    counts = np.zeros((len(chosen), len(chosen)), np.int64)
    for (true, predicted), count in outcome.pairs.items():
        if true in place and predicted in place:
            counts[place[true], place[predicted]] = count
    return counts


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3].rstrip()}..."


def _said(outcome: Outcome, drawn: int, classes: int) -> str:
    right = f"{outcome.samples - outcome.wrong:,} of {outcome.samples:,} test samples right"
    return right if drawn == classes else f"{right}; the {drawn} of {classes:,} classes with the most mistakes"
