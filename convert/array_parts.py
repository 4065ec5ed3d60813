"""Arrays, whole or batch by batch, as parts of bounded size: checked, and never read all at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.array_targets import label_array
from seekless.errors import OptionError
from seekless.store.inputs import INPUTS, LABELS, input_name, is_input

__all__ = ["Arrays", "Batches", "given", "part_bytes"]

PART_BYTES = 8 << 20
# What may stand in a batch. In a tuple, the first three in this order, as Keras has them.
NAMES = ("x", *LABELS)
IN_TUPLES = 3

Part = dict[str, npt.NDArray[Any]]


def part_bytes(memory: int) -> int:
    """Return the bytes of a part: what is encoded at a time.

    Args:
        memory: Bytes that a conversion may take.
    """
    return min(PART_BYTES, memory // 8)


def given(x: Any, y: Any, key: Any, sample_weight: Any = None) -> "Arrays | Batches":
    """Tell whether samples come whole or batch by batch.

    Args:
        x: What has a shape, or is a list or a tuple or a number, is an array; a mapping is several inputs, an array
            each; what can be iterated over gives batches.
        y: The targets of an array; batches hold their own.
        key: The keys, likewise.
        sample_weight: The weights, likewise.

    Raises:
        OptionError: The samples are neither, there are none, or not as many targets or keys as samples.
    """
    if hasattr(x, "shape") or isinstance(x, (list, tuple, Mapping)):
        return Arrays(x, y, key, sample_weight)
    if isinstance(x, Iterable) and not isinstance(x, (str, bytes)):
        if not (y is None and key is None and sample_weight is None):
            raise OptionError(
                "y, sample_weight, key: found beside batches, expected them in each batch: (x, y), (x, y, "
                "sample_weight), or {x: ..., key: ...}"
            )
        return Batches(x)
    raise OptionError(f"x: found {type(x).__name__}, expected an array, or an iterator of batches")


class Arrays:
    """Samples in one array, or in one for each input, which may lie on a disk (numpy.memmap, an h5py dataset).

    They are read slice by slice.

    Attributes:
        length: Samples.
        y: Their targets, as `label_array` gives them, or None.
        key: Their keys, likewise.
        sample_weight: Their weights, likewise.

    Raises:
        OptionError: There are no samples, or not as many targets, keys, weights, or samples in another input.
    """

    def __init__(self, x: Any, y: Any, key: Any, sample_weight: Any = None) -> None:
        self._x = {
            field: array if hasattr(array, "shape") else _as_array(array, field)
            for field, array in _inputs(x, "x").items()
        }
        for field, array in self._x.items():
            if not array.shape:
                raise OptionError(f"{field}: found one value, expected an array with a sample in each row")
        first, *others = self._x
        self.length = int(self._x[first].shape[0])
        if not self.length:
            raise OptionError(f"{first}: found no samples, expected one at least")
        for field in others:
            if self._x[field].shape[0] != self.length:
                found = self._x[field].shape[0]
                raise OptionError(f"{field}: found {found} samples, expected {self.length} as in {first}")
        self.y = None if y is None else label_array(y, "y")
        self.key = None if key is None else label_array(key, "key")
        self.sample_weight = None if sample_weight is None else label_array(sample_weight, "sample_weight")
        labels = (("y", "targets", self.y), ("key", "keys", self.key), ("sample_weight", "weights", self.sample_weight))
        for name, what, array in labels:
            if array is not None and len(array) != self.length:
                raise OptionError(f"{name}: found {len(array)} {what} for {self.length} samples, expected one each")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields: "x", or "x/NAME" of several inputs."""
        return tuple(self._x)

    def parts(self, size: int) -> Iterator[Part]:
        """Yield the samples in order, each input (n, *sample_shape), some `size` bytes at a time, one sample at least.

        Args:
            size: Bytes of all inputs together.
        """
        first = {field: _numbers(array[:1], field) for field, array in self._x.items()}
        step = _step(first, size)
        for start in range(0, self.length, step):
            yield {field: _numbers(array[start : start + step], field) for field, array in self._x.items()}


class Batches:
    """Samples that come batch by batch; their number is known at the end.

    Attributes:
        length: Samples so far.

    Args:
        batches: Of x alone, of (x, y), of (x, y, sample_weight), or of mappings with "x" and perhaps "y",
            "sample_weight" and "key"; x is an array, or a mapping of several inputs.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches
        self.length = 0
        self._forms: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self._names: tuple[str, ...] = ()
        self._labels: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in LABELS}

    def parts(self, size: int) -> Iterator[Part]:
        """Yield the samples in order, some `size` bytes at a time; whole batches stay as they come.

        Args:
            size: Bytes of all inputs together.

        Yields:
            (n, *sample_shape) of each input, by field.

        Raises:
            OptionError: A batch is no batch, is unlike the first, or there is none.
        """
        for number, batch in enumerate(self._batches):
            x = self._checked(batch, number)
            step = _step(x, size)
            for start in range(0, len(next(iter(x.values()))), step):
                yield {field: values[start : start + step] for field, values in x.items()}
        if not self.length:
            raise OptionError("x: found no samples in all batches, expected one at least")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields: "x", or "x/NAME" of several inputs; known from the first batch on."""
        return tuple(self._forms)

    @property
    def y(self) -> npt.NDArray[Any] | None:
        """The targets so far, if batches have them."""
        return self._joined("y")

    @property
    def key(self) -> npt.NDArray[Any] | None:
        """The keys so far, if batches have them."""
        return self._joined("key")

    @property
    def sample_weight(self) -> npt.NDArray[Any] | None:
        """The weights so far, if batches have them."""
        return self._joined("sample_weight")

    def _checked(self, batch: Any, number: int) -> Part:
        arrays = _by_name(batch, number)
        x = {field: _numbers(v, _where(number, field)) for field, v in _inputs(arrays["x"], f"batch {number}").items()}
        if not self._forms:
            self._forms = {field: (values.shape[1:], values.dtype) for field, values in x.items()}
            self._names = tuple(arrays)
        self._check_like_first(x, arrays, number)
        length = len(next(iter(x.values())))
        for field, values in x.items():
            if len(values) != length:
                raise OptionError(
                    f"{_where(number, field)}: found {len(values)} samples, expected {length} as in {next(iter(x))}"
                )
        for name in self._names:
            if name != "x":
                self._labels[name].append(self._checked_labels(arrays[name], name, number, length))
        self.length += length
        return x

    def _check_like_first(self, x: Part, arrays: Mapping[str, Any], number: int) -> None:
        if set(x) != set(self._forms):
            raise OptionError(f"batch {number}: found {', '.join(x)}, expected {', '.join(self._forms)} as in batch 0")
        for field, values in x.items():
            shape, dtype = self._forms[field]
            if (values.shape[1:], values.dtype) != (shape, dtype):
                raise OptionError(
                    f"{_where(number, field)}: found samples of shape {values.shape[1:]} {values.dtype}, expected "
                    f"{shape} {dtype} as in batch 0"
                )
        if set(arrays) != set(self._names):
            raise OptionError(
                f"batch {number}: found {', '.join(arrays)}, expected {', '.join(self._names)} as in batch 0"
            )

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


def _where(number: int, field: str) -> str:
    return f"batch {number}" + (f", {field}" if field != "x" else "")


def _step(x: Part, size: int) -> int:
    """Return how many samples take so many bytes, one at least."""
    return max(1, size // max(1, sum(values[:1].nbytes for values in x.values())))


def _inputs(x: Any, where: str) -> dict[str, Any]:
    """Return x by field: "x", or "x/NAME" for each of several inputs."""
    if not isinstance(x, Mapping):
        return {"x": x}
    inputs = {f"{INPUTS}{name}": array for name, array in x.items()}
    odd = [input_name(field) for field in inputs if not is_input(field)]
    if odd:
        raise OptionError(
            f"{where}: found an input named {odd[0]!r}, expected a name of ASCII letters, digits, '_', '.' and '-'"
        )
    if not inputs or len({field.lower() for field in inputs}) < len(inputs):
        found = ", ".join(map(input_name, inputs)) or "no inputs"
        raise OptionError(f"{where}: found {found}, expected one input or more, with names that differ beside case")
    return dict(sorted(inputs.items()))


def _by_name(batch: Any, number: int) -> dict[str, Any]:
    if isinstance(batch, Mapping):
        arrays = dict(batch)
    elif isinstance(batch, tuple):
        arrays = dict(zip(NAMES, batch, strict=False)) if len(batch) <= IN_TUPLES else {}
    else:
        arrays = {"x": batch}
    if "x" not in arrays or not set(arrays) <= set(NAMES):
        found = (
            f"a tuple of {len(batch)}" if isinstance(batch, tuple) else f"a mapping of {', '.join(map(str, arrays))}"
        )
        raise OptionError(
            f"batch {number}: found {found}, expected x, or (x, y), or (x, y, sample_weight), or a mapping with x and "
            "perhaps y, sample_weight and key; x of several inputs is a mapping itself"
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
