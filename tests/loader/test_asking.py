"""What Keras is about to do is told by its own frames."""

import keras
import numpy as np
import pytest

from seekless.loader.asking import asks_keras, steps_of_epoch, takes_endless, warn_of_prediction


class Told(keras.utils.PyDataset):
    """Notes what the frames tell each time Keras asks for the number of batches."""

    def __init__(self):
        super().__init__()
        self.told = []

    @property
    def num_batches(self):
        import sys

        self.told.append(steps_of_epoch(sys._getframe(1), self))
        return 4

    def __getitem__(self, index):
        return np.zeros((2, 1), np.float32), np.zeros((2, 1), np.float32)


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    return model


CASES = {
    "fit": (lambda model, data: model.fit(data, verbose=0), {0}),
    "fit in slices": (lambda model, data: model.fit(data, verbose=0, steps_per_epoch=2, epochs=2), {2}),
    "evaluate": (lambda model, data: model.evaluate(data, verbose=0, steps=2), {0}),
    "predict": (lambda model, data: model.predict(data, verbose=0, steps=2), {0}),
}


@pytest.mark.parametrize(("call", "steps"), CASES.values(), ids=CASES)
def test_steps_per_epoch_is_found_in_fit_alone(model, call, steps):
    data = Told()
    call(model, data)
    assert set(data.told) - {None} == steps


def test_validation_data_is_not_what_fit_trains_on(model):
    train, held = Told(), Told()
    model.fit(train, validation_data=held, verbose=0, steps_per_epoch=3, validation_steps=2)
    assert set(train.told) - {None} == {3}
    assert set(held.told) - {None} == {0}


def test_someone_else_is_not_keras():
    import sys

    frame = sys._getframe()
    assert not asks_keras(frame)
    assert not asks_keras(None)
    assert not takes_endless(frame)
    assert steps_of_epoch(frame, None) == 0
    assert warn_of_prediction(frame, "window") is False
