"""Arrays, whole or batch by batch, as parts of bounded size: checked, and never read all at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.array_targets import label_array
from seekless.errors import OptionError

__all__ = ["Arrays", "Batches", "given", "part_bytes"]

PART_BYTES = 8 << 20
NAMES = ("x", "y", "key")


def part_bytes(memory: int) -> int:
    """Return the bytes of a part: what is encoded at a time.

    Args:
        memory: Bytes that a conversion may take.
    """
    return min(PART_BYTES, memory // 8)


def given(x: Any, y: Any, key: Any) -> "Arrays | Batches":
    """Tell whether samples come whole or batch by batch.

    Args:
        x: What has a shape, or is a list or a tuple or a number, is an array; what can be iterated over gives batches.
        y: The targets of an array; batches hold their own.
        key: The keys, likewise.

    Raises:
        OptionError: The samples are neither, there are none, or not as many targets or keys as samples.
    """
    if hasattr(x, "shape") or isinstance(x, (list, tuple)):
        return Arrays(x, y, key)
    if isinstance(x, Iterable) and not isinstance(x, (str, bytes, Mapping)):
        if y is not None or key is not None:
            raise OptionError(
                "y, key: found beside batches, expected them in each batch: (x, y), or {x: ..., key: ...}"
            )
        return Batches(x)
    raise OptionError(f"x: found {type(x).__name__}, expected an array, or an iterator of batches")


class Arrays:
    """Samples in one array, which may lie on a disk (numpy.memmap, an h5py dataset): read slice by slice.

    Attributes:
        length: Samples.
        y: Their targets, as `label_array` gives them, or None.
        key: Their keys, likewise.

    Raises:
        OptionError: There are no samples, or not as many targets or keys.
    """

    def __init__(self, x: Any, y: Any, key: Any) -> None:
        self._x = x if hasattr(x, "shape") else _as_array(x, "x")
        if not self._x.shape:
            raise OptionError("x: found one value, expected an array with a sample in each row")
        self.length = int(self._x.shape[0])
        if not self.length:
            raise OptionError("x: found no samples, expected one at least")
        self.y = None if y is None else label_array(y, "y")
        self.key = None if key is None else label_array(key, "key")
        for name, what, array in (("y", "targets", self.y), ("key", "keys", self.key)):
            if array is not None and len(array) != self.length:
                raise OptionError(f"{name}: found {len(array)} {what} for {self.length} samples, expected one each")

    def parts(self, size: int) -> Iterator[npt.NDArray[Any]]:
        """Yield the samples in order, (n, *sample_shape), some `size` bytes at a time, one sample at least."""
        first = _numbers(self._x[:1], "x")
        step = max(1, size // max(1, first.nbytes))
        for start in range(0, self.length, step):
            yield _numbers(self._x[start : start + step], "x")


class Batches:
    """Samples that come batch by batch; their number is known at the end.

    Attributes:
        length: Samples so far.

    Args:
        batches: Of x alone, of (x, y), or of mappings with "x" and perhaps "y" and "key".
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches
        self.length = 0
        self._form: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        self._names: tuple[str, ...] = ()
        self._labels: dict[str, list[npt.NDArray[Any]]] = {"y": [], "key": []}

    def parts(self, size: int) -> Iterator[npt.NDArray[Any]]:
        """Yield the samples in order, (n, *sample_shape), some `size` bytes at a time; whole batches stay as they come.

        Raises:
            OptionError: A batch is no batch, is unlike the first, or there is none.
        """
        for number, batch in enumerate(self._batches):
            x = self._checked(batch, number)
            step = max(1, size // max(1, x[:1].nbytes))
            for start in range(0, len(x), step):
                yield x[start : start + step]
        if not self.length:
            raise OptionError("x: found no samples in all batches, expected one at least")

    @property
    def y(self) -> npt.NDArray[Any] | None:
        """The targets so far, if batches have them."""
        return self._joined("y")

    @property
    def key(self) -> npt.NDArray[Any] | None:
        """The keys so far, if batches have them."""
        return self._joined("key")

    def _checked(self, batch: Any, number: int) -> npt.NDArray[Any]:
        arrays = _by_name(batch, number)
        x = _numbers(arrays["x"], f"batch {number}")
        if self._form is None:
            self._form, self._names = (x.shape[1:], x.dtype), tuple(arrays)
        if (x.shape[1:], x.dtype) != self._form:
            shape, dtype = self._form
            raise OptionError(
                f"batch {number}: found samples of shape {x.shape[1:]} {x.dtype}, expected {shape} {dtype} as in "
                "batch 0"
            )
        if set(arrays) != set(self._names):
            raise OptionError(
                f"batch {number}: found {', '.join(arrays)}, expected {', '.join(self._names)} as in batch 0"
            )
        for name in self._names:
            if name != "x":
                self._labels[name].append(self._checked_labels(arrays[name], name, number, len(x)))
        self.length += len(x)
        return x

    def _checked_labels(self, values: Any, name: str, number: int, length: int) -> npt.NDArray[Any]:
        labels = label_array(values, f"batch {number}, {name}")
        if len(labels) != length:
            raise OptionError(f"batch {number}: found {len(labels)} in {name} for {length} samples, expected one each")
        first = self._labels[name][0] if self._labels[name] else labels
        if (labels.shape[1:], labels.dtype.kind) != (first.shape[1:], first.dtype.kind):
            raise OptionError(
                f"batch {number}: found {name} of shape {labels.shape[1:]} {labels.dtype}, expected {first.shape[1:]} "
                f"{first.dtype} as in batch 0"
            )
        return labels

    def _joined(self, name: str) -> npt.NDArray[Any] | None:
        return np.concatenate(self._labels[name]) if self._labels[name] else None


def _by_name(batch: Any, number: int) -> dict[str, Any]:
    if isinstance(batch, Mapping):
        arrays = dict(batch)
    elif isinstance(batch, tuple):
        arrays = dict(zip(NAMES, batch, strict=False)) if len(batch) <= 2 else {}
    else:
        arrays = {"x": batch}
    if "x" not in arrays or not set(arrays) <= set(NAMES):
        found = (
            f"a tuple of {len(batch)}" if isinstance(batch, tuple) else f"a mapping of {', '.join(map(str, arrays))}"
        )
        raise OptionError(
            f"batch {number}: found {found}, expected x, or (x, y), or a mapping with x and perhaps y and key"
        )
    return arrays


def _as_array(values: Any, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise OptionError(
            f"{name}: found rows of unlike shapes ({error}), expected samples of one shape; a list of batches is given "
            "as iter(batches)"
        ) from None


def _numbers(values: Any, name: str) -> npt.NDArray[Any]:
    """Return samples as a contiguous array of a dtype that stores hold."""
    array = _as_array(values, name)
    if array.ndim == 0:
        raise OptionError(f"{name}: found one value, expected an array with a sample in each row")
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise OptionError(
            f"{name}: found dtype {array.dtype}, expected bool, integers, or floats of up to 64 bits; convert it first"
        )
    if 0 in array.shape[1:]:
        raise OptionError(f"{name}: found samples of shape {array.shape[1:]}, expected one value or more in each")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
