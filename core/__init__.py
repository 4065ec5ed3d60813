"""Train Keras models on data that does not fit in memory, straight from a slow disk, at the speed of memory.

The public names live in rooms (`seekless.source`, `.store`, `.convert`, `.loader`, `.train`) and are handed on here
when first used, so `import seekless` costs nothing and needs neither h5py nor Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seekless.convert.arrays import write
    from seekless.convert.options import Summary
    from seekless.convert.run import pack
    from seekless.errors import (
        ConvertError,
        LoaderError,
        MissingExtraError,
        OptionError,
        SeeklessError,
        SourceError,
        StoreError,
        TrainError,
    )
    from seekless.loader.batches import batches
    from seekless.loader.files import FileSequence
    from seekless.loader.resume import SaveState, load_training, resume_fit
    from seekless.loader.sequence import StoreSequence
    from seekless.loader.state import State
    from seekless.progress import Progress
    from seekless.store.store import Store, open

_HOMES = {
    "ConvertError": "seekless.errors",
    "FileSequence": "seekless.loader.files",
    "LoaderError": "seekless.errors",
    "MissingExtraError": "seekless.errors",
    "OptionError": "seekless.errors",
    "Progress": "seekless.progress",
    "SaveState": "seekless.loader.resume",
    "SeeklessError": "seekless.errors",
    "SourceError": "seekless.errors",
    "State": "seekless.loader.state",
    "Store": "seekless.store.store",
    "StoreError": "seekless.errors",
    "StoreSequence": "seekless.loader.sequence",
    "Summary": "seekless.convert.options",
    "TrainError": "seekless.errors",
    "batches": "seekless.loader.batches",
    "load_training": "seekless.loader.resume",
    "open": "seekless.store.store",
    "pack": "seekless.convert.run",
    "resume_fit": "seekless.loader.resume",
    "write": "seekless.convert.arrays",
}

__all__ = [
    "ConvertError",
    "FileSequence",
    "LoaderError",
    "MissingExtraError",
    "OptionError",
    "Progress",
    "SaveState",
    "SeeklessError",
    "SourceError",
    "State",
    "Store",
    "StoreError",
    "StoreSequence",
    "Summary",
    "TrainError",
    "batches",
    "load_training",
    "open",
    "pack",
    "resume_fit",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("seekless")
    if name not in _HOMES:
        raise AttributeError(f"module 'seekless' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
