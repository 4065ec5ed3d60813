"""What a model says of the test part: every sample counted once, and the worst mistakes first."""

import keras
import numpy as np
import pytest

from seekless.train import outcome
from seekless.train.outcome import class_probabilities, examine
from seekless.train.targets import Targets

TARGETS = Targets("class", 3)


class Says:
    """A model that takes a sample's first value for its class, the surer the larger its second."""

    loss = None

    def predict_on_batch(self, x):
        rows = np.zeros((len(x), 3))
        sure = x[:, 0, 1]
        rows[np.arange(len(x)), np.rint(x[:, 0, 0]).astype(int)] = sure
        return rows + (1 - sure[:, None]) / 3


def part(true, predicted, sure, size=4, one_hot=False):
    x = np.zeros((len(true), 2, 2), np.float32)
    x[:, 0, 0], x[:, 0, 1] = predicted, sure
    y = np.eye(3, dtype=np.float32)[true] if one_hot else np.array(true)
    return [(x[at : at + size], y[at : at + size]) for at in range(0, len(true), size)]


@pytest.mark.parametrize("one_hot", [False, True])
def test_every_sample_is_counted_by_its_class_and_what_it_was_taken_for(one_hot):
    true, predicted = [0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 0, 0, 2]
    found = examine(Says(), part(true, predicted, [0.5] * 7, one_hot=one_hot), TARGETS)
    assert found.pairs == {(0, 0): 1, (0, 1): 1, (1, 1): 2, (2, 0): 2, (2, 2): 1}
    assert (found.samples, found.wrong) == (7, 3)
    assert [mistake.number for mistake in found.worst] == [1, 4, 5]


def test_the_surest_mistakes_are_kept(monkeypatch):
    monkeypatch.setattr(outcome, "KEPT", 3)
    sure = np.array([0.1, 0.9, 0.3, 0.7, 0.8, 0.2, 0.7])
    found = examine(Says(), part([0] * 7, [1] * 7, sure), TARGETS)
    assert [mistake.number for mistake in found.worst] == [1, 4, 3]
    assert [(mistake.true, mistake.predicted) for mistake in found.worst] == 3 * [(0, 1)]
    assert found.worst[0].probability == pytest.approx(0.9 + 0.1 / 3, abs=1e-4)
    assert found.worst[0].picture.size == (112, 112)
    assert found.wrong == 7


def test_samples_that_are_no_pictures_are_counted_only():
    class Line(Says):
        def predict_on_batch(self, x):
            return np.tile([0.0, 1.0, 0.0], (len(x), 1))

    found = examine(Line(), [(np.zeros((4, 9), np.float32), np.arange(4) % 3)], TARGETS)
    assert (found.wrong, found.worst) == (3, [])


@pytest.mark.parametrize("outputs", [1, 3])
def test_logits_are_made_probabilities(outputs):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(outputs, kernel_initializer="ones")])
    kind = keras.losses.BinaryCrossentropy if outputs == 1 else keras.losses.SparseCategoricalCrossentropy
    model.compile(loss=kind(from_logits=True))
    rows = class_probabilities(model, np.array([[1, 2], [-50, 0]], np.float32), max(2, outputs))
    assert rows.sum(axis=1) == pytest.approx([1, 1])
    expected = [1 / (1 + np.exp(-3)), 0] if outputs == 1 else [1 / 3, 1 / 3]
    assert rows[:, 1] == pytest.approx(expected, abs=1e-6)


def test_one_output_is_the_probability_of_the_second_class():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(loss="binary_crossentropy")
    rows = class_probabilities(model, np.array([[0.25]], np.float32), 2)
    assert rows == pytest.approx(np.array([[0.75, 0.25]]))
