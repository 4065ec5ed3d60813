"""Errors carry their words, and the builtin that fits."""

import pickle

import pytest

from seekless import errors

PAIRS = [
    (errors.OptionError, ValueError),
    (errors.MissingExtraError, ImportError),
    (errors.SourceError, ValueError),
    (errors.SourceNotFoundError, FileNotFoundError),
    (errors.StoreFormatError, ValueError),
    (errors.StoreExistsError, FileExistsError),
    (errors.StoreNotFoundError, FileNotFoundError),
    (errors.ConvertError, RuntimeError),
    (errors.BusyError, errors.ConvertError),
    (errors.ResumeError, errors.ConvertError),
    (errors.LoaderError, RuntimeError),
    (errors.TrainError, RuntimeError),
]


@pytest.mark.parametrize(("error", "builtin"), PAIRS, ids=lambda kind: kind.__name__)
def test_an_error_is_ours_and_the_builtin_and_keeps_its_text(error, builtin):
    raised = error("data.h5: found nothing")
    assert isinstance(raised, errors.SeeklessError)
    assert isinstance(raised, builtin)
    assert str(raised) == "data.h5: found nothing"
    assert str(pickle.loads(pickle.dumps(raised))) == str(raised)
    assert str(error.__new__(error, str(raised))) == str(raised)  # as tblib makes it, for Dask


def test_all_names_every_error():
    kinds = [n for n, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert sorted(kinds) == errors.__all__


def test_wrong_use_has_an_exit_code_of_its_own():
    assert errors.OptionError.exit_code == 2
    assert {kind.exit_code for kind, _ in PAIRS if kind is not errors.OptionError} == {1}


def test_a_decode_error_comes_back_from_another_process():
    error = pickle.loads(pickle.dumps(errors.DecodeError("an empty file", "rows of numbers")))
    assert (error.found, error.expected) == ("an empty file", "rows of numbers")
    assert str(error) == "found an empty file, expected rows of numbers"
