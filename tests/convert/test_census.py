"""The form that most samples have, the encoding that holds for all of them, and a list of all that are bad."""

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from seekless.convert.census import Census, refuse, write_list
from seekless.convert.workers import encode_run
from seekless.errors import SourceError
from seekless.source.samples import BadSample, Decoded


@dataclass
class Source:
    """As much of a source as a census asks for."""

    keys: list[str]
    root: Path = Path("data")

    def __len__(self) -> int:
        return len(self.keys)


def keys(count: int) -> list[str]:
    return [f"train/{number:05d}.csv" for number in range(count)]


def run(samples: dict[int, np.ndarray], bad: dict[int, str] | None = None, labels=(), bytes_read=0):
    """A run's result: samples by number, and the numbers of bad ones."""
    stamps = [0] * len(samples)
    decoded = Decoded(list(samples), list(samples.values()), list(labels), stamps=stamps, bytes_read=bytes_read)
    for index, found in (bad or {}).items():
        decoded.refuse(index, keys(index + 1)[index], found, "numbers")
    return encode_run(decoded)


def census(count: int, *runs) -> Census:
    made = Census(Source(keys(count)))
    for result in runs:
        made.add(result)
    return made


ONE, TWO, THREE = np.zeros(1), np.zeros(2), np.zeros(3)


def test_it_adds_up():
    made = census(9)
    assert made.add(run({0: TWO, 5: TWO}, bytes_read=10)) == 2
    assert made.add(run({1: TWO, 2: THREE}, {7: "text"}, bytes_read=5)) == 3
    assert made.add(run({}, {8: "text"})) == 1
    assert made.bytes_read == 15
    assert [sample.key for sample in made.bad] == ["train/00007.csv", "train/00008.csv"]


@pytest.mark.parametrize(
    ("runs", "clean"),
    [
        ([run({0: TWO})], True),
        ([run({0: TWO}), run({1: TWO})], True),
        ([], True),
        ([run({0: TWO, 1: THREE})], False),
        ([run({0: TWO}), run({1: THREE})], False),
        ([run({0: TWO}, {1: "text"})], False),
        ([run({}, {1: "text"})], False),
        ([run({0: TWO, 1: TWO.astype("f4")})], False),
    ],
    ids=["one", "two runs", "none", "two forms", "two runs, two forms", "a bad one", "only bad", "two dtypes"],
)
def test_clean_is_one_form_and_nothing_bad(runs, clean):
    assert census(2, *runs).clean == clean


@pytest.mark.parametrize(
    ("samples", "shape"),
    [
        ({0: TWO, 1: THREE, 2: THREE}, (3,)),
        ({0: THREE, 1: TWO, 2: TWO}, (2,)),
        ({0: TWO, 1: THREE}, (2,)),
        ({0: THREE, 1: TWO}, (3,)),
        ({1: THREE, 0: TWO}, (2,)),
        ({3: THREE, 2: TWO, 1: TWO, 0: THREE}, (3,)),
    ],
    ids=["most 3", "most 2", "tie 2", "tie 3", "tie, read backwards", "tie of two"],
)
def test_the_form_is_that_of_most_or_of_the_first_key(samples, shape):
    """In one run, and in any order of runs of one sample each."""
    assert census(4, run(samples)).form == (shape, "<f8")
    for order in itertools.permutations(samples):
        assert census(4, *(run({index: samples[index]}) for index in order)).form == (shape, "<f8")


def test_without_a_good_sample_there_is_no_form():
    made = census(1, run({}, {0: "text"}))
    with pytest.raises(SourceError, match=r"data: found no good sample, expected one at least"):
        _ = made.form


def test_the_encoding_holds_for_all_runs_in_any_order():
    runs = [run({0: np.array([1.0])}), run({1: np.array([254 / 255])}), run({2: np.array([300 / 65535])})]
    for order in itertools.permutations(runs):
        assert str(census(3, *order).encoding) == "uint16 / 65535"
    assert str(census(3, runs[0]).encoding) == "uint8"
    assert str(census(3, *runs, run({3: np.array([0.1])})).encoding) == "float64"


def test_the_encoding_is_that_of_the_chosen_form_alone():
    odd = run({0: np.array([0.1, 0.1, 0.1])})
    assert str(census(3, odd, run({1: ONE}), run({2: ONE})).encoding) == "uint8"


def test_kept_are_the_good_ones_of_the_chosen_form():
    made = census(6, run({5: TWO, 0: THREE}), run({1: TWO}, {2: "text"}), run({3: TWO}))
    assert made.kept.tolist() == [False, True, False, True, False, True]


def test_labels_are_kept_with_their_numbers():
    made = census(3, run({2: ONE}, labels=[("cat",)]), run({0: ONE, 1: ONE}, labels=[("dog",), ("cat",)]), run({}))
    spelled = [(numbers.tolist(), [made.spellings[code] for code in codes.tolist()]) for numbers, codes in made.labels]
    assert spelled == [([2], [("cat",)]), ([0, 1], [("dog",), ("cat",)])]
    assert sorted(made.spellings) == [("cat",), ("dog",)]
    assert census(1, run({0: ONE})).labels == []


class TestUnusable:
    def test_bad_and_odd_ones_by_key(self):
        made = census(9, run({0: TWO, 4: THREE}, {8: "text"}), run({1: TWO, 2: TWO.astype("f4")}, {3: "nothing"}))
        assert [str(sample) for sample in made.unusable()] == [
            "train/00002.csv: found shape 2 of float32, expected shape 2 of float64 as in 2 samples",
            "train/00003.csv: found nothing, expected numbers",
            "train/00004.csv: found shape 3, expected shape 2 as in 2 samples",
            "train/00008.csv: found text, expected numbers",
        ]

    @pytest.mark.parametrize(
        ("sample", "words"),
        [(np.array(1.0), "shape of one value"), (np.zeros((2, 3, 4)), "shape 2 x 3 x 4"), (np.zeros(7), "shape 7")],
    )
    def test_a_shape_in_words(self, sample, words):
        (bad,) = census(3, run({0: TWO, 1: TWO, 2: sample})).unusable()
        assert bad.found == words

    def test_none(self):
        assert census(2, run({0: TWO, 1: TWO})).unusable() == []


class TestRefuse:
    def bad(self, count):
        return [BadSample(key, 'a "thing", or two', "numbers") for key in keys(count)]

    def test_all_are_listed_in_a_file_and_the_first_in_the_message(self, tmp_path):
        with pytest.raises(SourceError) as refused:
            refuse(Path("data"), self.bad(1234), 5000, tmp_path / "e.csv")
        lines = str(refused.value).splitlines()
        assert lines[0] == "data: found 1,234 bad of 5,000 samples; no store was written"
        assert lines[1:21] == [f'  {key}: found a "thing", or two, expected numbers' for key in keys(20)]
        assert lines[21] == "  and 1,214 more"
        assert lines[22] == (
            f"  all are listed in {tmp_path / 'e.csv'}; mend or remove them, or leave them out by --on-error skip"
        )
        assert len(lines) == 23
        with open(tmp_path / "e.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert rows[0] == ["key", "found", "expected"]
        assert rows[1:] == [[key, 'a "thing", or two', "numbers"] for key in keys(1234)]

    @pytest.mark.parametrize(("count", "more"), [(1, 0), (20, 0), (21, 1)])
    def test_no_more_are_named_than_there_are(self, tmp_path, count, more):
        with pytest.raises(SourceError, match=f"found {count} bad of 30 samples") as refused:
            refuse(Path("data"), self.bad(count), 30, tmp_path / "e.csv")
        assert (f"and {more} more" in str(refused.value)) == bool(more)
        assert len(str(refused.value).splitlines()) == min(count, 20) + 2 + bool(more)

    def test_nothing_bad_nothing_written(self, tmp_path):
        refuse(Path("data"), [], 3, tmp_path / "e.csv")
        assert not (tmp_path / "e.csv").exists()


def test_a_list_holds_names_of_any_bytes(tmp_path):
    write_list(tmp_path / "list.csv", [BadSample("é\udcff.csv", "bytes", "text")])
    assert (tmp_path / "list.csv").read_bytes() == b"key,found,expected\r\n\xc3\xa9\xff.csv,bytes,text\r\n"
