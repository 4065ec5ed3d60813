"""Which samples are trained on and which are tested on."""

import itertools

import numpy as np
import pytest

import seekless
from seekless.errors import OptionError, SourceNotFoundError, StoreFormatError, StoreNotFoundError, TrainError
from seekless.train.data import open_data
from seekless.train.options import Options
from seekless.train.ranks import Ranks
from seekless.train.targets import Targets


def opened(options):
    """The parts that the options name."""
    return open_data(options).open_parts(False)


def numbers(part) -> list[int]:
    """Which samples of a numbered store a part holds, in its order."""
    return [int(number) for x, _ in part for number in x[:, 0, 0]]


@pytest.mark.parametrize(
    ("boundaries", "fraction", "edge"),
    [((), None, 117), ((), 0.25, 98), ((100, 130), None, 100), ((100, 130), 0.5, 65), ((60, 100, 130), None, 60)],
    ids=["a tenth", "told", "recorded", "told though recorded", "three recorded"],
)
def test_the_last_part_of_a_store_is_held_out(numbered, boundaries, fraction, edge):
    data = opened(Options(str(numbered(boundaries=boundaries)), batch_size=16, test_fraction=fraction))
    assert data.validation is None
    assert data.watched is data.test
    train, test = numbers(data.train), numbers(data.test)
    assert sorted(train) == list(range(edge))
    assert train != sorted(train)
    assert test == list(range(100 if len(boundaries) == 3 else edge, 130))
    assert not set(train) & set(test)
    assert (data.train.samples, data.test.samples) == (len(train), len(test))


def test_the_seed_draws_the_order_and_not_the_part(numbered):
    path = str(numbered())
    one, same, other = (opened(Options(path, seed=seed)) for seed in (1, 1, 2))
    first, again, another = (numbers(data.train) for data in (one, same, other))
    assert first == again
    assert first != another
    assert sorted(first) == sorted(another)
    assert numbers(one.test) == numbers(other.test)


def test_a_store_says_its_shape_classes_and_name(numbered):
    data = open_data(Options(str(numbered(name="digits.h5"))))
    assert (data.name, data.sample_shape, data.targets.class_count) == ("digits", (4, 4), 3)
    assert data.described["samples"] == 130


def test_loose_files_hold_out_what_their_store_holds_out(tiny_csv, tiny_store):
    store, files = open_data(Options(str(tiny_store))), open_data(Options(files=str(tiny_csv.root)))
    pairs = zip(
        *((parts.train, parts.test) for parts in (store.open_parts(False), files.open_parts(False))), strict=True
    )
    for one, other in pairs:
        of_store, of_files = ({image.tobytes() for x, _ in part for image in x} for part in (one, other))
        assert of_store == of_files
        assert len(of_store) == one.samples == other.samples
    assert (files.sample_shape, files.targets) == (store.sample_shape, store.targets)


def test_data_without_targets_is_told(make_store, tiny_csv):
    path = make_store(np.zeros((20, 4, 4), np.uint8))
    with pytest.raises(
        TrainError, match=r"data\.h5: found no targets, expected classes or numbers to learn; .*--labels"
    ):
        open_data(Options(str(path)))
    with pytest.raises(TrainError, match="data: found no targets, expected classes or numbers to learn"):
        open_data(Options(files=str(tiny_csv.root), labels="none"))


def test_numbers_are_targets_too(make_store, tiny_csv):
    path = make_store(np.zeros((20, 4, 4), np.uint8), np.linspace(0, 1, 40).reshape(20, 2), kind="number")
    data = open_data(Options(str(path)))
    assert (data.targets, data.targets.outputs) == (Targets("number", shape=(2,)), 2)
    (tiny_csv.root / "target.csv").write_text("".join(f"{number:05d},{number / 4}\n" for number in range(130)))
    assert open_data(Options(files=str(tiny_csv.root))).targets == Targets("number")


def test_loose_files_are_decoded_as_the_options_say(tiny_csv):
    plain = open_data(Options(files=str(tiny_csv.root)))
    assert open_data(Options(files=str(tiny_csv.root), target_type="number")).targets == Targets("number")
    columns = open_data(Options(files=str(tiny_csv.root), columns=(0, 1), skip_rows=1))
    assert columns.sample_shape == (plain.sample_shape[0] - 1, 2)
    assert open_data(Options(files=str(tiny_csv.root), shape=(4, 9))).sample_shape == (4, 9)
    assert open_data(Options(files=str(tiny_csv.root), scale=4)).highest == pytest.approx(plain.highest / 4)


@pytest.mark.parametrize("fraction", [None, 0.25], ids=["a tenth to test", "a quarter to test"])
def test_the_validation_part_is_the_last_of_the_train_part(numbered, tiny_csv, fraction):
    held = {"test_fraction": fraction, "validation_fraction": 0.2}
    edge = 117 if fraction is None else 98
    middle = edge - round(edge * 0.2)
    parts = opened(Options(str(numbered()), **held))
    assert sorted(numbers(parts.train)) == list(range(middle))
    assert numbers(parts.validation) == list(range(middle, edge))
    assert numbers(parts.test) == list(range(edge, 130))
    assert parts.watched is parts.validation
    files = opened(Options(files=str(tiny_csv.root), **held))
    assert [part.samples for part in (files.train, files.validation, files.test)] == [middle, edge - middle, 130 - edge]
    seen = [image.tobytes() for part in (files.train, files.validation, files.test) for x, _ in part for image in x]
    assert len(set(seen)) == 130


@pytest.mark.parametrize("shuffle", ["none", "window"])
def test_samples_are_mixed_unless_told(numbered, shuffle):
    train = numbers(opened(Options(str(numbered()), shuffle=shuffle)).train)
    assert (train == sorted(train)) == (shuffle == "none")


def test_loose_files_are_mixed_unless_told(tiny_csv):
    orders = {
        shuffle: [y.tolist() for _, y in opened(Options(files=str(tiny_csv.root), shuffle=shuffle)).train]
        for shuffle in (None, "full", "none")
    }
    assert orders[None] == orders["full"] != orders["none"]


def test_the_window_is_handed_on(numbered):
    parts = opened(Options(str(numbered()), window_bytes=1000, validation_fraction=0.1))
    assert {part._maker.options.window_bytes for part in (parts.train, parts.validation, parts.test)} == {1000}


def test_class_targets_come_as_rows_where_asked(numbered, tiny_csv):
    for options in (Options(str(numbered())), Options(files=str(tiny_csv.root))):
        data = open_data(options)
        parts = data.open_parts(True)
        for part in (parts.train, parts.test):
            assert part[0][1].shape[1:] == (data.targets.class_count,)


@pytest.mark.parametrize(
    ("count", "options", "blocks"),
    [(130, {}, (17, 0, 2)), (130, {"validation_fraction": 0.2}, (14, 3, 2)), (14, {"test_fraction": 0.99}, (1, 0, 1))],
    ids=["a tenth", "also to validate", "one is left to train on"],
)
def test_of_a_store_that_is_not_shuffled_whole_blocks_are_held_out(numbered, count, options, blocks):
    path = str(numbered(count, shuffled=False))
    parts = opened(Options(path, seed=3, **options))
    held = [[] if part is None else numbers(part) for part in (parts.train, parts.validation, parts.test)]
    of_blocks = [{number // 7 for number in part} for part in held]
    assert tuple(map(len, of_blocks)) == blocks
    assert sorted(number for part in held for number in part) == list(range(count))
    assert sum(map(len, of_blocks)) == -(-count // 7)
    assert held[2] == sorted(held[2])


def test_the_seed_draws_the_blocks_that_are_held_out(numbered):
    path = str(numbered(shuffled=False))
    tested = [
        numbers(opened(Options(path, seed=seed, epochs=epochs)).test) for seed, epochs in ((3, 5), (3, 9), (4, 5))
    ]
    assert tested[0] == tested[1] != tested[2]


def test_a_store_that_is_not_shuffled_is_pointed_out(numbered):
    def warning(count=130, fraction=None, **others) -> str:
        return open_data(Options(str(numbered(count, **others)), validation_fraction=fraction)).warning

    begin = "data.h5: its samples are not shuffled, so"
    assert f"{begin} of its 19 blocks 2 to test, drawn by --seed 0, are held out whole; " in warning(shuffled=False)
    assert "19 blocks 2 to test and 2 to validate, drawn" in warning(shuffled=False, fraction=0.1)
    for few in (warning(13, block=13, shuffled=False), warning(14, 0.5, shuffled=False)):
        assert f"{begin} the part held out may differ in kind from what is trained on" in few
    assert "may differ in kind" in warning(shuffled=False, boundaries=(100, 130))
    assert warning() == ""


def test_of_fewer_blocks_than_parts_the_end_is_held_out(numbered):
    assert numbers(opened(Options(str(numbered(20, block=20, shuffled=False)))).test) == [18, 19]
    recorded = numbered(shuffled=False, boundaries=(100, 130), name="recorded.h5")
    assert numbers(opened(Options(str(recorded))).test) == list(range(100, 130))


def test_what_is_told_counts_though_parts_are_recorded(numbered):
    path = str(numbered(shuffled=False, boundaries=(100, 130)))
    test = numbers(opened(Options(path, test_fraction=0.5)).test)
    assert 60 <= len(test) <= 70
    assert test != list(range(130 - len(test), 130))


def test_the_checksum_of_files_tells_their_names_and_targets_apart(tiny_csv):
    def found():
        return open_data(Options(files=str(tiny_csv.root))).described["checksum"]

    first = found()
    assert found() == first
    labels = tiny_csv.root / "target.csv"
    text = labels.read_text()
    name, label = text.splitlines()[0].split(",")
    labels.write_text(text.replace(f"{name},{label}", f"{name},{(int(label) + 1) % 10}", 1))
    assert found() != first


def test_the_checksum_of_a_store_tells_stores_apart(numbered):
    one, same = (open_data(Options(str(numbered(name=name)))).described["checksum"] for name in ("a.h5", "b.h5"))
    others = [numbered(131), numbered(boundaries=(100, 130)), numbered(shuffled=False, name="c.h5")]
    assert one == same
    found = [open_data(Options(str(path))).described["checksum"] for path in others]
    assert len({one, *found}) == 3  # the second has taken the place of the first


@pytest.mark.parametrize(
    ("count", "options", "found"),
    [
        (1, {}, "1 samples, 1 to train, 0 to test"),
        (3, {"test_fraction": 0.99}, "3 samples, 0 to train, 3 to test"),
        (9, {"validation_fraction": 0.01}, "9 samples, 8 to train, 1 to test, 0 to validate"),
    ],
    ids=["nothing to test on", "nothing to train on", "nothing to validate on"],
)
def test_a_part_without_samples_is_told(numbered, count, options, found):
    with pytest.raises(TrainError, match=rf"data\.h5: found {found}; expected at least one each"):
        open_data(Options(str(numbered(count)), **options))


def test_what_is_not_there_or_no_store_is_told(tmp_path):
    (tmp_path / "text.h5").write_text("not a store")
    with pytest.raises(StoreNotFoundError, match=r"nowhere\.h5: found no such file"):
        open_data(Options(str(tmp_path / "nowhere.h5")))
    with pytest.raises(StoreFormatError, match=r"text\.h5: found no HDF5 file"):
        open_data(Options(str(tmp_path / "text.h5")))
    with pytest.raises(SourceNotFoundError, match="nowhere: found no such"):
        open_data(Options(files=str(tmp_path / "nowhere")))


@pytest.mark.parametrize(("highest", "advice"), [(1, ""), (30, ""), (255, "--scale 255"), (1000, "--scale 1000")])
def test_large_values_are_pointed_out(tmp_path, highest, advice):
    rows = [f"{i % 2},{highest if i % 2 else 0},0.5" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["label,a,b", *rows]) + "\n")
    seekless.pack(tmp_path / "t.csv", tmp_path / "t.h5", rows=True, target_columns=("label",), progress=False)
    hint = open_data(Options(store=str(tmp_path / "t.h5"), batch_size=4)).hint()
    assert hint.endswith(advice)
    assert bool(hint) == bool(advice)


def grow(tmp_path, *ends, **options) -> seekless.Store:
    """Make a store of samples that are their numbers, which has grown to each of the ends."""
    (tmp_path / "data").mkdir(exist_ok=True)
    for first, last in itertools.pairwise((0, *ends)):
        for number in range(first, last):
            np.savetxt(tmp_path / f"data/{number:05}.csv", [[number]])
        (tmp_path / "data/target.csv").write_text("".join(f"{n:05},{n % 2}\n" for n in range(last)))
        seekless.pack(tmp_path / "data", tmp_path / "data.h5", append=True, workers=0, progress=False, **options)
    return seekless.open(tmp_path / "data.h5")


def test_a_store_that_has_grown_is_split_in_each_of_its_portions(tmp_path):
    store = grow(tmp_path, 100, 140)

    def portions(sequence) -> list[int]:
        found = np.concatenate([np.asarray(x).reshape(-1) for x, _ in sequence])
        return np.bincount((found >= 100).astype(int)).tolist()

    data = open_data(Options(store=str(store.path), validation_fraction=0.25))
    parts = data.open_parts(False)
    assert [portions(part) for part in (parts.train, parts.validation, parts.test)] == [[68, 27], [22, 9], [10, 4]]
    trained = np.concatenate([store["y"][start:stop] for start, stop in ((0, 68), (100, 127))])
    weights = {label: 95 / (2 * count) for label, count in enumerate(np.bincount(trained).tolist())}
    assert parts.train.class_weights() == pytest.approx(weights)
    data = open_data(Options(store=str(store.path), test_fraction=0.5))
    assert [portions(part) for part in (data.open_parts(False).train, data.open_parts(False).test)] == [[50, 20]] * 2


def test_of_each_portion_that_is_not_shuffled_blocks_are_held_out_for_good(tmp_path):
    def tested(*ends) -> list[int]:
        store = grow(tmp_path, *ends, shuffle=False)
        parts = opened(Options(store=str(store.path), test_fraction=0.25))
        train, test = ([int(x) for batch, _ in part for x in batch.reshape(-1)] for part in (parts.train, parts.test))
        assert sorted(train + test) == list(range(ends[-1]))
        return test

    before = tested(100)
    after = tested(100, 140, 141)
    assert len(before) == 24  # in blocks of two
    assert [number for number in after if number < 100] == before
    assert len(after) == 24 + 9  # in blocks of three, and none of the one sample that came last


def test_of_several_inputs_the_same_blocks_are_held_out(tmp_path):
    n = np.arange(128)
    seekless.write(tmp_path / "data.h5", x={"a": n, "b": np.stack([n, n], 1)}, y=n % 2, shuffle=False, progress=False)
    parts = opened(Options(store=str(tmp_path / "data.h5")))
    seen = {name: np.concatenate([x[name].reshape(len(x[name]), -1)[:, 0] for x, _ in parts.test]) for name in "ab"}
    assert seen["a"].tolist() == seen["b"].tolist()
    assert len(seen["a"]) == 12
    assert {number % 2 for number in seen["a"].tolist()} == {0, 1}


def test_loose_files_are_for_one_process(tiny_csv):
    data = open_data(Options(files=str(tiny_csv.root)))
    with pytest.raises(
        OptionError, match="--files: found 2 processes that train together, expected one; use a --store"
    ):
        data.open_parts(False, Ranks(0, 2))


def test_ranks_share_the_parts(numbered):
    data = open_data(Options(str(numbered()), batch_size=16))
    first, second = (data.open_parts(False, Ranks(rank, 2)) for rank in range(2))
    for name, samples in (("train", 117), ("test", 13)):
        one, other = (numbers(getattr(parts, name)) for parts in (first, second))
        assert len(set(one) | set(other)) == len(one) + len(other) == samples
    assert first.samples == second.samples == 117
    assert numbers(second.whole_test) == list(range(117, 130))
