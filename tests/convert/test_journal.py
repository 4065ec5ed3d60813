"""A journal gives back what was written, up to the first line that is not whole, and never anything else."""

import errno
import json
import zlib
from itertools import pairwise

import numpy as np
import pytest

from seekless.convert.journal import KEYS, LABELS, NAME, Journal, Labels
from seekless.errors import ResumeError
from seekless.store.writer import PutBlock

FACTS = {"version": "1", "options": {}}
KEYS_OF_ALL = ["a.csv", "b/ü.csv", "c\udcff.csv"]
LINES = [
    ("saved", {"samples": 3}),
    ("codec", ["zstd", "it is smallest"]),
    ("file", [0, False]),
    ("block", [0, 0, 4096, 100, 7, True]),
    ("block", [0, 1, 8192, 90, 8, False]),
    ("file", [0, True]),
    ("block", [0, 0, 4096, 100, 7, True]),
    ("complete", 0),
    ("done", {"skipped": 0}),
]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data.h5.parts"


@pytest.fixture
def written(folder, same_open_files):
    journal = Journal(folder)
    journal.begin(FACTS, KEYS_OF_ALL)
    for kind, value in LINES:
        journal.write(kind, value)
    journal.close()
    return folder / NAME


def line(value) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b"%08x%s\n" % (zlib.crc32(text), text)


def test_what_was_written_comes_back(folder, written):
    past = Journal(folder).read()
    assert (past.begin, past.samples, past.blocks, past.codec) == (FACTS, 3, 1, ("zstd", "it is smallest"))
    assert past.files[0].older == [PutBlock(0, 4096, 100, 7, True), PutBlock(1, 8192, 90, 8, False)]
    assert past.files[0].blocks == [PutBlock(0, 4096, 100, 7, True)]
    assert past.files[0].complete
    assert (past.done, past.refused) == ({"skipped": 0}, False)
    assert Journal(folder).keys() == KEYS_OF_ALL


def test_nothing_is_written_before_it_is_begun(folder):
    journal = Journal(folder)
    journal.write("saved", {"samples": 3})
    journal.close()
    assert not journal.active
    assert not folder.exists()
    assert journal.read() is None
    assert journal.keys() == []


def test_a_run_that_saved_nothing_cannot_be_gone_on_with(folder):
    journal = Journal(folder)
    journal.begin(FACTS, [])
    journal.close()
    assert journal.read() is None


def test_cut_anywhere_it_is_what_was_written_before(folder, written):
    data = written.read_bytes()
    ends = [0] + [end + 1 for end in range(len(data)) if data[end] == ord("\n")]
    whole = [written.write_bytes(data[:end]) and Journal(folder).read() for end in ends]
    for number, (end, after) in enumerate(pairwise(ends)):
        for cut in (end + 1, (end + after) // 2, after - 1):
            written.write_bytes(data[:cut])
            assert Journal(folder).read() == (whole[number] or None)


def test_a_flipped_bit_ends_it(folder, written):
    data = written.read_bytes()
    ends = [0] + [end + 1 for end in range(len(data)) if data[end] == ord("\n")]
    for number, (begin, end) in enumerate(pairwise(ends)):
        written.write_bytes(data[:begin])
        before = Journal(folder).read()
        for at in (begin, begin + 9, end - 2):
            for bit in (1, 64):
                written.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
                assert Journal(folder).read() == before, (number, at)


def test_going_on_cuts_off_what_is_not_whole(folder, written, same_open_files):
    data = written.read_bytes()
    for rest in (b"", b"half a l", line({"saved": {"samples": 9}})[:-1], b"\0" * 100, b"0\n" + data):
        written.write_bytes(data + rest)
        journal = Journal(folder)
        assert journal.read().samples == 3
        journal.go_on()
        journal.write("saved", {"samples": 4})
        journal.close()
        assert written.read_bytes() == data + line({"saved": {"samples": 4}})
        assert journal.read().samples == 4


HOSTILE = {
    "no journal": b"hello\n" * 3,
    "empty": b"",
    "zeros": bytes(5000),
    "only a checksum": line(b""),
    "no object": line([1, 2]),
    "two in one": line({"begin": {}, "saved": {}}),
    "no saved facts": line({"begin": FACTS}) + line({"block": [0, 1]}),
    "a block of no file": line({"begin": FACTS}) + line({"block": [3, 0, 0, 0, 0, False]}) + line({"saved": {}}),
    "a block of too much": line({"begin": FACTS}) + line({"file": [0, False]}) + line({"block": [0] * 9}),
    "not UTF-8": line(b'{"begin": "\xff"}'),
    "deep": line(b"[" * 100),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_journal_is_nothing_to_go_on_with(folder, text):
    folder.mkdir()
    (folder / NAME).write_bytes(text)
    assert Journal(folder).read() is None


def test_lines_of_another_version_end_it(folder, written):
    with open(written, "ab") as file:
        file.write(line({"block": [0, 1, 2, 3, 4, True, "new", "fields"]}) + line({"saved": {"samples": 9}}))
    assert Journal(folder).read().samples == 3


def test_a_folder_in_its_place_is_no_journal(folder):
    (folder / NAME).mkdir(parents=True)
    assert Journal(folder).read() is None


def test_a_refused_run_that_was_gone_on_with_is_no_longer_refused(folder, written):
    journal = Journal(folder)
    journal.go_on()
    journal.write("refused", True)
    assert journal.read().refused
    journal.write("saved", {"samples": 5})
    journal.close()
    assert not journal.read().refused


def test_a_line_is_written_whole_or_the_error_is_heard(folder, written):
    """A disk that is almost full takes a part of what is written to it, and says so only the next time."""
    journal = Journal(folder)
    journal.go_on()

    class AlmostFull:
        def __init__(self, file):
            self.file, self.room = file, 10

        def write(self, data):
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            taken, self.room = self.file.write(data[: self.room]), 0
            return taken

        def close(self):
            self.file.close()

    journal._file = AlmostFull(journal._file)
    with pytest.raises(OSError, match="No space left"):
        journal.write("saved", {"samples": 8})
    journal.close()
    assert Journal(folder).read().samples == 3


class TestLabels:
    def test_they_come_back_up_to_what_was_saved(self, folder, written):
        journal = Journal(folder)
        first = journal.append_labels(np.array([3, 4]), np.array([0, 1]), Labels())
        second = journal.append_labels(np.array([9]), np.array([1]), first)
        assert [column.tolist() for column in journal.labels(first)] == [[3, 4], [0, 1]]
        assert [column.tolist() for column in journal.labels(second)] == [[3, 4, 9], [0, 1, 1]]
        assert [len(column) for column in journal.labels(Labels())] == [0, 0]

    def test_what_was_not_saved_is_overwritten(self, folder, written):
        journal = Journal(folder)
        first = journal.append_labels(np.array([3]), np.array([0]), Labels())
        journal.append_labels(np.array([7]), np.array([5]), first)
        second = journal.append_labels(np.array([8]), np.array([6]), first)
        assert [column.tolist() for column in journal.labels(second)] == [[3, 8], [0, 6]]

    @pytest.mark.parametrize("how", ["missing", "short", "zeros", "a bit"])
    def test_damaged_ones_are_refused(self, folder, written, how):
        journal = Journal(folder)
        saved = journal.append_labels(np.array([3, 4]), np.array([0, 1]), Labels())
        path = folder / LABELS
        data = path.read_bytes()
        if how == "missing":
            path.unlink()
        else:
            path.write_bytes({"short": data[:16], "zeros": bytes(32), "a bit": data[:-8] + b"\x00" + data[-7:]}[how])
        with pytest.raises(ResumeError, match=r"labels: found other bytes than .*; start over by --overwrite, without"):
            journal.labels(saved)


@pytest.mark.parametrize("text", [None, b"", b"no zlib"])
def test_damaged_keys_are_no_keys(folder, written, text):
    (folder / KEYS).unlink() if text is None else (folder / KEYS).write_bytes(text)
    assert Journal(folder).keys() == []
