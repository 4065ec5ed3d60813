"""The targets, weights and keys that come as arrays: what is a class and what a number, and which names samples get."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.source.targets import MOST_CLASSES, Targets

__all__ = ["keys_from", "label_array", "targets_from", "weights_from"]

TARGET_TYPES = (None, "class", "number")


def label_array(values: Any, name: str) -> npt.NDArray[Any]:
    """Return targets, weights or keys as an array of text or of numbers.

    Args:
        values: Anything that `numpy.asarray` takes.
        name: What they are, for the message: "y", "sample_weight" or "key".

    Returns:
        <U, bool, integers or floats; (N,) or (N, ...).

    Raises:
        OptionError: They are something else.
    """
    if isinstance(values, Mapping):
        raise OptionError(
            f"{name}: found a mapping of {', '.join(map(str, values))}, expected one array: a store holds one target a "
            "sample; put several outputs side by side as columns, and take them apart by transform="
        )
    try:
        array = _decoded(np.asarray(values))
    except UnicodeDecodeError as error:
        raise OptionError(f"{name}: found bytes that are not UTF-8 ({error.reason}), expected text") from None
    except ValueError as error:
        raise OptionError(f"{name}: found rows of unlike lengths ({error}), expected one value a sample") from None
    if array.dtype.kind not in "biufU" or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        raise OptionError(
            f"{name}: found dtype {array.dtype}, expected integers, floats of up to 64 bits, or text; convert it first"
        )
    if array.ndim == 0:
        raise OptionError(f"{name}: found one value, expected one for each sample")
    return array


def _decoded(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return text as such, also where it comes as bytes, or in objects as pandas and h5py have it."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind == "O" and array.size:
        texts = [value.decode() if isinstance(value, bytes) else value for value in array.reshape(-1).tolist()]
        if all(isinstance(text, str) for text in texts):
            return np.array(texts).reshape(array.shape)
    return array


def targets_from(
    y: npt.NDArray[Any] | None, class_names: Sequence[str] | None = None, target_type: str | None = None
) -> Targets | None:
    """Tell what targets are: integers and text are classes, floats numbers, several values a sample numbers.

    Args:
        y: (N,), or (N, ...), as `label_array` gives it; (N, 1) is taken for (N,). None for a store without targets.
        class_names: The names of the classes 0, 1, ...; None for none, or for those in y, sorted.
        target_type: "class" or "number"; None to tell from the dtype.

    Raises:
        OptionError: A target is not what is expected.
    """
    if target_type not in TARGET_TYPES:
        raise OptionError(f"target_type: found {target_type!r}, expected class or number")
    names = None if class_names is None else _checked_names(class_names)
    if y is None:
        if names is not None or target_type is not None:
            raise OptionError("class_names, target_type: found without y, expected the targets as y")
        return None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if 0 in y.shape:
        raise OptionError(f"y: found shape {y.shape}, expected (samples,) or (samples, outputs)")
    if _are_numbers(y, target_type):
        if names is not None:
            raise OptionError("class_names: found for targets that are numbers, expected none; see target_type='class'")
        return _numbers(y)
    return _named_classes(y, names) if y.dtype.kind == "U" else _classes(y, names)


def _are_numbers(y: npt.NDArray[Any], target_type: str | None) -> bool:
    """Return whether targets are numbers rather than classes."""
    several = y.ndim > 1
    if several and target_type == "class":
        raise OptionError(f"y: found shape {y.shape} for classes, expected (samples,)")
    if y.dtype.kind == "U":
        if several or target_type == "number":
            raise OptionError(f"y: found text such as {str(y.reshape(-1)[0])!r}, expected numbers; float() makes them")
        return False
    return several or (target_type or ("number" if y.dtype.kind == "f" else "class")) == "number"


def keys_from(key: npt.NDArray[Any] | None, length: int) -> list[str]:
    """Return the keys of all samples.

    Args:
        key: (N,), as `label_array` gives it; None for numbers with leading zeros.
        length: Samples.

    Raises:
        OptionError: A key stands twice, is empty, or cannot be written as text.
    """
    if key is None:
        digits = len(str(length - 1))
        return [f"{number:0{digits}d}" for number in range(length)]
    if key.ndim != 1 or key.dtype.kind in "bf":
        raise OptionError(
            f"key: found {key.dtype} of shape {key.shape}, expected one text, or one whole number, a sample"
        )
    keys = [str(value) for value in key.tolist()]
    _check_texts(keys, "key")
    return keys


def _check_texts(texts: Sequence[str], name: str) -> None:
    seen: set[str] = set()
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text or "\0" in text or not _is_utf8(text):
            raise OptionError(f"{name}: found {text!r} as number {number}, expected text of one character or more")
        if text in seen:
            raise OptionError(f"{name}: found {text!r} twice, expected each once")
        seen.add(text)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked_names(class_names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(class_names, str) or not len(class_names):
        raise OptionError(f"class_names: found {class_names!r}, expected a list of names")
    names = tuple(str(name) if isinstance(name, np.str_) else name for name in class_names)
    _check_texts(names, "class_names")
    return names


def _named_classes(y: npt.NDArray[np.str_], names: tuple[str, ...] | None) -> Targets:
    found, which = np.unique(y, return_inverse=True)
    if names is None:
        names = tuple(found.tolist())
        _check_texts(names, "y")
    number_of = {name: number for number, name in enumerate(names)}
    unknown = [name for name in found.tolist() if name not in number_of]
    if unknown:
        raise OptionError(f"y: found the class {unknown[0]!r}, expected one of class_names")
    numbers = np.array([number_of[name] for name in found.tolist()], np.int64)
    return Targets(numbers[which.reshape(-1)], "class", len(names), names)


def _classes(y: npt.NDArray[Any], names: tuple[str, ...] | None) -> Targets:
    if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.rint(y)).all()):
        odd = y[~np.isfinite(y) | (y != np.rint(y))][0]
        raise OptionError(f"y: found {odd} for a class, expected whole numbers; see target_type")
    lowest, highest = y.min(), y.max()
    most = MOST_CLASSES if names is None else len(names)
    if lowest < 0 or highest >= most:
        wanted = "; target_type='number' takes whole numbers as numbers" if names is None else ", one of class_names"
        raise OptionError(
            f"y: found class {int(lowest if lowest < 0 else highest)}, expected classes from 0 to {most - 1}{wanted}"
        )
    return Targets(y.astype(np.int64), "class", int(highest) + 1 if names is None else len(names), names)


def _numbers(y: npt.NDArray[Any]) -> Targets:
    _check_finite(y, "y", "target")
    return Targets(np.ascontiguousarray(y, y.dtype.newbyteorder("<")), "number")


def weights_from(weights: npt.NDArray[Any] | None, y: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    """Return the weights of all samples.

    Args:
        weights: (N,), as `label_array` gives it; (N, 1) is taken for (N,). None for a store without weights.
        y: The targets, which a weight is nothing without.

    Returns:
        (N,), float32 if they came so, else float64.

    Raises:
        OptionError: A weight is no finite number, or there are no targets.
    """
    if weights is None:
        return None
    if y is None:
        raise OptionError("sample_weight: found without y, expected the targets whose loss it is to weigh as y")
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.ndim != 1 or weights.dtype.kind == "U":
        raise OptionError(
            f"sample_weight: found {weights.dtype} of shape {weights.shape}, expected one number a sample"
        )
    _check_finite(weights, "sample_weight", "weight")
    return weights.astype(np.float32 if weights.dtype.newbyteorder("=") == np.float32 else np.float64)


def _check_finite(values: npt.NDArray[Any], name: str, what: str) -> None:
    if not np.isfinite(values).all():
        raise OptionError(f"{name}: found a {what} that is not a finite number, expected finite numbers")
