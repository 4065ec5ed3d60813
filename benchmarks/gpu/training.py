"""Does a GPU stay as busy from a store as from the same samples in its own memory?

    KERAS_BACKEND=jax|torch python benchmarks/gpu/training.py [--samples 60000] [--side 28] [--json FILE]

Two models train in turn: lenet-wide, and a small ResNet. From the store a run is what `train` does; "in GPU memory" all
batches were put there before the clock starts, and go to the same compiled step, so that nothing is copied or decoded.
Each turn trains both ways one epoch after a first one that compiles; figures are medians over turns, the ratio over the
turns' ratios. Utilisation is what nvidia-smi says each 0.2 s, where there is one. Without a GPU the device is the
processor: the script runs, and its ratio says little, as decoding and computing share the cores.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click
import numpy as np
from machine import report

import seekless

CLASSES = 10


def resnet(shape: tuple[int, ...], outputs: int) -> Any:
    """Build a ResNet of three stages of two blocks, 64 to 256 filters."""
    import keras
    from keras import layers

    given = keras.Input(shape)
    x = layers.Reshape((*shape, 1))(given) if len(shape) == 2 else given
    x = layers.Conv2D(64, 3, padding="same", use_bias=False)(x)
    for stage, filters in enumerate((64, 128, 256)):
        for block in range(2):
            strides = 2 if stage and not block else 1
            short = x
            if strides > 1 or x.shape[-1] != filters:
                short = layers.Conv2D(filters, 1, strides=strides, use_bias=False)(x)
            x = layers.Activation("relu")(layers.BatchNormalization()(x))
            x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
            x = layers.Activation("relu")(layers.BatchNormalization()(x))
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.Add()([x, short])
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(layers.BatchNormalization()(x)))
    return keras.Model(given, layers.Dense(outputs, activation="softmax", dtype="float32")(x))


def compiled(name: str, shape: tuple[int, ...]) -> Any:
    """Build one of the two models, compiled."""
    from seekless.train.models import lenet_wide

    model = resnet(shape, CLASSES) if name == "resnet" else lenet_wide(shape, CLASSES)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def resident(store: Path, batch: int, device: str) -> Any:
    """Return a dataset whose batches lie in the device's memory already."""
    import keras

    batches = [tuple(_put(values, device) for values in pair) for pair in seekless.batches(store, batch)]

    class Resident(keras.utils.PyDataset):
        """Gives out what is there."""

        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            return batches[index]

    return Resident()


def _put(values: np.ndarray, device: str) -> Any:
    import keras

    with keras.device(device):
        return keras.ops.convert_to_tensor(values)


def gpu() -> str:
    """Return Keras' name of the first GPU; "cpu:0" where there is none."""
    import keras

    return "gpu:0" if any("gpu" in str(d).lower() or "cuda" in str(d).lower() for d in _devices(keras)) else "cpu:0"


def _devices(keras: Any) -> list[str]:
    if keras.backend.backend() == "torch":
        import torch

        return ["cuda:0"] if torch.cuda.is_available() else []
    return list(keras.distribution.list_devices())


@contextmanager
def watched(found: list[float]) -> Iterator[None]:
    """Add to a list what nvidia-smi says of the first GPU's utilisation, in percent, each 0.2 s."""
    tool, over = shutil.which("nvidia-smi"), threading.Event()

    def look() -> None:
        command = [str(tool), "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while not over.wait(0.2):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                found.append(float(done.stdout.split()[0]))

    thread = threading.Thread(target=look)
    if tool:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if tool:
            thread.join()


def epoch(model: Any, data: Any) -> float:
    """Train one epoch and return its seconds; the last loss is read, so the device is done."""
    start = time.perf_counter()
    float(model.fit(data, epochs=1, verbose=0, shuffle=False).history["loss"][0])
    return time.perf_counter() - start


def measure(name: str, store: Path, batch: int, turns: int, device: str) -> dict[str, Any]:
    """Train one model both ways in turns; return a row of the table."""
    opened = seekless.open(store)
    samples, shape = len(opened), opened.shape[1:]
    ways = {"store": seekless.StoreSequence(store, batch, workers=2), "memory": resident(store, batch, device)}
    models = {way: compiled(name, shape) for way in ways}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    used: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(turns + 1):
        for way, data in ways.items():
            with watched(used[way] if turn else []):
                took = epoch(models[way], data)
            if turn:  # the first one compiles
                seconds[way].append(took)
    rates = {way: samples / statistics.median(took) for way, took in seconds.items()}
    ratios = [memory / stored for stored, memory in zip(seconds["store"], seconds["memory"], strict=True)]
    return {
        "model": name,
        "parameters": models["store"].count_params(),
        "batch": batch,
        "store, samples/s": rates["store"],
        "memory, samples/s": rates["memory"],
        "store / memory": statistics.median(ratios),
        "GPU busy, store %": statistics.mean(used["store"]) if used["store"] else "-",
        "GPU busy, memory %": statistics.mean(used["memory"]) if used["memory"] else "-",
    }


def drawn(path: Path, samples: int, side: int, channels: int) -> Path:
    """Write a store of pictures: noise with a bright bar whose place is the class."""
    random = np.random.default_rng(0)
    y = random.integers(0, CLASSES, samples)
    x = random.integers(0, 64, (samples, side, side, channels), np.uint8)
    x[np.arange(samples), y * side // CLASSES] = 255
    seekless.write(path, x=x, y=y)
    return path


@click.command()
@click.option("--store", type=click.Path(exists=True, path_type=Path), help="A store of ten classes.  [default: drawn]")
@click.option("--samples", default=60_000, show_default=True, help="Pictures to draw.")
@click.option("--side", default=28, show_default=True, help="Pixels of a side of them.")
@click.option("--channels", default=1, show_default=True)
@click.option("--batch-size", default=512, show_default=True)
@click.option("--turns", type=click.IntRange(1), default=5, show_default=True, help="Epochs of each way.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    store: Path | None, samples: int, side: int, channels: int, batch_size: int, turns: int, to: Path | None
) -> None:
    """Compare training from a store with training from the memory of the device."""
    import keras

    device = gpu()
    with tempfile.TemporaryDirectory() as folder:
        path = store or drawn(Path(folder) / "drawn.h5", samples, side, channels)
        rows = [measure(name, path, batch_size, turns, device) for name in ("lenet-wide", "resnet")]
    state = f"{keras.backend.backend()} on {device}, page cache warm, {turns} turns after one that compiles"
    report("Training from a store against the same samples in the device's memory", state, rows, to)


if __name__ == "__main__":
    main()
