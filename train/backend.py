"""Bring up Keras and its backend, quietly."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from seekless.errors import MissingExtraError, OptionError

__all__ = ["start_keras"]

EXTRAS = ("tensorflow", "jax", "torch")


def start_keras(*, quiet: bool, backend: str | None = None, rank_timeout: float | None = None) -> None:
    """Import Keras and its backend, and touch the device once, so that all they have to say is said here.

    Processes that are to train together have to join before that.

    Args:
        backend: "tensorflow", "jax" or "torch"; None for what KERAS_BACKEND, or Keras' own configuration, says.
        rank_timeout: Join the processes that train together, waiting so many seconds; None to be alone.
        quiet: Keep back what the backend prints of its own (TensorFlow: a page of notes on the processor and on missing
            GPU drivers); it is shown all the same if the start fails.

    Raises:
        MissingExtraError: The backend is not installed.
        OptionError: Keras runs already, on another backend; or a launcher's words make no sense.
        TrainError: Other processes that are to train with this one do not come.
    """
    if backend is not None:
        running = sys.modules.get("keras")
        if running is not None and (found := running.backend.backend()) != backend:
            raise OptionError(
                f"--backend: found Keras running on {found}, expected {backend}; a process keeps the backend that it "
                "began with, so begin a new one"
            )
        os.environ["KERAS_BACKEND"] = backend  # Keras reads it once, when it is imported
    if quiet:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what TensorFlow has to say later, while training
    try:
        with _held_back() if quiet else contextlib.nullcontext():
            import keras

            if rank_timeout is not None:
                from seekless.train.ranks import join

                join(rank_timeout)
            keras.ops.zeros(1)
            keras.utils.set_random_seed(0)  # brings up TensorFlow beside another backend, where it is installed
    except ImportError as error:
        extra = error.name if error.name in EXTRAS else backend or "tensorflow"
        raise MissingExtraError(
            f'found no Keras backend ({error}), expected one; install it with pip install "seekless[{extra}]"'
        ) from error


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Catch what native code writes to stderr; no Python setting reaches it."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            os.dup2(saved, 2)
            kept.seek(0)
            os.write(2, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
