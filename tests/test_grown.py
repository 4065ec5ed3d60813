"""Batches of a store that has grown: parts of several ranges, counted, weighed, mixed and resumed as of any store."""

import json

import numpy as np
import pytest

import seekless
from seekless.errors import OptionError
from seekless.loader.mixing import describe
from seekless.loader.state import State


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A store of 120, 30 and 8 samples with a test part of a quarter each; class 2 is only in what was added."""
    folder = tmp_path_factory.mktemp("grown")
    (folder / "data").mkdir()
    done = 0
    for end in (120, 150, 158):
        for number in range(done, end):
            np.savetxt(folder / f"data/{number}.csv", [[number]])
        classes = [2 if n >= 120 and n % 2 else n % 2 for n in range(end)]
        (folder / "data/target.csv").write_text("".join(f"{n},{c}\n" for n, c in enumerate(classes)))
        seekless.pack(folder / "data", folder / "data.h5", test_fraction=0.25, append=True, workers=0, progress=False)
        done = end
    return seekless.open(folder / "data.h5")


def numbers(batches) -> list[int]:
    return [int(value) for batch in batches for value in np.asarray(batch[0]).reshape(-1)]


def members(store, split) -> list[int]:
    return [int(store["x"][n].item()) for start, stop in store.ranges(split) for n in range(start, stop)]


@pytest.mark.parametrize("split", ["train", "test", (0.0, 0.5), (0.5, 1.0), ((3, 40), (100, 130), (157, 158)), None])
@pytest.mark.parametrize("ranks", [1, 3])
def test_each_sample_of_a_part_comes_once_over_all_ranks(grown, split, ranks):
    for shuffle in ("window", "batch", "full", False):
        made = [
            list(seekless.batches(grown, 4, epoch=3, split=split, shuffle=shuffle, shard=(rank, ranks), window_bytes=9))
            for rank in range(ranks)
        ]
        assert len({len(batches) for batches in made}) == 1
        found = [number for batches in made for number in numbers(batches)]
        assert sorted(found) == sorted(members(grown, split))
        assert ranks > 1 or shuffle or found == members(grown, split)


def test_targets_stand_beside_their_samples(grown, monkeypatch):
    for kept in (64 << 20, 0):
        monkeypatch.setattr("seekless.loader.targets.KEPT_BYTES", kept)
        for x, y in seekless.batches(grown, 7, split="test", shuffle="window"):
            number = x.reshape(-1).astype(int)
            assert y.tolist() == [2 if n >= 120 and n % 2 else n % 2 for n in number]


def test_train_and_test_share_nothing_and_come_from_every_portion(grown):
    train, test = set(members(grown, "train")), set(members(grown, "test"))
    assert not train & test
    assert train | test == set(range(158))
    for part in (train, test):
        assert {np.searchsorted([120, 150], n, "right") for n in part} == {0, 1, 2}


def test_classes_are_weighed_by_what_the_part_has_of_them(grown):
    sequence = seekless.StoreSequence(grown, 8, split="train")
    train = [n for start, stop in grown.ranges("train") for n in range(start, stop)]
    counts = np.bincount(grown["y"][train])
    assert sequence.samples == len(train)
    assert sequence.class_weights() == {c: len(train) / (3 * n) for c, n in enumerate(counts.tolist())}


def test_a_sequence_goes_on_where_it_stood(grown):
    made = seekless.StoreSequence(grown, 8, split="train", seed=4, window_bytes=20)
    epoch = numbers(made)
    other = seekless.StoreSequence(grown, 8, split="train", seed=4, window_bytes=20)
    begun = iter(other)
    head = numbers([next(begun) for _ in range(5)])
    state = State.from_json(json.loads(json.dumps(other.state().to_json())))
    again = seekless.StoreSequence(grown, 8, split="train", seed=4, window_bytes=20)
    again.restore(state)
    assert head + numbers(again) == epoch
    with pytest.raises(OptionError, match="samples 0 to 90, 120 to 142, 150 to 156 in"):
        seekless.StoreSequence(grown, 8, split="test", seed=4, window_bytes=20).restore(state)


def test_how_it_mixes_is_measured_over_all_ranges(grown):
    found = describe(seekless.StoreSequence(grown, 8, split="train")._maker)
    assert found.windows == 1
    assert found.blocks == 55
    assert found.label_distance < 0.2
    assert found.warning == ""
    numbers_alone = describe(seekless.StoreSequence(grown, 8, split="train", shuffle=False)._maker)
    assert numbers_alone.blocks_per_window == found.blocks
