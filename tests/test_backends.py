"""The Keras dataset holds its laws on every backend: its tests again, each backend in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

TESTS = [
    Path(__file__).parent / name
    for name in (
        "loader/test_sequence.py",
        "loader/test_fit.py",
        "loader/test_fit_slices.py",
        "loader/test_restore.py",
        "loader/test_resume.py",
        "loader/test_asking.py",
        "test_keras_inputs.py",
    )
]


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_sequence_keeps_its_laws_on(backend):
    if backend == keras.backend.backend():
        pytest.skip(f"{backend} is the backend of this run, whose own tests they are")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # Keras' own code for PyTorch trips over a deprecation of NumPy's.
    quiet = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
    command = [sys.executable, "-m", "pytest", "-q", "-W", quiet, "-p", "no:cacheprovider", *map(str, TESTS)]
    done = subprocess.run(
        command, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
