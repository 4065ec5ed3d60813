"""Several processes that train together do what one would do with all their batches as one."""

import json
import re
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

import seekless
from seekless.errors import TrainError
from seekless.train import ranks as ranks_module
from seekless.train.ranks import AveragingRanks, Ranks, join

PROCESS = Path(__file__).with_name("rank_process.py")
EPOCHS, BATCH = 3, 13
TIMEOUT = 15  # after which a silent rank is taken for lost


@pytest.fixture
def lines(tmp_path) -> Path:
    """A store of 227 samples, of which 204 to train on; the first value of each tells which sample it is."""
    random = np.random.default_rng(0)
    x = random.normal(size=(227, 5)).astype(np.float32)
    x[:, 0] = np.arange(227) / 1024
    y = (x @ np.arange(5) + np.sin(3 * x[:, 1])).astype(np.float32)
    seekless.write(tmp_path / "lines.h5", x=x, y=y, block_bytes=5 * 4 * 9, compression="none")
    return tmp_path / "lines.h5"


def told(task: str, store: Path, count: int, **more) -> list[str]:
    task_of = {"task": task, "store": str(store), "folder": str(store.parent), "count": count}
    return [str(PROCESS), json.dumps({**task_of, "batch": BATCH, "epochs": EPOCHS, "timeout": TIMEOUT, **more})]


@pytest.fixture(scope="module")
def known() -> dict:
    """What a process alone came to, by backend and number of ranks."""
    return {}


@pytest.fixture
def alone(backend, run, lines, known):
    """Return a function that trains on the batches of so many ranks in one process, once for all tests."""

    def train(count: int) -> None:
        files = [lines.parent / name for name in ("alone.npz", "alone.json")]
        if (backend, count) not in known:
            [(code, said)] = run(told("alone", lines, count), backend, 1, lines.parent)
            assert code == 0, said
            known[backend, count] = [file.read_bytes() for file in files]
        for file, content in zip(files, known[backend, count], strict=True):
            file.write_bytes(content)

    return train


def came_to(folder: Path, name: str) -> tuple[list[np.ndarray], dict]:
    with np.load(folder / f"{name}.npz") as found:
        weights = [found[key] for key in found.files]
    return weights, json.loads((folder / f"{name}.json").read_text())


def check_alike(folder: Path, count: int, *, last_epochs: int = EPOCHS) -> None:
    """Check that all ranks have come to the same as the process alone."""
    alone, expected = came_to(folder, "alone")
    first, _ = came_to(folder, "rank-0")
    for rank in range(count):
        weights, found = came_to(folder, f"rank-{rank}")
        for weight, of_first, of_alone in zip(weights, first, alone, strict=True):
            assert np.array_equal(weight, of_first)
            np.testing.assert_allclose(weight, of_alone, rtol=1e-4, atol=1e-5)
        assert found["steps"] == expected["steps"]
        for name in ("loss", "val_loss", "val_mae"):
            recent = found["history"][name][-last_epochs:]
            assert recent == pytest.approx(expected["history"][name][-last_epochs:], rel=1e-4)


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_ranks_train_as_one_process_would_with_their_batches_as_one(backend, run, alone, count, lines):
    alone(count)
    for code, said in run(told("train", lines, count), backend, count, lines.parent):
        assert code == 0, said
    check_alike(lines.parent, count)
    for seen in came_to(lines.parent, "alone")[1]["history"]["seen"]:
        left_out = 204 % count if backend == "jax" else 0
        assert len(seen) == len(set(seen)) == 204 - left_out


def test_the_death_of_a_rank_ends_the_others_and_training_goes_on_from_what_was_saved(backend, run, alone, lines):
    killed = run(told("kill", lines, 2), backend, 2, lines.parent)
    assert killed[1][0] == -signal.SIGKILL
    assert killed[0][0] not in (0, -signal.SIGKILL), killed[0][1]
    assert not (lines.parent / "rank-0.npz").exists()
    if backend != "jax":  # which may end the process on its own
        assert re.search(r"TrainError: rank 0: found another of the 2 ranks gone or silent", killed[0][1])
    alone(2)
    for code, said in run(told("resume", lines, 2), backend, 2, lines.parent):
        assert code == 0, said
    check_alike(lines.parent, 2, last_epochs=1)


@pytest.mark.slow
def test_a_rank_that_hangs_ends_the_others_within_the_time_out(backend, run, lines):
    [(code, said)] = run(told("hang", lines, 2), backend, 2, lines.parent, wait_for=1)
    assert code != 0, said
    assert "done" not in said


def test_the_train_command_is_one_run_of_all_ranks(backend, run, learnable, tmp_path):
    store = learnable(403)
    command = ["-m", "seekless", "train", "--store", str(store), "--epochs", "2", "--rank-timeout", str(TIMEOUT)]
    first, second = run(command, backend, 2, tmp_path)
    assert first[0] == 0, first[1]
    assert second[0] == 0, second[1]
    left_out = 363 % 2 if backend == "jax" else 0
    assert f"{363 - left_out} samples to train, 40 to test" in first[1]
    assert "Test" not in second[1]
    assert "samples" not in second[1]
    [folder] = (tmp_path / "runs").iterdir()
    config = json.loads((folder / "config.json").read_text())
    assert config["samples"] == {"train": 363 - left_out, "test": 40}
    assert config["ranks"] == 2
    # One process finds the same of the model that is left.
    code = (
        "import keras, seekless, sys; model = keras.models.load_model(sys.argv[1]);"
        f"part = seekless.StoreSequence(sys.argv[2], 64, split=({363 / 403}, 1.0), shuffle=False);"
        "print(model.evaluate(part, verbose=0, return_dict=True))"
    )
    [(ended, said)] = run(["-c", code, str(folder / "model.keras"), str(store)], backend, 1, tmp_path)
    assert ended == 0, said
    loss, accuracy = (float(re.search(rf"Test {name}: ([0-9.]+)", first[1])[1]) for name in ("loss", "accuracy"))
    again = [float(re.search(rf"'{name}': ([0-9.e-]+)", said)[1]) for name in ("loss", "accuracy")]
    assert again == pytest.approx([loss, accuracy], abs=1e-4)


def test_a_process_alone_is_a_rank_of_one(monkeypatch):
    monkeypatch.setattr(ranks_module, "_joined", [])
    for name in ("RANK", "WORLD_SIZE", "TF_CONFIG", "KERAS_DISTRIBUTION_NUM_PROCESSES"):
        monkeypatch.delenv(name, raising=False)
    found = join()
    assert (found.rank, found.count, found.shard, found.first) == (0, 1, (0, 1), True)
    assert found.total(np.array([2.0])).tolist() == [2.0]
    assert found.callbacks(3) == []
    assert join() is found


class Twins(AveragingRanks):
    """Two ranks of which the other always has the same numbers."""

    def __init__(self):
        super().__init__(1, 2)
        self.samples = []

    def total(self, values):
        return 2 * values

    def average(self, gradients, samples):
        self.samples.append(samples)
        return gradients

    def length(self, x):
        return int(x.shape[0])


def test_a_wrapped_model_averages_drops_its_own_values_and_adds_up_its_metrics():
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("sgd", "mse", run_eagerly=True)
    [seeds] = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    value = keras.ops.convert_to_numpy
    before, twins = value(seeds), Twins()
    twins.wrap(model)
    assert value(seeds).tolist() == [(before[0] + 0x9E3779B9) % 2**32, before[1]]
    assert not value(layers[2].kernel).any()  # those of rank 0, which here has none
    model.train_on_batch(np.ones((7, 3)), np.ones((7, 1)))
    assert twins.samples == [7]
    moving, counted = value(layers[0].moving_mean), value(model.metrics[0].count)
    twins.settle_statistics(model)
    twins.settle(model)
    assert np.array_equal(value(layers[0].moving_mean), moving)
    assert value(model.metrics[0].count) == 2 * counted == 14


class Lost(Ranks):
    def _tells_of_loss(self, error):
        return "reset" in str(error)


def test_only_an_error_that_tells_of_a_lost_rank_is_made_one():
    lost = Lost(1, 4)
    said = r"rank 1: found another of the 4 ranks gone or silent \(connection reset\)"
    with pytest.raises(TrainError, match=said), lost.watching():
        raise RuntimeError("connection reset\nby peer")
    with pytest.raises(RuntimeError, match="no memory"), lost.watching():
        raise RuntimeError("no memory")
