"""A checkpoint is read as it was written, or it is told what is wrong with it."""

import json
import zipfile

import keras
import numpy as np
import pytest

from seekless.errors import TrainError
from seekless.loader.state import State
from seekless.train.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint, restore_metrics, write_checkpoint


def model_of(units=3, dtype=None):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, dtype=dtype), keras.layers.Dropout(0.5)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def checkpoint_of(**others) -> Checkpoint:
    given = {"history": [{"loss": float("nan"), "val_loss": 0.1 + 0.2}], "best": 1, "seconds": 1.5, **others}
    return Checkpoint(State(7, 1, 5, "in words"), sums=(40, {"loss": 1 / 3}), trained={"loss": 2 / 3}, **given)


def values(model) -> list[bytes]:
    variables = [*model.variables, *model.optimizer.variables]
    return [np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes() for variable in variables]


@pytest.mark.parametrize("dtype", [None, "bfloat16", "float16"])
def test_what_is_written_is_read_bit_for_bit(tmp_path, dtype):
    model, again = model_of(dtype=dtype), model_of(dtype=dtype)
    model.train_on_batch(np.ones((2, 4), np.float32), np.ones((2, 3), np.float32))
    write_checkpoint(tmp_path, model, checkpoint_of())
    found = read_checkpoint(tmp_path)
    assert json.dumps(found.facts()) == json.dumps(checkpoint_of().facts())
    again.test_on_batch(np.ones((2, 4), np.float32), np.ones((2, 3), np.float32))
    found.restore(again, tmp_path / CHECKPOINT)
    assert values(again) == values(model)
    restore_metrics(again, found.values["metrics"], tmp_path / CHECKPOINT)
    assert again.get_metrics_result() == model.get_metrics_result()


def test_a_checkpoint_takes_the_place_of_another_only_when_it_is_whole(tmp_path, monkeypatch):
    model = model_of()
    write_checkpoint(tmp_path, model, checkpoint_of(best=1))
    monkeypatch.setattr("seekless.train.checkpoint._write", lambda member, value: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_checkpoint(tmp_path, model, checkpoint_of(best=0))
    assert read_checkpoint(tmp_path).best == 1
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_another_model_is_told(tmp_path):
    write_checkpoint(tmp_path, model_of(), checkpoint_of())
    message = (
        r"checkpoint\.npz: found the model of a model of 3 variables, 17 numbers, expected 3, 27 numbers, as the model"
    )
    with pytest.raises(TrainError, match=message):
        read_checkpoint(tmp_path).restore(model_of(5), tmp_path / CHECKPOINT)


def test_a_missing_one_is_told(tmp_path):
    with pytest.raises(TrainError, match=r"checkpoint\.npz: found no such file, expected a checkpoint to go on from"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("kind", ["no archive", "cut short", "flipped bit", "no facts", "empty"])
def test_a_damaged_one_is_told(tmp_path, kind):
    path = tmp_path / CHECKPOINT
    write_checkpoint(tmp_path, model_of(), checkpoint_of())
    content = bytearray(path.read_bytes())
    if kind == "no archive":
        content = bytearray(b"nothing")
    elif kind == "cut short":
        del content[len(content) // 2 :]
    elif kind == "flipped bit":
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo("model-00000.npy")
        content[member.header_offset + 30 + len(member.filename) + 20 + 128 + 8] ^= 1
    elif kind == "empty":
        content = bytearray()
    path.write_bytes(content)
    if kind == "no facts":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("facts.json", "{}")
    with pytest.raises(
        TrainError, match=r"checkpoint\.npz: found a damaged checkpoint \(.*\), expected what train wrote"
    ):
        read_checkpoint(tmp_path)


def test_one_of_another_version_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / CHECKPOINT, "w") as archive:
        archive.writestr("facts.json", json.dumps({"version": 9}))
    with pytest.raises(TrainError, match="found version 9, expected 1; go on with the seekless that began"):
        read_checkpoint(tmp_path)
