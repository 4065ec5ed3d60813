"""A transform runs on every batch with random numbers that follow from seed, epoch and step; in any process."""

import os
import pickle
import re

import numpy as np
import pytest

import seekless
from seekless.errors import LoaderError, OptionError
from seekless.loader.batches import BatchMaker
from seekless.loader.options import BatchOptions
from seekless.loader.transform import Transform, TransformProcesses


def noisy(x, y, rng):
    return (x + rng.random(x.shape)).astype(np.float16)[:, :2], np.stack([y, y * 2], axis=1)


def alone(x, y, rng):
    assert y is None
    return x + rng.random(), None


def where(x, y, rng):
    return np.full(len(x), os.getpid()), y


def failing(x, y, rng):
    raise KeyError("no such thing")


def dying(x, y, rng):
    os._exit(3)


def maker(store, transform, processes=0, **options) -> BatchMaker:
    options = {"seed": 4, "window_bytes": 700, **options}
    return BatchMaker(store, BatchOptions(10, transform=transform, **options), processes)


def same(one, other) -> bool:
    forms = [[[(array.dtype, array.tobytes()) for array in batch] for batch in batches] for batches in (one, other)]
    return forms[0] == forms[1]


def test_each_batch_is_transformed_after_scaling_and_rows(make_store):
    store = make_store(np.arange(40, dtype=np.uint8), np.arange(40) % 4, scale=255)
    seen = []

    def note(x, y, rng):
        seen.append((x.copy(), y.copy()))
        return x * 2, y[:, :1]

    plain = list(seekless.batches(store, 10, one_hot=True))
    found = list(seekless.batches(store, 10, one_hot=True, transform=note))
    assert same(seen, plain)
    assert same(found, [(x * 2, y[:, :1]) for x, y in plain])


def test_shape_and_dtype_may_change_and_numbers_follow_from_seed_epoch_and_step(numbered):
    made = maker(numbered.store, noisy)
    whole = list(made.epoch(1))
    assert (whole[0][0].dtype, whole[0][0].shape, whole[0][1].shape) == (np.float16, (10, 2, 2), (10, 2))
    assert same(list(made.epoch(1)), whole)
    for step in (0, 7, 40):
        assert same(list(made.epoch(1, first_step=step)), whole[step:])
    for other in (maker(numbered.store, noisy, shuffle=False), maker(numbered.store, noisy, shuffle=False, seed=5)):
        noise = [list(other.epoch(epoch))[3][0] % 1 for epoch in (0, 1)]
        assert not np.array_equal(*noise)


def brighter(x, y, rng):
    return {**x, "image": x["image"] + rng.integers(1, 9)}, y


def test_several_inputs_and_weights_in_other_processes_too(tmp_path):
    x = {"image": np.zeros((30, 4)), "number": np.arange(30)}
    seekless.write(tmp_path / "data.h5", x, np.arange(30), sample_weight=np.arange(30), compression="none")
    store = seekless.open(tmp_path / "data.h5")
    for here, there in zip(maker(store, brighter).epoch(), maker(store, brighter, 1).epoch(), strict=True):
        assert here[0]["image"].min() >= 1
        for one, other in zip((*here[0].values(), *here[1:]), (*there[0].values(), *there[1:]), strict=True):
            assert np.array_equal(one, other)
        assert np.array_equal(here[0]["number"], here[1])
        assert np.array_equal(here[2], here[1])


def test_without_targets_the_transform_gets_none(make_store):
    store = make_store(np.arange(40, dtype=np.uint8))
    batches = list(seekless.batches(store, 16, shuffle=False, transform=alone))
    assert {len(batch) for batch in batches} == {1}
    assert len({(x[0] % 1).item() for (x,) in batches}) == 3


@pytest.fixture
def processes(numbered):
    made = []

    def make(transform, count=2, **options):
        made.append(maker(numbered.store, transform, count, **options))
        return made[-1]

    yield make
    for one in made:
        if one._processes._executor is not None:
            one._processes._executor.shutdown()


def test_other_processes_give_the_same_batches_in_order(processes, numbered):
    made = processes(noisy)
    assert same(list(made.epoch(2)), list(maker(numbered.store, noisy).epoch(2)))
    copy = pickle.loads(pickle.dumps(made))
    assert copy._processes._executor is None
    given_up = made.epoch(3)
    next(given_up)
    given_up.close()
    assert same(list(made.epoch(3, first_step=35)), list(maker(numbered.store, noisy).epoch(3, first_step=35)))


def test_other_processes_are_other_processes(processes, numbered):
    found = {x[0].item() for x, _ in processes(where).epoch()}
    assert os.getpid() not in found
    assert 1 <= len(found) <= 2
    assert {x[0].item() for x, _ in maker(numbered.store, where).epoch()} == {os.getpid()}


@pytest.mark.parametrize("count", [0, 1])
def test_an_error_of_the_transform_is_raised_as_itself(processes, numbered, count, reading):
    made = processes(failing, 1) if count else maker(numbered.store, failing)
    with pytest.raises(KeyError, match="no such thing"):
        next(made.epoch())
    assert not reading()


def test_a_process_that_ends_is_told(processes, reading):
    made = processes(dying, 1)
    for _ in range(2):
        with pytest.raises(LoaderError, match=r"transform: found that a worker process had ended .* expected it to"):
            list(made.epoch())
    assert not reading()


def test_a_function_that_cannot_be_sent_is_told_at_once(numbered):
    with pytest.raises(OptionError, match=r"transform: found a function that no other process can be sent .*lambda"):
        TransformProcesses(Transform(lambda x, y, rng: (x, y), 0, 0), 1)


WRONG = {
    "no pair": (lambda x, y, rng: x, "transform: found ndarray, expected a pair (x, y); return both"),
    "three": (lambda x, y, rng: (x, y, y), "transform: found tuple, expected a pair (x, y)"),
    "fewer x": (lambda x, y, rng: (x[1:], y), "transform: found 9 and 10 samples, expected as many x as y"),
}


@pytest.mark.parametrize(("transform", "message"), WRONG.values(), ids=WRONG)
def test_what_a_transform_may_not_give_is_told(numbered, transform, message):
    with pytest.raises(LoaderError, match=re.escape(message)):
        next(maker(numbered.store, transform).epoch())


def test_fewer_samples_than_weights_are_told():
    batch = (np.zeros(3), np.zeros(3), np.ones(3))
    with pytest.raises(LoaderError, match="found 2 and 2 and 3 samples, expected as many x as y and as many as there"):
        Transform(lambda x, y, rng: (x[1:], y[1:]), 0, 0)(batch, 0, 0)
