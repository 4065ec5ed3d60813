"""What a model says of the test part: which classes it takes for which, and the samples it is most wrong about."""

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from PIL import Image

from seekless.store.tile import is_picture
from seekless.train.targets import Targets
from seekless.train.tile import tile

__all__ = ["Mistake", "Outcome", "class_probabilities", "examine"]

# Mistakes that are kept to be drawn.
KEPT = 40


@dataclass(frozen=True)
class Mistake:
    """A sample that was taken for another class.

    Attributes:
        number: Its number in the part.
        true: Its class.
        predicted: The class it was taken for.
        probability: What the model gives that class, 0 to 1.
        picture: The sample as a small picture.
    """

    number: int
    true: int
    predicted: int
    probability: float
    picture: Image.Image


@dataclass(frozen=True)
class Outcome:
    """What became of the samples of a part.

    Attributes:
        pairs: How many samples of (true class, predicted class).
        worst: The mistakes that the model was surest of, the worst first; empty where samples are no pictures.
    """

    pairs: Counter[tuple[int, int]]
    worst: list[Mistake]

    @property
    def samples(self) -> int:
        """Samples in the part."""
        return self.pairs.total()

    @property
    def wrong(self) -> int:
        """Samples that were taken for another class."""
        return sum(count for (true, predicted), count in self.pairs.items() if true != predicted)


def examine(model: Any, part: Any, targets: Targets) -> Outcome:
    """Ask a model for the classes of all samples of a part, in bounded memory.

    Args:
        model: The model.
        part: Its batches of (x, y), or of (x, y, sample_weight), which counts for nothing here.
        targets: The classes.

    Returns:
        What it answers.
    """
    pairs: Counter[tuple[int, int]] = Counter()
    # The least sure mistake comes first, to be replaced; the negative number breaks ties for the earlier sample.
    worst: list[tuple[float, int, Mistake]] = []
    start = 0
    for step in range(len(part)):
        x, y, *_ = part[step]
        true = y.argmax(axis=1) if y.ndim == 2 else y
        rows = class_probabilities(model, x, targets.class_count)
        predicted = rows.argmax(axis=1)
        pairs.update(zip(true.tolist(), predicted.tolist(), strict=True))
        drawn = not isinstance(x, dict) and is_picture(x.shape[1:])  # of several inputs none says all
        for row in np.flatnonzero(true != predicted).tolist() if drawn else ():
            place = (float(rows[row, predicted[row]]), -start - row)
            if len(worst) < KEPT or place > worst[0][:2]:
                mistake = Mistake(start + row, int(true[row]), int(predicted[row]), place[0], tile(x[row]))
                (heapq.heappush if len(worst) < KEPT else heapq.heapreplace)(worst, (*place, mistake))
        start += len(true)
    return Outcome(pairs, [mistake for _, _, mistake in sorted(worst, key=lambda entry: entry[:2], reverse=True)])


def class_probabilities(model: Any, x: Any, classes: int) -> npt.NDArray[np.float32]:
    """Return what a model gives each class.

    Args:
        model: The model; with one output for two classes it gives that of class 1.
        x: (batch, *sample_shape), or a dictionary of several inputs by name.
        classes: Number of classes.

    Returns:
        float32, (batch, classes). Where the model's loss says that it gives logits, they are made probabilities.
    """
    given = np.asarray(model.predict_on_batch(x), np.float32)
    logits = gives_logits(model)
    if given.shape[1] == 1 and classes == 2:
        one = 1 / (1 + np.exp(-given)) if logits else given
        return np.concatenate([1 - one, one], axis=1)
    if logits:
        powers = np.exp(given - given.max(axis=1, keepdims=True))
        given = powers / powers.sum(axis=1, keepdims=True)
    return given


def gives_logits(model: Any) -> bool:
    """Return whether the model's loss says that it gives logits, not probabilities."""
    loss = getattr(model, "loss", None)
    return isinstance(loss, keras.losses.Loss) and bool(loss.get_config().get("from_logits"))
