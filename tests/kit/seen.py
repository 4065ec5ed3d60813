"""A Keras model that notes what it is given, one that stops, and when two lists of batches are the same."""

import keras


class Seen(keras.Model):
    """A model without weights that notes every batch it is trained, tested or asked with."""

    def __init__(self, **compiled):
        super().__init__()
        self.trained, self.tested = [], []
        self.compile(run_eagerly=True, **compiled)

    def call(self, x):
        return x

    def train_step(self, *data):  # JAX gives its state, and takes it back
        return self._noted(self.trained, *data)

    def test_step(self, *data):
        return self._noted(self.tested, *data)

    def _noted(self, batches, *data):
        *state, batch = data
        batches.append([keras.ops.convert_to_numpy(array) for array in batch if array is not None])
        return ({"loss": 0.0}, *state) if state else {"loss": 0.0}

    def learn(self, sequence, **options):
        """Fit, and return the batches that training saw."""
        self.trained.clear()
        self.fit(sequence, verbose=0, **options)
        return list(self.trained)


def equal(one, other) -> bool:
    """Whether two lists of batches are the same; dtypes too, but for PyTorch, which knows no uint16."""
    dtypes = keras.backend.backend() != "torch"
    forms = [
        [[(array.dtype if dtypes else None, array.tolist()) for array in batch] for batch in batches]
        for batches in (one, other)
    ]
    return forms[0] == forms[1]


class StopAt(keras.callbacks.Callback):
    """Stop training after some steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch + 1 == self.steps
