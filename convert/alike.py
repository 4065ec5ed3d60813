"""Whether stores fit together, and what becomes of their keys, classes, parts and options when they are joined."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.options import Options
from seekless.errors import OptionError, StoreError
from seekless.source.targets import Targets
from seekless.store.inputs import input_name
from seekless.store.kinds import suffix_of
from seekless.store.portions import recorded
from seekless.store.schema import Header
from seekless.store.store import Store

__all__ = ["check_alike", "joined_keys", "joined_options", "joined_targets", "joined_weights", "part_ends"]

# What a rewritten store records of its own making; everything else as its sources say.
OWN_OPTIONS = ("compression", "block_bytes", "shard_bytes")


def check_alike(stores: Sequence[Store]) -> None:
    """Hold that stores can be joined.

    Args:
        stores: The stores.

    Raises:
        StoreError: Samples are of another shape, dtype or scale, targets of another kind, or parts recorded otherwise
            than in the first store; or a store has parts of whole groups.
    """
    first = stores[0]
    for store in stores:
        if store.header.parts:
            raise StoreError(
                f"{store.path}: found parts of whole groups (--group-by), expected none, as one group may have samples "
                "in both stores; convert their files together"
            )
    for store in stores[1:]:
        for what, found, expected in zip(_WORDS, _facts(store), _facts(first), strict=True):
            if found != expected:
                raise StoreError(
                    f"{store.path}: found {what.format(found)}, expected {what.format(expected)} as in {first.path}; "
                    "stores that differ in it cannot be joined: convert one of them again"
                )


_WORDS = ("{}", "samples of {}", "values of {}", "--scale {}", "{}", "targets of shape {}", "{}", "{}", "{}", "{}")


def _facts(store: Store) -> tuple[str, ...]:
    """Return what must agree among stores, in words."""
    header = store.header
    x = [header.fields[name] for name in header.inputs]
    y = header.fields.get("y")
    kinds = {"class": "classes as targets", "number": "numbers as targets"}
    named = "" if header.target_kind != "class" else "classes with names"
    weights = header.fields.get("sample_weight")
    return (
        "one input" if "x" in header.fields else f"the inputs {', '.join(map(input_name, header.inputs))}",
        " and ".join(
            f"shape {' x '.join(map(str, one.sample_shape))}" if one.sample_shape else "one value" for one in x
        ),
        " and ".join(one.encoding.logical_dtype.name for one in x),
        " and ".join(str(one.scale) for one in x),
        kinds.get(header.target_kind, "no targets"),
        str(() if y is None else y.sample_shape),
        "no targets" if y is None else f"targets of {y.encoding.logical_dtype.name}",
        named if header.class_names is not None else named.replace("with", "without"),
        "no weights of samples" if weights is None else f"weights of {weights.dtype.name}",
        _parts_in_words(header),
    )


def _parts_in_words(header: Header) -> str:
    count = len(recorded(header)[0])
    return {0: "no recorded parts", 2: "a train and a test part (--test-fraction)"}.get(count, f"{count} parts")


def joined_keys(stores: Sequence[Store], *, prefix: bool) -> list[str]:
    """Return the keys of all samples, store by store.

    Args:
        stores: The stores.
        prefix: Put the name of its store before each key.

    Raises:
        StoreError: A store has no keys, or a key stands twice.
        OptionError: With `prefix`, two stores have one name.
    """
    names = [store.path.name.removesuffix(suffix_of(Path(store.path.name))) for store in stores]
    if prefix and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionError(f"--prefix: found two stores named {twice!r}, expected each name once; rename one of them")
    keys: list[str] = []
    for store, name in zip(stores, names, strict=True):
        if "key" not in store.tables:
            raise StoreError(f"{store.path}: found no keys, expected a store that `convert` or seekless.write made")
        keys += [f"{name}/{key}" for key in store.keys] if prefix else store.keys
    if len(set(keys)) < len(keys):
        raise StoreError(_twice(stores, keys))
    return keys


def _twice(stores: Sequence[Store], keys: Sequence[str]) -> str:
    """Say which key stands twice, and where."""
    edges = np.cumsum([len(store) for store in stores])
    first: dict[str, int] = {}
    for index, key in enumerate(keys):
        if first.setdefault(key, index) != index:
            break
    one, other = (stores[int(np.searchsorted(edges, place, "right"))].path for place in (first[key], index))
    where = f"{one} twice" if one == other else f"{one} and in {other}"
    return (
        f"found the key {key} in {where}, expected every key once; --prefix puts the name of its store before each key"
    )


def joined_targets(stores: Sequence[Store]) -> Targets | None:
    """Return the targets of all samples, store by store; classes that the first store lacks get the next numbers.

    Args:
        stores: Stores that are alike.
    """
    header = stores[0].header
    if "y" not in header.fields:
        return None
    decode = header.fields["y"].encoding.decode
    values = [decode(store.read("y", 0, len(store))) for store in stores]
    count, names = max(store.header.class_count for store in stores), None
    if header.class_names is not None:
        number_of: dict[str, int] = {}
        for at, store in enumerate(stores):
            own = [number_of.setdefault(name, len(number_of)) for name in store.class_names or ()]
            values[at] = np.array(own, np.int64)[values[at]]
        count, names = len(number_of), tuple(number_of)
    return Targets(np.concatenate(values), header.target_kind, count, names)


def joined_weights(stores: Sequence[Store]) -> npt.NDArray[Any] | None:
    """Return the weights of all samples, store by store; None for stores without.

    Args:
        stores: Stores that are alike.
    """
    if "sample_weight" not in stores[0].header.fields:
        return None
    return np.concatenate([store.read("sample_weight", 0, len(store)) for store in stores])


def part_ends(stores: Sequence[Store]) -> tuple[int, ...]:
    """Return where the parts of a store of all samples end: the first parts together, then the second ones.

    Args:
        stores: Stores that are alike; () where they record no parts.
    """
    if not stores[0].header.boundaries:
        return ()
    lengths = np.sum([np.diff(parts).reshape(-1) for store in stores for parts in recorded(store.header)], axis=0)
    return tuple(np.cumsum(lengths).tolist())


def joined_options(stores: Sequence[Store], how: Options) -> dict[str, Any]:
    """Return what a store of all samples records: the options that all share, and how it is written itself.

    Args:
        stores: The stores.
        how: How it is written.
    """
    first, *others = (dict(store.header.options) for store in stores)
    shared = {
        name: value for name, value in first.items() if all(name in other and other[name] == value for other in others)
    }
    return {**shared, **{name: how.recorded()[name] for name in OWN_OPTIONS}}
