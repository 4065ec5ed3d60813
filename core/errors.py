"""Every exception seekless raises.

    SeeklessError                     exit code 1
    ├── OptionError (ValueError)      a bad value of an argument or option; exit code 2
    ├── MissingExtraError (ImportError)   an optional dependency is not installed
    ├── SourceError (ValueError)      the small files: missing, unreadable, not what was expected
    │   ├── DecodeError               one file's contents
    │   └── SourceNotFoundError (FileNotFoundError)
    ├── StoreError                    the packed store
    │   ├── StoreFormatError (ValueError)     not a store, or a damaged one
    │   ├── StoreExistsError (FileExistsError)
    │   └── StoreNotFoundError (FileNotFoundError)
    ├── ConvertError (RuntimeError)   a conversion that could not go on
    │   ├── BusyError                 another one is writing the store
    │   └── ResumeError               the work of a stopped one is there, and cannot be gone on with in this way
    ├── LoaderError (RuntimeError)    reading batches failed
    └── TrainError (RuntimeError)     a training that could not start or go on

A message says which file or option, what was found, what was expected and what to do.
"""

__all__ = [
    "BusyError",
    "ConvertError",
    "DecodeError",
    "LoaderError",
    "MissingExtraError",
    "OptionError",
    "ResumeError",
    "SeeklessError",
    "SourceError",
    "SourceNotFoundError",
    "StoreError",
    "StoreExistsError",
    "StoreFormatError",
    "StoreNotFoundError",
    "TrainError",
]


class SeeklessError(Exception):
    """The parent of every error that seekless raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        # OSError and ImportError, second parents below, would format their arguments in ways of their own.
        return str(self.args[0]) if self.args else ""


class OptionError(SeeklessError, ValueError):
    """An argument or option has a value that cannot be used."""

    exit_code = 2


class MissingExtraError(SeeklessError, ImportError):
    """A dependency that only some users need is not installed; the message names the extra to install."""


class SourceError(SeeklessError, ValueError):
    """The small files are missing, unreadable or not what was expected."""


class DecodeError(SourceError):
    """The contents of one small file are not a sample.

    Attributes:
        found: What the file holds, in a few words.
        expected: What it should hold.
    """

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.found = found
        self.expected = expected

    def __reduce__(self) -> tuple[type["DecodeError"], tuple[str, str]]:
        return type(self), (self.found, self.expected)


class SourceNotFoundError(SourceError, FileNotFoundError):
    """A source folder or a file it needs does not exist."""

    def __new__(cls, *arguments: object) -> "SourceNotFoundError":
        """Make one: ValueError's, which tblib finds for an error from a Dask worker, would fail."""
        return FileNotFoundError.__new__(cls, *arguments)


class StoreError(SeeklessError):
    """A store cannot be read or written."""


class StoreFormatError(StoreError, ValueError):
    """A file is not a store, or a store is damaged."""


class StoreExistsError(StoreError, FileExistsError):
    """The store to be written already exists."""


class StoreNotFoundError(StoreError, FileNotFoundError):
    """There is no store at the given path."""


class ConvertError(SeeklessError, RuntimeError):
    """A conversion could not go on."""


class BusyError(ConvertError):
    """Another conversion is writing the store."""


class ResumeError(ConvertError):
    """The work of a stopped conversion is there, and it cannot be gone on with in this way; the message says how."""


class LoaderError(SeeklessError, RuntimeError):
    """Reading batches from a store failed."""


class TrainError(SeeklessError, RuntimeError):
    """A training could not start or go on."""
