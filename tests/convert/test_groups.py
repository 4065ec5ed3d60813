"""Whole groups go to one side of any split; the parts, and the samples in each, are in random order."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seekless
from seekless.convert.groups import PARTS, places_of
from seekless.convert.options import Options
from seekless.errors import OptionError, SourceError


def keys_of(sizes):
    return sorted(f"p{group:03d}/{number:03d}.csv" for group, size in enumerate(sizes) for number in range(size))


@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=60), seed=st.integers(0, 5))
@settings(deadline=None, derandomize=True)
def test_no_group_lies_in_two_parts(sizes, seed):
    keys = keys_of(sizes)
    positions, ends = places_of(keys, Options(seed=seed, group_by="^[^/]*"))
    assert sorted(positions.tolist()) == list(range(len(keys)))
    assert ends[-1] == len(keys)
    assert 1 <= len(ends) <= min(PARTS, len(sizes))
    part = np.searchsorted(ends, positions, "right")
    of_group = {}
    for key, number in zip(keys, part.tolist(), strict=True):
        assert of_group.setdefault(key[:4], number) == number


def test_parts_are_about_equal_and_samples_mixed_within_them():
    keys = keys_of([10] * 200)
    positions, ends = places_of(keys, Options(group_by="p(...)"))
    assert len(ends) == PARTS
    assert set(np.diff([0, *ends]).tolist()) == {100}
    # Of the ten groups in a part, the samples do not come one group after the other.
    first = np.argsort(positions)[:100]
    groups = [keys[index][:4] for index in first]
    assert sum(one != other for one, other in itertools.pairwise(groups)) > 60


def test_another_seed_another_order_and_the_same_seed_the_same():
    keys = keys_of([3, 5, 2, 9, 4])
    one, again, other = (places_of(keys, Options(seed=s, group_by="^[^/]*"))[0].tolist() for s in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("patient", "found nothing that it matches in p000/000.csv"), ("csv", "found one group, csv, expected two")],
)
def test_keys_without_groups_are_refused(pattern, message):
    with pytest.raises(SourceError, match=f"--group-by {pattern}: {message}"):
        places_of(keys_of([2, 2]), Options(group_by=pattern))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_by": "("}, r"--group-by: found '\(', expected a regular expression"),
        ({"group_by": "a", "shuffle": False}, "--group-by: found --no-shuffle beside it"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(OptionError, match=message):
        Options(**options)


@pytest.fixture
def patients(write_source):
    samples = {f"p{group:02d}_{n}": [[group, n]] for group in range(30) for n in range(1 + group % 5)}
    return write_source(samples, {key: int(key[1:3]) % 3 for key in samples})


@pytest.mark.parametrize("name", ["a.h5", "a.npy.d"])
def test_splits_never_cut_a_group(patients, tmp_path, name):
    seekless.pack(patients, tmp_path / name, group_by="p..", test_fraction=0.2, progress=False)
    store = seekless.open(tmp_path / name)
    assert store.header.parts[-1] == len(store) == store.header.boundaries[-1]
    assert store.header.boundaries[0] in store.header.parts
    groups = [key[6:9] for key in store.keys]
    for splits in (("train", "test"), store.split(0.5, 0.3, 0.2), store.split(0.11, 0.89)):
        edges = [store.part(split) for split in splits]
        assert edges[0][0] == 0
        assert edges[-1][1] == len(store)
        assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))
        sides = [set(groups[start:stop]) for start, stop in edges]
        assert not any(one & other for i, one in enumerate(sides) for other in sides[i + 1 :])


def test_samples_left_out_move_the_parts(patients, tmp_path):
    for name in ("p03_1", "p07_0", "p29_4"):
        (patients / "train" / f"{name}.csv").write_text("nothing\n")
    seekless.pack(patients, tmp_path / "a.h5", group_by="p..", on_error="skip", progress=False)
    store = seekless.open(tmp_path / "a.h5")
    groups = [key[6:9] for key in store.keys]
    parts = [set(groups[start:stop]) for start, stop in zip((0, *store.header.parts), store.header.parts, strict=False)]
    assert sum(map(len, parts)) == len(set(groups))


def test_a_test_part_smaller_than_any_group_is_refused(write_source, tmp_path):
    source = write_source({f"p{group}_{n}": [[n]] for group in range(4) for n in range(10)})
    with pytest.raises(OptionError, match="--test-fraction: found 2 of 40 samples, which is no part of whole groups"):
        seekless.pack(source, tmp_path / "a.h5", group_by="p.", test_fraction=0.05, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
