"""One of several processes that train together, or one alone that does what they do; started by test_ranks.py."""

import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

import seekless
from seekless.train.ranks import join

SPLITS = (0.0, 0.9), (0.9, 1.0)


def build():
    keras.utils.set_random_seed(3)
    layers = [keras.Input((5,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
    return model


class Fatal(keras.callbacks.Callback):
    """Kills a process at the first step of the second epoch but one."""

    def __init__(self, number):
        super().__init__()
        self.number = number
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            os.kill(os.getpid(), self.number)


def together(told):
    """Train as one of several."""
    ranks = join(told["timeout"])
    train = seekless.StoreSequence(
        told["store"], told["batch"], split=SPLITS[0], seed=5, shard=ranks.shard, drop_remainder=ranks.uneven
    )
    test = seekless.StoreSequence(told["store"], 7, split=SPLITS[1], shuffle=False, shard=ranks.test_shard)
    saved = Path(told["folder"]) / "saved.keras"
    model, state = seekless.load_training(saved) if told["task"] == "resume" else (build(), train.state())
    ranks.wrap(model)
    saving = seekless.SaveState(train, saved if ranks.first and told["task"] != "train" else None, every_steps=1)
    callbacks = [*ranks.callbacks(len(test)), saving]
    if told["task"] in ("kill", "hang") and ranks.rank == 1:
        callbacks.append(Fatal(signal.SIGKILL if told["task"] == "kill" else signal.SIGSTOP))
    with ranks.watching():
        history = seekless.resume_fit(
            model, train, state, epochs=told["epochs"], validation_data=test, callbacks=callbacks, verbose=0
        ).history
    ranks.leave(model)
    keep(told, f"rank-{ranks.rank}", model, len(train), history)


def alone(told):
    """Train on the batches of all ranks as one, in one process."""
    model, count = build(), told["count"]
    test = seekless.StoreSequence(told["store"], 7, split=SPLITS[1], shuffle=False)
    left_out = "uneven" if keras.backend.backend() == "jax" else False
    history, seen = {"loss": [], "val_loss": [], "val_mae": []}, []
    for epoch in range(told["epochs"]):
        of_ranks = [
            seekless.batches(
                told["store"],
                told["batch"],
                epoch=epoch,
                split=SPLITS[0],
                seed=5,
                shard=(rank, count),
                drop_remainder=left_out,
            )
            for rank in range(count)
        ]
        losses, sizes, numbers = [], [], []
        for parts in zip(*of_ranks, strict=True):
            x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            model.reset_metrics()
            losses.append(float(model.train_on_batch(x, y, return_dict=True)["loss"]))
            sizes.append(len(x))
            numbers += (x[:, 0] * 1024).astype(int).tolist()
        history["loss"].append(float(np.average(losses, weights=sizes)))
        for name, value in model.evaluate(test, verbose=0, return_dict=True).items():
            history[f"val_{name}"].append(value)
        seen.append(sorted(numbers))
    keep(told, "alone", model, len(sizes), {**history, "seen": seen})


def keep(told, name, model, steps, history):
    folder = Path(told["folder"])
    np.savez(folder / f"{name}.npz", *[keras.ops.convert_to_numpy(weight) for weight in model.weights])
    (folder / f"{name}.json").write_text(json.dumps({"steps": steps, "history": history}))


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    (alone if told["task"] == "alone" else together)(told)
    print("done", flush=True)
