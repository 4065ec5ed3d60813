"""A checkpoint: every variable of a training, bit for bit, and how far it had come, in one file.

`model.keras` is not enough to go on with: it has no sums of metrics and no states of random layers, and a model of the
user's own functions may be saved in a way that Keras cannot load without them. Here the variables alone are kept, in
the order in which a model that is built anew has them.
"""

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np
import numpy.typing as npt

from seekless.errors import TrainError
from seekless.loader.state import State
from seekless.train.folder import replacing

__all__ = ["CHECKPOINT", "Checkpoint", "read_checkpoint", "restore_metrics", "write_checkpoint"]

CHECKPOINT = "checkpoint.npz"
FACTS = "facts.json"
VERSION = 1
GROUPS = ("model", "optimizer", "metrics")


@dataclass(frozen=True)
class Checkpoint:
    """How far a training had come.

    Attributes:
        place: Its place in the data: epoch from 0, steps of it that are finished.
        history: The metrics of each epoch that has ended, by name.
        best: The epoch with the least loss, 1 and up; 0 before there is one.
        seconds: What the epoch took until then.
        sums: Of an explicit loop: the samples so far, and the sum of each metric over them.
        trained: The train metrics of the epoch, where all its steps are finished and validation is left; else None.
        values: The values of all variables by group: "model", "optimizer", "metrics".
    """

    place: State
    history: list[dict[str, float]]
    best: int
    seconds: float = 0.0
    sums: tuple[int, dict[str, float]] = (0, {})
    trained: dict[str, float] | None = None
    values: dict[str, list[npt.NDArray[Any]]] = field(default_factory=dict)

    def restore(self, model: Any, path: Path) -> None:
        """Give a compiled model, built as it was, the values of its variables and of its optimizer's.

        Args:
            model: The model.
            path: The checkpoint's file, for messages.

        Raises:
            TrainError: It is another model.
        """
        model.optimizer.build(model.trainable_variables)
        for group in ("model", "optimizer"):
            _assign(_variables(model)[group], self.values[group], f"{path}: found the {group} of")

    def facts(self) -> dict[str, Any]:
        """Return all but the values, fit for JSON."""
        return {
            "version": VERSION,
            "place": self.place.to_json(),
            "history": self.history,
            "best": self.best,
            "seconds": self.seconds,
            "sums": list(self.sums),
            "trained": self.trained,
        }


def write_checkpoint(folder: Path, model: Any, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all; the one before stays until then.

    Args:
        folder: The run's folder.
        model: The model, whose variables are written.
        checkpoint: How far it has come; its values are not looked at.
    """
    with replacing(folder / CHECKPOINT) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            archive.writestr(FACTS, json.dumps(checkpoint.facts()))
            for group, variables in _variables(model).items():
                for number, variable in enumerate(variables):
                    with archive.open(f"{group}-{number:05d}.npy", "w", force_zip64=True) as member:
                        _write(member, np.asarray(keras.ops.convert_to_numpy(variable)))
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read the checkpoint of a run.

    Args:
        folder: The run's folder.

    Raises:
        TrainError: There is none, or it is damaged.
    """
    path = folder / CHECKPOINT
    try:
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read(FACTS))
            if facts["version"] != VERSION:
                raise TrainError(
                    f"{path}: found version {facts['version']}, expected {VERSION}; go on with the seekless that began"
                )
            names = sorted(archive.namelist())
            values = {
                group: [_read(archive, name) for name in names if name.startswith(f"{group}-")] for group in GROUPS
            }
        return Checkpoint(
            State.from_json(facts["place"]),
            facts["history"],
            facts["best"],
            facts["seconds"],
            (facts["sums"][0], facts["sums"][1]),
            facts["trained"],
            values,
        )
    except FileNotFoundError:
        raise TrainError(
            f"{path}: found no such file, expected a checkpoint to go on from; the run saved none, so train again"
        ) from None
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, IndexError, EOFError) as error:
        raise TrainError(
            f"{path}: found a damaged checkpoint ({error}), expected what train wrote; train again, with --model "
            f"{folder / 'model-best.keras'} from its best epoch if there is one"
        ) from error


def restore_metrics(model: Any, values: Sequence[npt.NDArray[Any]], path: Path) -> None:
    """Give a model the sums of its metrics, once they are built.

    Args:
        model: The model.
        values: Of its variables.
        path: The checkpoint's file, for messages.

    Raises:
        TrainError: It has other metrics.
    """
    _assign(model.metrics_variables, values, f"{path}: found the metrics of")


def _variables(model: Any) -> dict[str, list[Any]]:
    return {
        "model": list(model.variables),
        "optimizer": list(model.optimizer.variables),
        "metrics": list(model.metrics_variables),
    }


def _assign(variables: Sequence[Any], values: Sequence[npt.NDArray[Any]], what: str) -> None:
    wanted, found = ([tuple(part.shape) for part in parts] for parts in (variables, values))
    if wanted != found:
        raise TrainError(
            f"{what} a model of {len(found)} variables, {sum(map(_size, found)):,} numbers, expected {len(wanted)}, "
            f"{sum(map(_size, wanted)):,} numbers, as the model has that is built now; go on with the same --model code"
        )
    for variable, value in zip(variables, values, strict=True):
        dtype = np.asarray(keras.ops.convert_to_numpy(variable)).dtype
        variable.assign(value.view(dtype) if dtype.kind == "V" else value)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _write(member: IO[bytes], value: npt.NDArray[Any]) -> None:
    if value.dtype.kind == "V":  # bfloat16, which NumPy's format does not know
        value = value.view(f"u{value.dtype.itemsize}")
    np.lib.format.write_array(member, value, allow_pickle=False)


def _read(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    with archive.open(name) as member:
        value: npt.NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        member.read()  # to the end, where zipfile compares the checksum
        return value
