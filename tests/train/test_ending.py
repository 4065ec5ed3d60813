"""What is said when a run ends before its time: a loss that is no number, too little memory."""

import csv

import numpy as np
import pytest

from seekless.errors import TrainError
from seekless.train.ending import ran_out_of_memory
from seekless.train.fit import train_model
from seekless.train.options import METHODS, Options

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("method", METHODS)
def test_a_loss_that_is_no_number_ends_the_run_and_names_the_batch(make_store, tmp_path, method, capsys):
    """One sample is no number: the batch that holds it is found, though the loss is read later."""
    x = np.random.default_rng(0).random((200, 4, 4), np.float32)
    x[77] = np.nan
    path = make_store(x, np.arange(200) % 3, keys=[f"{number:03d}.csv" for number in range(200)])
    options = Options(str(path), out=str(tmp_path / "runs"), epochs=2, batch_size=10, method=method, seed=3, name="a")
    message = (
        r"runs/a: found loss nan in epoch 1 after batch (\d+) of 18, expected a number; its samples are \d{3}\.csv, "
        r"\d{3}\.csv, \d{3}\.csv and 7 more, listed in .*nan-batch\.csv: look at their values, or lower --learning-rate"
    )
    with pytest.raises(TrainError, match=message):
        train_model(options)
    with open(tmp_path / "runs" / "a" / "nan-batch.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 10
    assert "077.csv" in [line["key"] for line in lines]
    assert {(line["epoch"], line["sample"] in line["key"]) for line in lines} <= {("1", True), ("1", False)}
    assert "found loss nan in epoch 1" in (tmp_path / "runs" / "a" / "log.txt").read_text()
    assert not list(tmp_path.rglob("*.keras"))
    assert capsys.readouterr().err == ""


class ResourceExhaustedError(RuntimeError):
    """As JAX and PyTorch raise on a device."""


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError("Unable to allocate 9 GiB"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 MiB"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (ResourceExhaustedError("OOM when allocating tensor"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory of a name"), False),
    ],
    ids=str,
)
def test_errors_of_memory_are_told_from_others(error, memory):
    assert ran_out_of_memory(error) == memory


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", ["data", "device"])
def test_too_little_memory_is_said_with_what_to_lower(learnable, tmp_path, monkeypatch, method, where):
    if where == "data":

        def full(self, *arguments):
            raise MemoryError("Unable to allocate 3 GiB")

        monkeypatch.setattr("seekless.loader.cursor.Cursor._empty", full)
    else:

        def full(self, done, logs):
            raise ResourceExhaustedError("OOM when allocating tensor of 3 GiB")

        monkeypatch.setattr("seekless.train.run.Run.step", full)
    options = Options(str(learnable()), out=str(tmp_path / "runs"), batch_size=20, method=method, window_bytes=1 << 20)
    message = (
        "out of memory: found .*3 GiB; expected room for the model and its batches; lower --batch-size, now 20, or "
        "--window-bytes, now 1 MiB, of which two are in memory"
    )
    with pytest.raises(TrainError, match=message):
        train_model(options)
    assert not list((tmp_path / "runs").iterdir())
