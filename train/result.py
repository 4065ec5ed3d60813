"""What a run comes to: the test of its model, the pictures of what it is wrong about, and how the command says it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekless.errors import MissingExtraError
from seekless.train.confusion import draw_confusion
from seekless.train.folder import BEST, LAST, replacing
from seekless.train.history import figure_of
from seekless.train.mistakes import draw_mistakes
from seekless.train.outcome import examine
from seekless.train.progress import Progress
from seekless.train.run import Run, save_model

__all__ = ["Result", "finish", "read_result", "said_scores"]

RESULT = "result.json"
# What a run leaves, in the order in which it is named.
FILES = (
    *(LAST, BEST, "checkpoint.npz", "history.csv", "history.png", "confusion.png", "mistakes.png"),
    *(RESULT, "config.json", "log.txt"),
)


@dataclass(frozen=True)
class Result:
    """What a run came to; as text, what the command prints.

    Attributes:
        folder: The run's folder.
        scores: The loss and the metrics on the test part.
        history: For each epoch its metrics by name; `val_` marks those of the part that is looked at.
        best: The epoch with the least loss on that part, 1 and up; 0 if none had a finite one.
    """

    folder: Path
    scores: dict[str, float]
    history: list[dict[str, float]]
    best: int

    @property
    def loss(self) -> float:
        """The loss on the test part."""
        return self.scores["loss"]

    @property
    def accuracy(self) -> float:
        """The accuracy on the test part, 0 to 1, where it is among the metrics."""
        return self.scores["accuracy"]

    @property
    def files(self) -> list[str]:
        """The names of the files in the folder."""
        return [name for name in FILES if (self.folder / name).exists()]

    def __str__(self) -> str:
        return said_scores(self.scores)


def said_scores(scores: dict[str, float]) -> str:
    """Return the lines that say what a test came to."""
    return "\n".join(f"Test {name.replace('_', ' ')}: {figure_of(value)}" for name, value in scores.items())


def finish(run: Run) -> Result:
    """Save the model of a run whose epochs have ended, test it, and draw what it is wrong about.

    Args:
        run: The run.

    Returns:
        What it came to; of several ranks one that does not write may have no scores.
    """
    model, parts, folder, progress, ranks = run.model, run.parts, run.folder, run.progress, run.ranks
    ranks.leave(model)
    if ranks.first:
        save_model(model, folder / LAST)
    if run.options.early_stopping is not None and progress.best not in (0, progress.epochs):
        if ranks.first:
            model.load_weights(folder / BEST)
        ranks.spread(model)
    if not (ranks.first or ranks.divides_tests):
        return Result(folder, {}, progress.history, progress.best)
    found = model.evaluate(parts.test, verbose=0, return_dict=True, callbacks=ranks.callbacks(len(parts.test)))
    scores = {name: float(found[name]) for name in sorted(found, key=lambda name: name != "loss")}
    if not ranks.first:
        return Result(folder, scores, progress.history, progress.best)
    if run.data.targets.kind == "class":
        _draw_outcome(run)
    with replacing(folder / RESULT) as partial:
        text = json.dumps({"epochs": progress.epochs, "best": progress.best, "test": scores}, indent=2)
        partial.write_text(text + "\n", encoding="utf-8")
    return Result(folder, scores, progress.history, progress.best)


def read_result(folder: Path, progress: Progress) -> Result | None:
    """Return what a run came to that is finished; None for one that is not.

    Args:
        folder: The run's folder.
        progress: The epochs that have ended.
    """
    try:
        found: Any = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        if found["epochs"] == progress.epochs:
            return Result(folder, dict(found["test"]), progress.history, progress.best)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return None


def _draw_outcome(run: Run) -> None:
    outcome = examine(run.model, run.parts.whole_test, run.data.targets)
    title = f"{run.options.model}, {run.folder.name}"
    try:
        draw_confusion(run.folder, outcome, run.data.targets, title)
    except MissingExtraError as error:
        run.log.keep(str(error))  # said already, of history.png
    if outcome.worst:
        draw_mistakes(run.folder, outcome, run.data.targets, title)
