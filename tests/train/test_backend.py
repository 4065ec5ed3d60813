"""Keras is brought up quietly, unless it cannot be."""

import os
import sys
import types

import pytest

from seekless.errors import MissingExtraError, OptionError
from seekless.train.backend import start_keras

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@pytest.fixture
def backend(monkeypatch):
    """Return a function that puts a stand-in for Keras in place, which writes to stderr as native code does."""
    monkeypatch.setenv(LEVEL, "")
    monkeypatch.delenv(LEVEL)

    def install(error=None):
        def zeros(count):
            os.write(2, b"I0000 could not find cuda drivers\n")
            if error is not None:
                raise error

        def set_random_seed(seed):
            os.write(2, b"I0000 oneDNN custom operations are on\n")

        keras = {
            "ops": types.SimpleNamespace(zeros=zeros),
            "utils": types.SimpleNamespace(set_random_seed=set_random_seed),
        }
        monkeypatch.setitem(sys.modules, "keras", types.SimpleNamespace(**keras))

    return install


def test_what_native_code_prints_is_kept_back(backend, capfd):
    backend()
    start_keras(quiet=True)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_with_debug_it_is_shown(backend, capfd):
    backend()
    start_keras(quiet=False)
    assert capfd.readouterr().err.startswith("I0000 could not find cuda drivers\nI0000 oneDNN")
    assert LEVEL not in os.environ


@pytest.mark.parametrize(
    "error", [ImportError("libcudart.so.12: cannot open"), RuntimeError("no device")], ids=["import", "other"]
)
def test_it_is_shown_where_the_start_fails(backend, capfd, error):
    backend(error)
    with pytest.raises(type(error)) as caught:
        start_keras(quiet=True)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "I0000 could not find cuda drivers\nafter\n"
    assert error in (caught.value, caught.value.__cause__)


def test_it_is_shown_where_the_start_is_interrupted(backend, capfd):
    backend(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        start_keras(quiet=True)
    assert capfd.readouterr().err == "I0000 could not find cuda drivers\n"


def test_later_notes_of_tensorflow_are_kept_back_unless_the_user_says_otherwise(backend, monkeypatch):
    backend()
    start_keras(quiet=True)
    assert os.environ[LEVEL] == "2"
    monkeypatch.setenv(LEVEL, "0")
    start_keras(quiet=True)
    assert os.environ[LEVEL] == "0"


@pytest.mark.parametrize(
    ("name", "extra"),
    [("tensorflow", "tensorflow"), ("jax", "jax"), ("torch", "torch"), ("tensorflow.python", "tensorflow")],
)
def test_a_missing_backend_is_told_with_its_extra(backend, name, extra):
    backend(ModuleNotFoundError(f"No module named '{name}'", name=name))
    message = rf"found no Keras backend \(No module named '{name}'\).* pip install \"seekless\[{extra}\]\""
    with pytest.raises(MissingExtraError, match=message):
        start_keras(quiet=True)


def test_missing_keras_itself_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r'found no Keras backend .* pip install "seekless\[tensorflow\]"'):
        start_keras(quiet=False)


def test_a_backend_is_handed_to_keras_before_it_starts(backend, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "")
    backend()
    sys.modules["keras"].backend = types.SimpleNamespace(backend=lambda: "jax")
    start_keras(quiet=True, backend="jax")
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_a_missing_backend_that_was_asked_for_is_named(backend, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "")
    backend(ImportError("libsomething: cannot open"))
    sys.modules["keras"].backend = types.SimpleNamespace(backend=lambda: "torch")
    with pytest.raises(MissingExtraError, match=r'pip install "seekless\[torch\]"'):
        start_keras(quiet=True, backend="torch")


def test_a_process_keeps_the_backend_it_began_with(backend, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    backend()
    sys.modules["keras"].backend = types.SimpleNamespace(backend=lambda: "tensorflow")
    with pytest.raises(
        OptionError, match="--backend: found Keras running on tensorflow, expected jax; a process keeps"
    ):
        start_keras(quiet=True, backend="jax")
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
