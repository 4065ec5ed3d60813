"""convert shuffle and merge: nothing is lost or mixed, the same bytes however little memory there is."""

import hashlib
import itertools

import numpy as np
import pytest

import seekless
from seekless.convert import rewrite
from seekless.convert.rewrite import merge, shuffle
from seekless.errors import OptionError, StoreError, StoreExistsError, StoreFormatError


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def samples(path):
    """Each sample's values and target, by key."""
    store = seekless.open(path)
    x, y = store[:]
    return {key: (value.tobytes(), target) for key, value, target in zip(store.keys, x, y.tolist(), strict=True)}


def parts(path):
    """The keys of the train part and of the test part."""
    store = seekless.open(path)
    return tuple({store.keys[index] for index in range(*store.part(name))} for name in ("train", "test"))


@pytest.fixture
def make(tmp_path):
    """Return a function that writes a store of numbered pictures, k / divisor, and gives its path."""

    def write(name, start=0, count=100, divisor=255, classes=("a", "b", "c"), **options):
        numbers = np.arange(start, start + count)
        x = (numbers[:, None] * 7 % 256 + np.zeros(6)) / divisor
        y = numbers % len(classes)
        seekless.write(tmp_path / name, x, y, key=numbers, class_names=classes, **options)
        return tmp_path / name

    return write


class TestShuffle:
    def test_a_new_order_of_the_same_samples(self, tmp_path, make):
        store = make("data.h5", test_fraction=0.3, scale=255, compression="zstd")
        shuffle(store, tmp_path / "out.h5", seed=5, compression="none")
        old, new = seekless.open(store), seekless.open(tmp_path / "out.h5")
        assert samples(store) == samples(new.path)
        assert parts(store) == parts(new.path)
        assert old.keys != new.keys
        assert new.header.fields["x"].encoding == old.header.fields["x"].encoding
        assert new.header.fields["x"].scale == 255
        assert (new.header.seed, new.header.boundaries, new.class_names) == (5, (70, 100), ("a", "b", "c"))
        assert dict(new.header.options) == {**old.header.options, "compression": "none"}

    def test_by_the_seed_it_was_made_with_a_store_stays_as_it_is(self, tmp_path, make):
        for fraction in (None, 0.25):
            store = make("data.h5", seed=8, test_fraction=fraction, overwrite=True)
            shuffle(store, tmp_path / "same.h5", seed=8, overwrite=True)
            assert sha(tmp_path / "same.h5") == sha(store)

    @pytest.mark.parametrize(("seed", "following"), [(0, 1), (-4, -3), (2**63 - 1, 0)])
    def test_without_a_seed_it_is_that_of_the_store_and_one(self, tmp_path, make, seed, following):
        store = make("data.h5", seed=seed)
        shuffle(store, tmp_path / "out.h5")
        assert seekless.open(tmp_path / "out.h5").header.seed == following

    def test_what_lay_in_the_sources_order_is_shuffled(self, tmp_path, make):
        store = make("data.h5", shuffle=False)
        shuffle(store, tmp_path / "out.h5")
        new = seekless.open(tmp_path / "out.h5")
        assert new.header.shuffled
        assert new.keys != seekless.open(store).keys
        assert samples(store) == samples(new.path)

    def test_all_places_are_equally_likely_within_each_part(self, make):
        store = seekless.open(make("data.h5", count=8, shuffle=False, test_fraction=0.25))
        counts = np.zeros((8, 8))
        for seed in range(2000):
            counts[np.arange(8), rewrite._positions([store], store.keys, seed)[0]] += 1
        expected = np.zeros((8, 8))
        expected[:6, :6], expected[6:, 6:] = 2000 / 6, 2000 / 2
        assert counts[expected == 0].sum() == 0
        chi_square = ((counts - expected)[expected > 0] ** 2 / expected[expected > 0]).sum()
        assert chi_square < 53  # 25 + 1 degrees of freedom: more than this once in 700 times

    def test_from_one_kind_of_store_to_the_other_and_in_place(self, tmp_path, make):
        store = make("data.h5", shard_bytes=2000, block_bytes=300)
        shuffle(store, tmp_path / "data.npy.d", seed=1)
        assert samples(store) == samples(tmp_path / "data.npy.d")
        before = samples(store)
        shuffle(store, store, seed=1, overwrite=True)
        assert samples(store) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data.h5", "data.npy.d"]

    def test_a_store_without_targets(self, tmp_path):
        seekless.write(tmp_path / "data.h5", np.arange(50.0))
        shuffle(tmp_path / "data.h5", tmp_path / "out.h5")
        assert sorted(seekless.open(tmp_path / "out.h5")[:].tolist()) == list(range(50))

    def test_a_dtype_that_was_asked_for_stays(self, tmp_path):
        seekless.write(tmp_path / "data.h5", np.arange(50.0) + 0.1, dtype="float32", lossy=True)
        summary = shuffle(tmp_path / "data.h5", tmp_path / "out.h5")
        assert summary.encoding.dtype == np.float32
        assert "  dtype    float32 (as in the store)\n" in str(summary)

    def test_damage_is_an_error_and_leaves_nothing(self, tmp_path, make):
        store = make("data.h5", compression="none")
        table = seekless.open(store).tables["x"]
        with open(store, "r+b") as file:
            file.seek(int(table.offset[3]))
            file.write(b"\xff\xff\xff")
        with pytest.raises(StoreFormatError, match="block 3 of x is damaged"):
            shuffle(store, tmp_path / "out.h5")
        assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]

    def test_what_is_there_is_kept(self, tmp_path, make):
        store, other = make("data.h5"), make("other.h5", start=100)
        before = sha(other)
        with pytest.raises(StoreExistsError, match="found something there"):
            shuffle(store, other)
        assert sha(other) == before

    def test_options_that_have_no_meaning_here(self, tmp_path, make):
        with pytest.raises(OptionError, match="shuffle: found unknown options dtype, expected some of block_bytes"):
            shuffle(make("data.h5"), tmp_path / "out.h5", dtype="float16")


class TestMerge:
    def test_all_samples_of_all_stores(self, tmp_path, make):
        stores = [make("a.h5"), make("b.npy.d", 100, 50), make("c.h5", 150, 1)]
        summary = merge(stores, tmp_path / "out.h5", seed=3)
        assert samples(tmp_path / "out.h5") == {key: value for store in stores for key, value in samples(store).items()}
        new = seekless.open(tmp_path / "out.h5")
        assert (len(new), new.header.seed, new.header.shuffled, new.header.boundaries) == (151, 3, True, ())
        assert new.keys != sorted(new.keys)
        assert summary.bytes_in == sum(seekless.open(store).nbytes for store in stores)

    def test_the_order_of_the_stores_does_not_matter(self, tmp_path, make):
        stores = [make("a.h5"), make("b.h5", 100, 50)]
        merge(stores, tmp_path / "ab.h5")
        merge(stores[::-1], tmp_path / "ba.h5")
        assert sha(tmp_path / "ab.h5") == sha(tmp_path / "ba.h5")

    def test_it_is_the_store_of_all_samples(self, tmp_path, make):
        merge([make("a.h5", 0, 60), make("b.h5", 60, 90)], tmp_path / "out.h5", seed=2)
        make("whole.h5", 0, 150, seed=2)
        assert samples(tmp_path / "out.h5") == samples(tmp_path / "whole.h5")
        assert sha(tmp_path / "out.h5") == sha(tmp_path / "whole.h5")

    def test_train_and_test_stay_apart(self, tmp_path, make):
        one, other = make("a.h5", 0, 100, test_fraction=0.1), make("b.h5", 100, 50, test_fraction=0.4)
        merge([one, other], tmp_path / "out.h5")
        train, test = parts(tmp_path / "out.h5")
        assert seekless.open(tmp_path / "out.h5").header.boundaries == (120, 150)
        assert train == parts(one)[0] | parts(other)[0]
        assert test == parts(one)[1] | parts(other)[1]

    @pytest.mark.parametrize(
        ("divisors", "expected"),
        [
            ((255, 255), "uint8 / 255"),
            ((1, 1), "uint8"),
            ((1, 255), "float64"),
            ((2, 1), "float16"),
            ((3, 1), "float64"),
        ],
    )
    def test_the_smallest_encoding_that_holds_all(self, tmp_path, make, divisors, expected):
        stores = [make(f"{place}.h5", place * 100, divisor=divisor) for place, divisor in enumerate(divisors)]
        summary = merge(stores, tmp_path / "out.h5", memory=1 << 20)
        assert str(summary.encoding) == expected
        assert samples(tmp_path / "out.h5") == {**samples(stores[0]), **samples(stores[1])}

    def test_new_classes_get_the_next_numbers(self, tmp_path, make):
        stores = [make("a.h5", classes=("cat", "dog")), make("b.h5", 100, 9, classes=("ant", "dog", "elk"))]
        merge(stores, tmp_path / "out.h5")
        new = seekless.open(tmp_path / "out.h5")
        assert new.class_names == ("cat", "dog", "ant", "elk")
        assert new.header.class_count == 4
        name_of = {key: new.class_names[target] for key, (_, target) in samples(new.path).items()}
        assert name_of["100"] == "dog"
        assert name_of["101"] == "elk"
        assert name_of["102"] == "ant"
        assert name_of["1"] == "dog"

    def test_classes_without_names_and_numbers(self, tmp_path):
        for kind, y in (("class", np.arange(4)), ("number", np.arange(8.0).reshape(4, 2))):
            for place, name in enumerate(("a.h5", "b.h5")):
                given = y + place
                seekless.write(
                    tmp_path / name, np.ones((4, 2)) * place, given, key=np.arange(4) + 4 * place, overwrite=True
                )
            merge([tmp_path / "a.h5", tmp_path / "b.h5"], tmp_path / "out.h5", overwrite=True)
            new = seekless.open(tmp_path / "out.h5")
            assert (new.header.target_kind, new.header.class_count) == (kind, 5 if kind == "class" else 0)
            assert samples(new.path)["7"][1] == (y[3] + 1).tolist()

    def test_prefix_tells_equal_keys_apart(self, tmp_path, make):
        stores = [make("a.h5"), make("b.npy.d", divisor=1)]
        with pytest.raises(
            StoreError, match=r"found the key \d+ in .*a\.h5 and in .*b\.npy\.d, expected every key once; --prefix"
        ):
            merge(stores, tmp_path / "out.h5")
        assert not (tmp_path / "out.h5").exists()
        merge(stores, tmp_path / "out.h5", prefix=True)
        found = samples(tmp_path / "out.h5")
        assert len(found) == 200
        assert found["a/7"] == samples(stores[0])["7"]
        assert found["b/7"] == samples(stores[1])["7"]

    def test_options_that_all_share_are_kept(self, tmp_path, make):
        merge(
            [make("a.h5", test_fraction=0.5), make("b.h5", 100, test_fraction=0.1)], tmp_path / "out.h5", block_bytes=96
        )
        options = seekless.open(tmp_path / "out.h5").header.options
        assert options == {
            "dtype": "auto",
            "lossy": False,
            "compression": "auto",
            "block_bytes": 96,
            "shard_bytes": None,
        }

    def test_fewer_than_two(self, tmp_path, make):
        with pytest.raises(OptionError, match="merge: found 1 stores to join, expected two or more"):
            merge([make("a.h5")], tmp_path / "out.h5")


@pytest.mark.parametrize("shards", [None, 3 << 20])
def test_the_same_bytes_past_memory_and_blocks_are_read_in_order(tmp_path, monkeypatch, shards):
    x = np.random.default_rng(0).integers(0, 256, (4000, 40, 40), np.uint8)  # 6.4 MB
    for place, name in enumerate(("a.h5", "b.h5")):
        keys = [f"{place}-{number}" for number in range(2000)]
        part = slice(2000 * place, 2000 * place + 2000)
        seekless.write(tmp_path / name, x[part], np.arange(2000), key=keys, test_fraction=0.2, shard_bytes=shards)
    stores = [tmp_path / "a.h5", tmp_path / "b.h5"]
    merge(stores, tmp_path / "large.h5")
    starts = []

    def watched(table):
        for start, stored in whole(table):
            starts.append(start)
            yield start, stored

    whole = rewrite.pieces
    monkeypatch.setattr(rewrite, "pieces", watched)
    merge(stores, tmp_path / "small.h5", memory=1 << 20)
    assert sha(tmp_path / "large.h5") == sha(tmp_path / "small.h5")
    assert starts.count(0) == 2
    assert all(b > a or b == 0 for a, b in itertools.pairwise(starts))
    shuffle(tmp_path / "large.h5", tmp_path / "small.h5", seed=0, memory=1 << 20, overwrite=True)
    assert samples(tmp_path / "small.h5") == samples(tmp_path / "large.h5")


class TestGroups:
    @pytest.fixture
    def grouped(self, write_source, tmp_path):
        source = write_source({f"p{group:02d}_{n}": [[group, n]] for group in range(30) for n in range(1 + group % 5)})
        seekless.pack(source, tmp_path / "grouped.h5", group_by="p..", test_fraction=0.2, progress=False)
        return tmp_path / "grouped.h5"

    def test_a_shuffle_leaves_them_in_their_parts(self, grouped, tmp_path):
        shuffle(grouped, tmp_path / "again.h5", progress=False)
        one, other = seekless.open(grouped), seekless.open(tmp_path / "again.h5")
        assert one.header.parts == other.header.parts
        assert one.header.boundaries == other.header.boundaries
        assert one.keys != other.keys
        edges = (0, *one.header.parts)
        for start, stop in itertools.pairwise(edges):
            assert sorted(one.keys[start:stop]) == sorted(other.keys[start:stop])

    def test_they_are_not_joined(self, grouped, tmp_path):
        with pytest.raises(StoreError, match=r"grouped\.h5: found parts of whole groups \(--group-by\), expected none"):
            merge([grouped, grouped], tmp_path / "both.h5", prefix=True, progress=False)
