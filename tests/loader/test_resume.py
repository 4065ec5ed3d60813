"""A training that goes on from a saved place ends with the weights of one that never stopped."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import seekless
from seekless.errors import OptionError
from seekless.loader.resume import SaveState, load_training, resume_fit
from seekless.loader.state import State

STEPS = 13  # of 130 samples in batches of 10


def model_of(**compiled):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6, 6)),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(0.3, seed=4),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"], **compiled)
    return model


def sequence_of(store, **options):
    return seekless.StoreSequence(store, 10, seed=5, window_bytes=36 * 30, **options)


def weights(model) -> list[bytes]:
    variables = [*model.variables, *model.optimizer.variables]
    return [np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes() for variable in variables]


def trained(store, epochs=3, **options) -> list[bytes]:
    model = model_of()
    model.fit(sequence_of(store, **options), epochs=epochs, verbose=0)
    return weights(model)


class Stop(keras.callbacks.Callback):
    """End a training by an error after some steps of an epoch, as Ctrl-C would."""

    def __init__(self, epoch, steps):
        super().__init__()
        self.at, self.steps, self.epoch = epoch, steps, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch + 1) == (self.at, self.steps):
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("epoch", "steps", "shuffle"), [(0, 1, "window"), (1, 5, "window"), (1, 12, False), (2, 13, "full")], ids=str
)
def test_a_training_that_stopped_goes_on_bit_for_bit(tiny_store, tmp_path, epoch, steps, shuffle):
    model, train = model_of(), sequence_of(tiny_store, shuffle=shuffle)
    saving = SaveState(train, tmp_path / "model.keras")
    with pytest.raises(KeyboardInterrupt):
        model.fit(train, epochs=3, verbose=0, callbacks=[saving, Stop(epoch, steps)])
    assert saving.state() == State(5, *divmod(epoch * STEPS + steps, STEPS), saving.state().order)
    saving.save()
    train.close()
    model, state = load_training(tmp_path / "model.keras")
    train = sequence_of(tiny_store, shuffle=shuffle)
    resume_fit(model, train, state, epochs=3, verbose=0)
    assert (train.state().epoch, train.state().steps) == (3, 0)
    assert weights(model) == trained(tiny_store, shuffle=shuffle)


KILLED = """
import os, signal, sys
import keras
sys.path.insert(0, sys.argv[1])
from test_resume import model_of, sequence_of
import seekless
class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 8):
            os.kill(os.getpid(), signal.SIGKILL)
train = sequence_of(sys.argv[2])
saving = seekless.SaveState(train, sys.argv[3], every_steps=4)
model_of().fit(train, epochs=3, verbose=0, callbacks=[saving, Kill()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_training_that_is_killed_goes_on_from_the_last_file_that_was_whole(tiny_store, tmp_path):
    path = tmp_path / "model.keras"
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tiny_store), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == -9, done.stderr
    model, state = load_training(path)
    assert (state.epoch, state.steps) == (1, 8)  # each four steps since the end of epoch 0
    train = sequence_of(tiny_store)
    resume_fit(model, train, state, epochs=3, verbose=0)
    assert weights(model) == trained(tiny_store)


def test_what_is_counted_is_what_was_trained_on_not_what_keras_took_ahead(tiny_store):
    train, model, counts = sequence_of(tiny_store), model_of(), []

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            counts.append((saving.state().epoch, saving.state().steps))

    saving = SaveState(train)
    model.fit(train, epochs=2, verbose=0, callbacks=[saving, Note()])
    model.fit(train, epochs=2, steps_per_epoch=5, verbose=0, callbacks=[saving, Note()])
    whole = [divmod(number, STEPS) for number in range(1, 2 * STEPS + 1)]
    train.close()
    assert counts == [*whole, *((2, number) for number in range(1, 11))]


def test_keras_epochs_that_do_not_fit_are_counted_and_gone_on_with(tiny_store):
    model, train = model_of(), sequence_of(tiny_store)
    saving = SaveState(train)
    model.fit(train, epochs=2, steps_per_epoch=9, verbose=0, callbacks=[saving])
    assert (saving.state().epoch, saving.state().steps) == (1, 5)
    rest = sequence_of(tiny_store, workers=4)
    rest.restore(saving.state())
    model.fit(rest, steps_per_epoch=21, verbose=0)  # the 8 that are left, and an epoch
    assert weights(model) == trained(tiny_store, epochs=3)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras', where steps are no multiple of four
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras takes one step at once on PyTorch")
def test_several_steps_in_one_execution_are_counted_to_the_end_of_the_epoch(tiny_store):
    train = sequence_of(tiny_store)
    saving = SaveState(train)
    model_of(steps_per_execution=4).fit(train, epochs=2, verbose=0, callbacks=[saving])
    assert (saving.state().epoch, saving.state().steps) == (2, 0)


def test_a_history_of_both_calls_is_given_back(tiny_store):
    train, held = sequence_of(tiny_store), sequence_of(tiny_store, split=(0.0, 0.2))
    history = resume_fit(model_of(), train, State(5, 1, 9), epochs=4, verbose=0, validation_data=held)
    assert history.epoch == [1, 2, 3]
    assert {len(values) for values in history.history.values()} == {3}
    assert {"loss", "val_loss", "accuracy"} <= set(history.history)
    assert (train.state().epoch, train.state().steps) == (4, 0)


@pytest.mark.parametrize(("state", "trained_on"), [((1, 0), [1, 2]), ((3, 0), []), ((4, 2), [])], ids=str)
def test_only_the_epochs_that_are_left_are_run(tiny_store, state, trained_on):
    history = resume_fit(model_of(), sequence_of(tiny_store), State(5, *state), epochs=3, verbose=0)
    assert history.epoch == trained_on


def test_a_training_that_a_callback_stops_in_the_rest_does_not_go_on(tiny_store):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    history = resume_fit(model_of(), sequence_of(tiny_store), State(5, 1, 4), epochs=4, verbose=0, callbacks=[Enough()])
    assert history.epoch == [1]


@pytest.mark.parametrize(
    ("options", "saved"),
    [
        ({}, 2),
        ({"every_steps": 5}, 6),
        ({"every_seconds": 1e-9, "every_epoch": False}, 26),
        ({"every_epoch": False}, 0),
    ],
    ids=["each epoch", "steps", "always", "never"],
)
def test_it_is_saved_when_asked_for(tiny_store, tmp_path, monkeypatch, options, saved):
    train, places = sequence_of(tiny_store), []
    saving = SaveState(train, tmp_path / "model.keras", **options)
    monkeypatch.setattr("seekless.loader.resume._save", lambda model, state, path: places.append(state.steps))
    model_of().fit(train, epochs=2, verbose=0, callbacks=[saving])
    assert len(places) == saved
    if "every_steps" in options:
        assert places == [5, 10, 0, 5, 10, 0]


def test_a_file_is_whole_or_the_one_before(tiny_store, tmp_path, monkeypatch):
    train, path = sequence_of(tiny_store), tmp_path / "model.keras"
    saving = SaveState(train, path)
    model_of().fit(train, verbose=0, callbacks=[saving])
    before = path.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *given, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        saving.save()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.glob("*model*")] == ["model.keras"]


WRONG = {
    "suffix": ({"path": "model.h5"}, "path: found 'model.h5', expected a name that ends in .keras"),
    "steps": ({"every_steps": 0}, "every_steps: found 0, expected a positive number, or None"),
    "seconds": ({"every_seconds": -1.0}, "every_seconds: found -1.0, expected a positive number, or None"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_option_is_told_at_once(tiny_store, options, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        SaveState(sequence_of(tiny_store), **options)


def test_saving_without_a_path_is_told(tiny_store):
    with pytest.raises(OptionError, match="path: found None, expected a path to save to; give it to SaveState"):
        SaveState(sequence_of(tiny_store)).save()


@pytest.mark.parametrize("kind", ["another model", "no model"])
def test_a_file_without_a_place_is_told(tmp_path, kind):
    path = tmp_path / "model.keras"
    if kind == "no model":
        path.write_text("nothing")
    else:
        model_of().save(path)
    with pytest.raises(OptionError, match=r"model\.keras: found no place in the data .* expected a model that"):
        load_training(path)


@pytest.mark.parametrize("name", ["steps_per_epoch", "initial_epoch"])
def test_arguments_that_count_otherwise_are_told(tiny_store, name):
    with pytest.raises(OptionError, match=f"{name}: found 3, expected none: the state says where to begin"):
        resume_fit(model_of(), sequence_of(tiny_store), State(5, 1, 4), epochs=4, **{name: 3})
