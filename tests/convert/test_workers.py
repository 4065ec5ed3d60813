"""What a worker makes of a decoded run: groups by form, each in its smallest encoding; everything else untouched."""

import pickle
import signal

import numpy as np
import pytest

from seekless.convert import workers
from seekless.convert.narrow import candidates, proved
from seekless.convert.workers import begin, encode_run, work
from seekless.source.samples import BadSample, Decoded


def decoded(samples, indices=None, **more) -> Decoded:
    indices = list(range(len(samples))) if indices is None else indices
    return Decoded(indices, samples, stamps=[100 + index for index in indices], **more)


def test_samples_are_encoded_as_small_as_all_of_them_can_be():
    samples = [np.array([0.0, 1.0]), np.array([254 / 255, 0.0])]
    (group,) = encode_run(decoded(samples, [7, 3])).groups
    assert group.form == ((2,), "<f8")
    assert group.indices.tolist() == [7, 3]
    assert group.indices.dtype == np.int64
    assert group.stamps.tolist() == [107, 103]
    assert str(group.encoding) == "uint8 / 255"
    assert group.stored.tolist() == [[0, 255], [254, 0]]
    assert group.encoding.decode(group.stored).tobytes() == np.stack(samples).tobytes()
    assert group.proved == proved(np.stack(samples))
    assert group.encoding == candidates(np.dtype("f8"))[1 + 1]


def test_forms_are_kept_apart_the_most_first():
    two, three, single = np.zeros(2), np.zeros((3, 1)), np.zeros(2, "f4")
    result = encode_run(decoded([two, three, single, three + 0.1, three, single]))
    assert [(group.form, group.indices.tolist()) for group in result.groups] == [
        (((3, 1), "<f8"), [1, 3, 4]),
        (((2,), "<f4"), [2, 5]),
        (((2,), "<f8"), [0]),
    ]
    assert [str(group.encoding) for group in result.groups] == ["float64", "uint8", "uint8"]
    assert result.indices.tolist() == list(range(6))


def test_of_as_many_the_first_met_comes_first():
    result = encode_run(decoded([np.zeros(3), np.zeros(2)], [5, 1]))
    assert [group.indices.tolist() for group in result.groups] == [[5], [1]]


def test_what_is_bad_and_what_was_read_is_handed_on():
    bad = [BadSample("a.csv", "nothing", "numbers")]
    result = encode_run(decoded([np.zeros(1)], [4], bad=bad, bad_indices=[9], bytes_read=77))
    assert (result.bad, result.bad_indices, result.bytes_read) == (bad, [9], 77)


def test_a_run_of_bad_samples_alone():
    result = encode_run(decoded([], bad=[BadSample("a.csv", "nothing", "numbers")], bad_indices=[0]))
    assert result.groups == []
    assert result.indices.tolist() == []


@pytest.mark.parametrize("labels", [[], [("7",), ("cat",), ("7",)], [("7", "1.5"), ("3", "2")]], ids=str)
def test_labels_stay_text_each_spelling_once(labels):
    result = encode_run(decoded([np.zeros(1)] * len(labels), labels=labels))
    assert len(set(result.spellings)) == len(result.spellings)
    assert [result.spellings[number] for number in result.labels.tolist()] == labels


def test_a_result_comes_back_from_another_process():
    result = encode_run(decoded([np.arange(3.0)], [2], bytes_read=5))
    other = pickle.loads(pickle.dumps(result))
    assert other.groups[0].stored.tolist() == [[0, 1, 2]]
    assert (other.groups[0].encoding, other.bytes_read) == (result.groups[0].encoding, 5)


def test_a_worker_reads_by_the_reader_it_was_given_and_leaves_ctrl_c_to_the_parent(monkeypatch):
    class Reader:
        def read(self, run):
            return decoded([np.array(run)])

    monkeypatch.setattr(workers, "_reader", None, raising=False)
    monkeypatch.setattr(workers, "_dtype", None, raising=False)
    before = signal.getsignal(signal.SIGINT)
    try:
        begin(Reader(), None)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert work([1.0, 2.0]).groups[0].stored.tolist() == [[1, 2]]
