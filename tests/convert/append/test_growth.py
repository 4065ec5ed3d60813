"""A store grows by the files that are new, and stays whole, readable and as it was made."""

import itertools
import os
import shutil

import h5py
import hdf5plugin  # noqa: F401 (undoes codecs for plain h5py)
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.growing import append, files, first, holds, value
from PIL import Image

import seekless
from seekless.convert import append as append_module
from seekless.convert.compare import compare
from seekless.errors import ConvertError, OptionError, SourceError
from seekless.store.verify import verify


def no_space(folder, wanted, what):
    raise ConvertError(f"found no room for {what}")


class TestGrowth:
    @pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"shard_bytes": 400}], ids=str)
    def test_new_files_become_a_shard_and_nothing_is_written_again(self, data, store, options):
        first(data(0, 50), store, **options)
        inode, before = store.stat().st_ino, files(store)
        summary = append(data(50, 70), store)
        assert (summary.added, summary.samples) == (20, 70)
        holds(store, range(70))
        shards = seekless.open(store).shards
        if not options.get("shard_bytes"):
            assert len(shards) == 2
            assert shards[0].stat().st_ino == inode
            assert files(store)[shards[0].relative_to(store.parent).as_posix()] == before["data.h5"]
        else:
            kept = {name: content for name, content in before.items() if name != "data.h5"}
            assert kept.items() <= files(store).items()
        assert verify(store).bad == ()
        assert compare(seekless.open(store), data(70, 70)).equal

    def test_ten_times_in_a_row(self, data, store):
        first(data(0, 20), store, test_fraction=0.25)
        for turn in range(10):
            before = files(store)
            append(data(20 + 4 * turn, 24 + 4 * turn), store)
            if turn:
                assert {n: c for n, c in before.items() if n != "data.h5"}.items() <= files(store).items()
        holds(store, range(60))
        opened = seekless.open(store)
        assert opened.header.portions == (20, *range(24, 61, 4))
        assert len(opened.ranges("test")) == 11
        assert sum(stop - start for start, stop in opened.ranges("test")) == 15
        seen = [y for x, y in seekless.batches(opened, 7, split="train")]
        assert len(np.concatenate(seen)) == 45

    def test_the_parts_of_a_store_are_those_of_its_portions(self, data, store):
        first(data(0, 40), store, test_fraction=0.1)
        append(data(40, 60), store)
        append(data(60, 63), store)
        opened = seekless.open(store)
        assert opened.header.boundaries == (36, 40, 58, 60, 63, 63)  # of three samples none is for the test
        assert opened.ranges("train") == ((0, 36), (40, 58), (60, 63))
        assert opened.ranges("test") == ((36, 40), (58, 60))
        assert opened.ranges((0.0, 0.5)) == ((0, 20), (40, 50), (60, 62))
        assert [opened.ranges(split) for split in opened.split(0.5, 0.5)] == [
            ((0, 20), (40, 50), (60, 62)),
            ((20, 40), (50, 60), (62, 63)),
        ]
        assert opened.ranges((0.0, 1.0)) == opened.ranges(None) == ((0, 63),)
        assert opened.ranges(((0, 5), (5, 7), (9, 9), (10, 12))) == ((0, 7), (10, 12))
        with pytest.raises(
            OptionError, match=r"split='train': found 3 ranges of samples in .*data\.h5, which has grown"
        ):
            opened.part("train")
        with pytest.raises(OptionError, match=r"expected ascending .start, stop. pairs of samples from 0 to 63"):
            opened.ranges(((10, 12), (0, 5)))

    def test_new_classes_get_the_next_numbers(self, data, store):
        first(data(0, 10), store)
        append(data(10, 16, ("cat", "ant", "bee")), store)
        assert seekless.open(store).class_names == ("cat", "dog", "ant", "bee")
        append(data(16, 18, ("zebra", "aardvark")), store)
        opened = seekless.open(store)
        assert opened.class_names == ("cat", "dog", "ant", "bee", "aardvark", "zebra")
        label = dict(zip(opened.keys, opened["y"].tolist(), strict=True))
        assert [label[f"train/{n:03d}.csv"] for n in (0, 1, 10, 11, 16, 17)] == [0, 1, 2, 3, 5, 4]
        assert compare(opened, data(0, 0)).equal

    def test_classes_that_are_numbers_grow(self, data, store):
        first(data(0, 10, ("0", "3")), store)
        append(data(10, 12, ("7", "1")), store)
        assert seekless.open(store).header.class_count == 8
        with pytest.raises(SourceError, match=r"found classes cat, expected those of .*data.h5: 0 to 7, or more"):
            append(data(12, 13, ("cat",)), store)

    def test_numbers_stay_numbers_where_new_ones_are_whole(self, data, store):
        first(data(0, 10, ("0.5", "1.5")), store)
        append(data(10, 12, ("7", "1")), store)
        assert seekless.open(store)["y"][10:].tolist() in ([7, 1], [1, 7])

    def test_one_folder_of_a_class_alone_is_added(self, tmp_path, store):
        for name in ("a/0", "a/1", "b/0", "b/1"):
            (tmp_path / f"pictures/{name[0]}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), 7, np.uint8)).save(tmp_path / f"pictures/{name}.png")
        first(tmp_path / "pictures", store)
        shutil.rmtree(tmp_path / "pictures/a")
        (tmp_path / "pictures/b/0.png").rename(tmp_path / "pictures/b/a longer name.png")
        assert append(tmp_path / "pictures", store).added == 1
        assert seekless.open(store).keys[4:] == ["b/a longer name.png"]
        assert seekless.open(store)["y"][4] == 1

    def test_samples_whose_files_are_gone_stay(self, data, store):
        source = data(0, 10)
        first(source, store)
        for file in (source / "train").iterdir():
            file.unlink()
        append(data(10, 13), store)  # the lines of target.csv that name them are no fault
        holds(store, range(13))

    def test_rows_of_tables_are_added(self, tmp_path, store):
        table = tmp_path / "t.csv"
        table.write_text("label,a,b\n" + "".join(f"{'cat' if n % 2 else 'dog'},{n},1\n" for n in range(20)))
        first(table, store, rows=True, target_columns=("label",))
        with open(table, "a") as file:
            file.write("".join(f"bird,{n},1\n" for n in range(20, 25)))
        assert append(table, store).added == 5
        opened = seekless.open(store)
        values = {
            key: (x[0], opened.class_names[y])
            for key, (x, y) in zip(opened.keys, map(opened.__getitem__, range(25)), strict=True)
        }
        assert values["t.csv#24"] == (24, "bird")
        assert values["t.csv#3"] == (3, "cat")
        assert compare(opened, table).equal
        assert append(table, store).added == 0

    def test_keys_may_become_longer(self, data, store):
        source = data(0, 10)
        first(source, store)
        for length in (4, 9):
            key = "x" * length
            np.savetxt(source / f"train/{key}.csv", value(1))
            with open(source / "target.csv", "a") as targets:
                targets.write(f"{key},cat\n")
            append(source, store)
        opened = seekless.open(store)
        assert opened.keys[10:] == ["train/xxxx.csv", "train/xxxxxxxxx.csv"]
        with h5py.File(store) as file:
            assert [key.decode() for key in file["key"][...].tolist()] == opened.keys
        assert [key.decode() for key in opened.reader("key").read([(2, 4), (9, 12)]).tolist()] == [
            opened.keys[n] for n in (2, 3, 9, 10, 11)
        ]

    def test_a_small_store_grows_large_in_blocks_of_its_new_size(self, data, store):
        first(data(0, 3), store, compression="zstd")
        append(data(3, 300), store)
        opened = seekless.open(store)
        assert np.diff(opened.tables["x"].first).max() == 5  # of 300 samples, 64 blocks
        holds(store, range(300))

    def test_an_appended_store_is_opened_where_it_is_moved_to(self, data, store, tmp_path):
        first(data(0, 10), store)
        append(data(10, 15), store)
        (tmp_path / "there").mkdir()
        for name in ("data.h5", "data-shards"):
            (tmp_path / name).rename(tmp_path / "there" / name)
        holds(tmp_path / "there/data.h5", range(15))

    def test_through_a_symbolic_link_the_store_itself_grows(self, data, store, tmp_path):
        first(data(0, 10), store)
        (tmp_path / "links").mkdir()
        (tmp_path / "links/a.h5").symlink_to(store)
        append(data(10, 15), tmp_path / "links/a.h5")
        holds(store, range(15))
        holds(tmp_path / "links/a.h5", range(15))
        assert os.listdir(tmp_path / "links") == ["a.h5"]

    def test_without_hard_links_the_first_part_is_a_copy(self, data, store, monkeypatch):
        first(data(0, 10), store)

        def refuse(*args):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(append_module.os, "link", refuse)
        append(data(10, 15), store)
        holds(store, range(15))
        assert seekless.open(store).shards[0].stat().st_nlink == 1

    def test_where_neither_a_link_nor_a_copy_can_be_made_it_says_so(self, data, store, monkeypatch):
        first(data(0, 10), store)
        before = files(store)

        def refuse(*args):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(append_module.os, "link", refuse)
        monkeypatch.setattr(append_module, "check_space", no_space)
        with pytest.raises(ConvertError, match=r"a copy of data.h5, of which this disk makes no link"):
            append(data(10, 15), store)
        assert files(store) == before

    @settings(deadline=None, max_examples=15)
    @given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 3))
    def test_whatever_is_added_when_every_sample_comes_once_an_epoch(self, tmp_path_factory, counts, seed):
        folder = tmp_path_factory.mktemp("grown")
        x = np.arange(100 * 4).reshape(100, 2, 2)
        (folder / "data").mkdir()
        (folder / "data/target.csv").write_text("".join(f"{n},{n % 3}\n" for n in range(100)))
        ends = np.cumsum([12, *counts]).tolist()
        store = folder / "data.h5"
        done = 0
        for end in ends:
            for number in range(done, end):
                np.savetxt(folder / f"data/{number}.csv", x[number])
            (folder / "data/target.csv").write_text("".join(f"{n},{n % 3}\n" for n in range(end)))
            append(folder / "data", store, seed=seed, test_fraction=0.3)
            done = end
        opened = seekless.open(store)
        for split in ("train", "test", None):
            whole = [n for start, stop in opened.ranges(split) for n in range(start, stop)]
            for shuffle in ("window", "full", False):
                found = [b[0] for b in seekless.batches(opened, 5, split=split, shuffle=shuffle, window_bytes=40)]
                values = np.concatenate(found)[:, 0, 0] if found else []
                assert sorted(values) == sorted(opened["x"][whole][:, 0, 0])


class TestGroups:
    def test_new_groups_are_added_and_split_whole(self, data, store):
        first(data(0, 60), store, group_by="/(..)", test_fraction=0.3)
        append(data(60, 120), store)
        opened = seekless.open(store)
        train, test = (
            {opened.keys[n][6:8] for a, b in opened.ranges(name) for n in range(a, b)} for name in ("train", "test")
        )
        assert train
        assert test
        assert not train & test
        assert len(opened.ranges("test")) == 2
        halves = [
            {opened.keys[n][6:8] for a, b in opened.ranges(s) for n in range(a, b)} for s in opened.split(0.5, 0.5)
        ]
        assert not halves[0] & halves[1]

    def test_one_new_group_is_a_part(self, data, store):
        first(data(0, 60), store, group_by="/(..)")
        assert append(data(60, 63), store).added == 3
        assert seekless.open(store).header.parts[-1] == 63

    def test_new_samples_of_old_groups_are_refused(self, data, store):
        first(data(0, 55), store, group_by="/(..)")
        with pytest.raises(
            SourceError, match=r"--group-by /.*: found new samples of the group 05, of which .*data.h5 has"
        ):
            append(data(55, 63), store)

    def test_shuffled_again_groups_stay_whole(self, data, store):
        first(data(0, 60), store, group_by="/(..)", test_fraction=0.3)
        append(data(60, 120), store)
        mixed = store.with_name("mixed.h5")
        from seekless.convert.rewrite import shuffle

        shuffle(store, mixed, progress=False)
        old, new = seekless.open(store), seekless.open(mixed)
        for name in ("train", "test"):
            (start, stop), *more = new.ranges(name)
            assert not more
            assert {new.keys[n] for n in range(start, stop)} == {
                old.keys[n] for a, b in old.ranges(name) for n in range(a, b)
            }
        ends = (0, *new.header.parts)
        groups = [{key[6:8] for key in new.keys[a:b]} for a, b in itertools.pairwise(ends)]
        assert sum(map(len, groups)) == len(set().union(*groups)) == 12
