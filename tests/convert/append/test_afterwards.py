"""A store that has grown is shuffled, described, replaced and gone on with as others are."""

import os
import shutil

import pytest
from kit.growing import append, first, holds

import seekless
from seekless.convert.run import pack
from seekless.errors import ResumeError, StoreError


class TestAfterwards:
    def test_shuffle_draws_one_order_and_keeps_the_parts(self, data, store):
        from seekless.convert.rewrite import merge, shuffle

        first(data(0, 40), store, test_fraction=0.25)
        append(data(40, 60), store)
        mixed, both = store.with_name("mixed.h5"), store.with_name("both.h5")
        shuffle(store, mixed, progress=False)
        old, new = seekless.open(store), seekless.open(mixed)
        assert new.header.portions == ()
        assert new.header.boundaries == (45, 60)
        tested = {old.keys[n] for a, b in old.ranges("test") for n in range(a, b)}
        assert {new.keys[n] for n in range(45, 60)} == tested
        holds(mixed, range(60))
        merge([store, mixed], both, prefix=True, progress=False)
        assert seekless.open(both).header.boundaries == (90, 120)

    def test_it_says_that_it_is_shuffled_within_parts(self, data, store):
        from seekless.store.describe import describe

        first(data(0, 40), store, test_fraction=0.25)
        append(data(40, 60), store)
        description = describe(seekless.open(store))
        assert (
            "60, shuffled: within parts, seed 0; 2 portions that were converted one after the other (40 + 20)"
            in str(description)
        )
        assert description.as_dict()["shuffled"] == "within parts"
        assert description.as_dict()["portions"] == [40, 20]
        assert description.as_dict()["parts"] == {"train": 45, "test": 15}
        assert "shuffled with seed 0 within 2 portions" in repr(seekless.open(store))

    def test_shuffled_in_place_its_shards_are_gone(self, data, store):
        from seekless.convert.rewrite import shuffle

        first(data(0, 10), store)
        append(data(10, 12), store)
        shuffle(store, store, overwrite=True, progress=False)
        assert sorted(os.listdir(store.parent)) == ["data", "data.h5"]
        holds(store, range(12))
        assert append(data(12, 14), store).added == 2
        holds(store, range(14))

    def test_overwrite_replaces_all_of_it(self, data, store):
        first(data(0, 10), store)
        append(data(10, 12), store)
        first(data(12, 12), store, overwrite=True)
        assert sorted(os.listdir(store.parent)) == ["data", "data.h5"]
        holds(store, range(12))

    def test_a_part_that_is_missing_is_named(self, data, store):
        first(data(0, 10), store)
        append(data(10, 12), store)
        shard = seekless.open(store).shards[1]
        shard.unlink()
        with pytest.raises(StoreError, match=f"{shard.name}: found no such file, expected a shard of"):
            seekless.open(store)

    def test_work_of_a_stopped_append_is_not_thrown_away(self, data, store, stop):
        first(data(0, 10), store)
        source = data(10, 30)
        stop(source, store, 1, append=True)
        holds(store, range(10))
        with pytest.raises(
            ResumeError, match=r"go on with it by --resume, or start over by removing data.h5.parts"
        ) as raised:
            append(source, store)
        assert "--overwrite" not in str(raised.value)
        with pytest.raises(ResumeError, match=r"--append: found nothing, expected a store of 10 samples .checksum"):
            pack(source, store, overwrite=True, resume=True, progress=False)
        data(30, 31)
        with pytest.raises(ResumeError, match=r"found 1 new .train/030.csv. since the stopped run, expected the same"):
            append(source, store, resume=True)
        shutil.rmtree(store.with_name("data.h5.parts"))
        assert append(source, store).removed == ()
        holds(store, range(31))
