"""What Keras may do beside a plain fit: slices of epochs, stops, several steps at once, workers."""

import keras
import pytest
from kit.batches import mirrored
from kit.seen import Seen, StopAt, equal

from seekless.errors import OptionError


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras', where steps are no multiple of three
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras takes one step at once on PyTorch")
@pytest.mark.parametrize("at_once", [3, 50])
def test_several_steps_in_one_execution_lose_nothing(sequence, epochs, at_once):
    train, model = sequence(seed=1), Seen(steps_per_execution=at_once)
    for epoch in (0, 2):
        assert equal(model.learn(train, epochs=2), epochs(epoch, epoch + 1, seed=1))
        model.compile(run_eagerly=True, steps_per_execution=at_once)


def test_stopped_trainings_one_after_the_other_use_an_epoch_each(sequence, epochs):
    train, model = sequence(seed=1), Seen()
    for epoch in range(6):
        assert equal(model.learn(train, callbacks=[StopAt(epoch % 3 + 1)]), epochs(epoch, seed=1)[: epoch % 3 + 1])
        if epoch % 2:
            model.compile(run_eagerly=True)
    assert equal(model.learn(train), epochs(6, seed=1))


def test_initial_epoch_names_the_epochs_of_keras_not_ours(sequence, epochs):
    train, model = sequence(seed=1), Seen()
    assert equal(model.learn(train, initial_epoch=3, epochs=5), epochs(0, 1, seed=1))
    assert equal(model.learn(train, initial_epoch=5, epochs=6), epochs(2, seed=1))


@pytest.mark.parametrize("shuffle", ["window", False], ids=str)
@pytest.mark.parametrize(("steps", "count", "after"), [(60, 2, 3), (82, 1, 2), (30, 4, 3), (3, 5, 1)])
def test_keras_epochs_that_do_not_fit_are_slices_of_one_pass(sequence, epochs, shuffle, steps, count, after):
    options = {"shuffle": shuffle, "seed": 1}
    train, model = sequence(**options), Seen()
    for first in (0, after):
        seen = model.learn(train, epochs=count, steps_per_epoch=steps)
        assert equal(seen, epochs(*range(first, first + 4), **options)[: steps * count])
    assert len(train) == train.num_batches == 41
    assert equal(model.learn(train), epochs(2 * after, **options))
    with pytest.raises(IndexError, match="found batch 41"):
        train[41]


def test_they_go_on_beside_an_evaluation_and_after_a_stop(sequence, epochs):
    held, model = sequence(shuffle=False), Seen()
    train = sequence(seed=1)
    seen = model.learn(train, epochs=2, steps_per_epoch=50, validation_data=held, validation_steps=41)
    assert equal(seen, epochs(0, 1, 2, seed=1)[:100])
    assert equal(model.tested, 2 * epochs(0, shuffle=False))
    assert equal(model.learn(train, steps_per_epoch=50, callbacks=[StopAt(3)]), epochs(3, seed=1)[:3])
    assert equal(model.learn(train, steps_per_epoch=50), epochs(5, 6, seed=1)[:50])
    model.tested.clear()
    model.evaluate(held, verbose=0)
    assert equal(model.tested, epochs(0, shuffle=False))


def test_an_evaluation_of_more_steps_than_there_are_batches_ends_with_them(sequence, epochs):
    held, model = sequence(shuffle=False), Seen()
    with pytest.warns(UserWarning, match="ran out of data"):  # Keras' own
        model.evaluate(held, steps=60, verbose=0)
    assert equal(model.tested, epochs(0, shuffle=False))


def test_the_rest_of_an_epoch_in_slices_goes_on_into_the_next(sequence, epochs):
    train = sequence(seed=1)
    train.restore(train.state_at(1, 30))
    assert equal(Seen().learn(train, epochs=3, steps_per_epoch=20), epochs(1, 2, 3, seed=1)[30:90])


def test_several_workers_and_processes_change_no_batch(sequence, epochs):
    options = {"workers": 4, "use_multiprocessing": True, "max_queue_size": 3}
    train, model = sequence(seed=1, **options), Seen()
    assert (train.workers, train.use_multiprocessing) == (1, False)  # what Keras is told
    assert equal(model.learn(train, epochs=2), epochs(0, 1, seed=1))


def test_use_multiprocessing_changes_only_where_the_transform_runs(sequence, epochs):
    train, model = sequence(seed=1, transform=mirrored, use_multiprocessing=True, workers=2), Seen()
    assert equal(model.learn(train, epochs=2), epochs(0, 1, seed=1, transform=mirrored))
    held = sequence(shuffle=False, transform=mirrored, use_multiprocessing=True)
    assert equal(list(held), epochs(0, shuffle=False, transform=mirrored))


def test_the_options_of_ranks_reach_the_batches(sequence, epochs):
    for rank in range(3):
        options = {"shard": (rank, 3), "drop_remainder": True, "seed": 1, "shuffle": "batch"}
        train = sequence(**options)
        assert (len(train), train.samples) == (13, 130)
        assert equal(Seen().learn(train, epochs=2), epochs(0, 1, **options))


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"max_queue_size": 0}], ids=str)
def test_no_workers_are_told(sequence, wrong):
    with pytest.raises(OptionError, match=r"workers, max_queue_size: found .* expected 1 or more of each"):
        sequence(**wrong)
