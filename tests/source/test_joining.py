"""Every sample gets the line that names it, whatever the order of the lines."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekless.errors import SourceError
from seekless.source.joining import lines_of_samples


@pytest.fixture
def join(tmp_path):
    """Return a function that joins keys to labels, and gives the label of each key, or None."""

    def join(keys, text, columns=()):
        (tmp_path / "target.csv").write_text(text, encoding="utf-8")
        found, lines = lines_of_samples(keys, tmp_path / "target.csv", columns)
        assert found.dtype == np.int64
        labels = [lines.labels[line] if line >= 0 else None for line in found.tolist()]
        return [label[0] if label is not None and len(label) == 1 else label for label in labels]

    return join


class TestJoin:
    @pytest.mark.parametrize(
        ("keys", "text", "labels"),
        [
            (["train/a.csv", "train/b.csv"], "train/b.csv,1\ntrain/a.csv,0\n", ["0", "1"]),
            (["train/a.csv", "train/b.csv"], "b.csv,1\na.csv,0\n", ["0", "1"]),
            (["train/a.csv", "train/b.csv"], "b,1\na,0\n", ["0", "1"]),
            (["train/00007.csv", "train/00010.csv"], "10,1\n7,0\n", ["0", "1"]),
            (["train/7.csv", "train/10.csv"], "00010,1\n00007,0\n", ["0", "1"]),
            (["x/1.csv", "y/1.csv"], "y/1.csv,1\nx/1.csv,0\n", ["0", "1"]),
            (["a.csv.gz", "b.CSV.GZ"], "b,1\na,0\n", ["0", "1"]),
            (["a.b.csv", "a.csv"], "a,1\na.b,0\n", ["0", "1"]),
            (["é 1.csv", "漢.csv"], "漢,1\né 1,0\n", ["0", "1"]),
            (["a.csv", "b.csv"], "id,label\nb,1\na,0\n", ["0", "1"]),
            (["a.csv", "b.csv"], "id,label\nb,dog\na,cat\n", ["cat", "dog"]),
            (["a.csv", "b.csv"], "b,dog\na,dog\n", ["dog", "dog"]),
            (["a.csv", "b.csv"], "a,1\n", ["1", None]),
            (["a.csv"], "a,1\nb,2\n", ["1"]),
            (["a.csv", "b.csv"], "a,1,2\nb,3,4\n", [("1", "2"), ("3", "4")]),
            (["x.csv", "sub/y.csv", "z.csv"], "y.csv,1\nx.csv,0\nz,2\n", ["0", "1", "2"]),
            (["x.csv", "sub/x.csv"], "x.csv,1\n", ["1", None]),
            (["x.csv", "sub/x.csv"], "x,0\nx.csv,1\n", ["1", "0"]),
        ],
        ids=[
            "paths",
            "names",
            "stems",
            "numbers",
            "numbers with zeros",
            "paths alone tell apart",
            "gz",
            "dots",
            "words of the world",
            "header",
            "header over words",
            "no header",
            "no label",
            "no file",
            "two columns",
            "each in its own form",
            "the path of one is not the name of another",
            "nor keeps it from its stem",
        ],
    )
    def test_by_name(self, join, keys, text, labels):
        assert join(keys, text) == labels

    @given(
        numbers=st.sets(st.integers(0, 99_999), min_size=1, max_size=30),
        form=st.sampled_from(["{key}", "{key}.csv", "train/{key}.csv", "{number}"]),
        random=st.randoms(use_true_random=False),
    )
    @settings(
        max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_never_by_the_order_of_the_lines(self, join, numbers, form, random):
        label_of = {number: str(number * 7 % 11) for number in numbers}
        lines = [f"{form.format(key=f'{number:05d}', number=number)},{label_of[number]}" for number in numbers]
        random.shuffle(lines)
        keys = [f"train/{number:05d}.csv" for number in sorted(numbers)]
        assert join(keys, "\n".join(lines)) == [label_of[number] for number in sorted(numbers)]

    def test_numbers_without_zeros_beside_as_many_digits_as_names_have(self, join):
        """10,001 files 00000.csv to 10000.csv and ids 0 to 10000: that 10000 fits as written misleads nobody."""
        assert join(["00000.csv", "00007.csv", "10000.csv"], "10000,2\n7,1\n0,0\n") == ["0", "1", "2"]

    def test_a_first_line_that_may_be_a_missing_file_is_no_header(self, tmp_path):
        path = tmp_path / "labels.csv"
        path.write_text("alice,red\nbob,blue\ncarl,blue\n")
        found, lines = lines_of_samples(["bob.csv", "carl.csv"], path, ())
        assert lines.ids == ["alice", "bob", "carl"]
        assert found.tolist() == [1, 2]

    def test_as_written_goes_before_the_same_number(self, join):
        assert join(["7.csv", "07.csv"], "07,1\n7,0\n") == ["0", "1"]

    @pytest.mark.parametrize(
        ("keys", "text", "message"),
        [
            (["a.csv", "b.csv"], "a,1\nb,2\na,1\n", r"found more than one line for a, expected one line a sample"),
            (["a.csv", "b.csv"], "a,1\nb,2\na,3\n", r"found more than one line for a \(1; 3\), expected one line"),
            (
                ["x/1.csv", "y/1.csv"],
                "1,0\n",
                r"line 1: found id '1', which fits x/1\.csv, y/1\.csv, expected one sample",
            ),
            (
                ["a.csv", "a.tsv"],
                "\na,0\n",
                r"line 2: found id 'a', which fits a\.csv, a\.tsv, expected one sample an id",
            ),
            (
                ["007.csv", "07.csv"],
                "7,0\n",
                r"line 1: found id '7', which fits 007\.csv, 07\.csv, expected one sample",
            ),
            (["7.csv"], "007,0\n0007,1\n", r"found two ids that are the number 7, expected ids as the files are named"),
            (
                ["00003.csv"],
                "3,0\n00003,1\n",
                r"line 1: found id '3' beside '00003', both for 00003\.csv, expected one line a sample",
            ),
            (["t/a.csv"], "a.csv,0\na,1\n", r"line 2: found id 'a' beside 'a\.csv', both for t/a\.csv, expected one"),
            (["a.csv"], "a,0\n../b,1\n", r"line 2: found '\.\./b', expected a name inside the source's folder"),
            (["a.csv"], "a,0\nx/../b,1\n", r"line 2: found 'x/\.\./b', expected a name inside"),
            (["a.csv"], "/etc/passwd,0\na,1\n", r"line 1: found '/etc/passwd', expected a name inside"),
            (["a.csv"], "", r"found no lines, expected 'name,label' for each sample"),
        ],
        ids=[
            "twice",
            "contradiction",
            "two folders",
            "two suffixes",
            "two numbers",
            "two ids of a number",
            "two ids, one as written",
            "two forms",
            "above",
            "in and above",
            "elsewhere",
            "empty",
        ],
    )
    def test_what_is_not_one_to_one(self, join, keys, text, message):
        with pytest.raises(SourceError, match=rf"target\.csv.*{message}"):
            join(keys, text)

    def test_a_chosen_column_has_a_header(self, join):
        assert join(["a.csv", "b.csv"], "id,x,y\nb,1,2\na,3,4\n", ("y",)) == ["4", "2"]

    def test_a_column_that_is_not_there(self, join):
        with pytest.raises(SourceError, match=r"found no column z in its first line, expected one of x, y"):
            join(["a.csv"], "id,x,y\na,3,4\n", ("z",))
