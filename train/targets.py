"""What a model is to learn: classes or numbers, and the loss and metrics that suit them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from seekless.errors import TrainError
from seekless.store.store import Store

__all__ = ["Targets"]


@dataclass(frozen=True)
class Targets:
    """The targets of a store or of loose files.

    Attributes:
        kind: "class" or "number".
        class_count: Number of classes; 0 for numbers.
        class_names: Their names; None where they were numbers from the start.
        shape: The shape of one target that is numbers; () for one number, and for classes.
    """

    kind: str
    class_count: int = 0
    class_names: tuple[str, ...] | None = None
    shape: tuple[int, ...] = ()

    @classmethod
    def of_store(cls, store: Store) -> Targets:
        """Return what a store has to learn.

        Raises:
            TrainError: It has no targets.
        """
        header = store.header
        if "y" not in header.fields:
            raise _no_targets(str(store.path))
        return cls(header.target_kind, header.class_count, header.class_names, header.fields["y"].sample_shape)

    @classmethod
    def of_files(cls, path: str, found: Any) -> Targets:
        """Return what loose files have to learn.

        Args:
            path: Where they are.
            found: The targets of their source, or None.

        Raises:
            TrainError: They have no targets.
        """
        if found is None:
            raise _no_targets(path)
        return cls(found.kind, found.class_count, found.class_names, found.values.shape[1:])

    @property
    def outputs(self) -> int:
        """Numbers that a model gives for one sample: one a class, or those of the target."""
        return self.class_count if self.kind == "class" else math.prod(self.shape)

    @property
    def loss(self) -> str:
        """The loss that suits them."""
        return "sparse_categorical_crossentropy" if self.kind == "class" else "mse"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that suit them."""
        return ("accuracy",) if self.kind == "class" else ("mae",)

    def name(self, number: int) -> str:
        """Return what a class is called."""
        return str(number) if self.class_names is None else self.class_names[number]

    def as_dict(self) -> dict[str, Any]:
        """Return them fit for JSON; `of_dict` gives them back."""
        names = None if self.class_names is None else list(self.class_names)
        return {"kind": self.kind, "class_count": self.class_count, "class_names": names, "shape": list(self.shape)}

    @classmethod
    def of_dict(cls, found: dict[str, Any]) -> Targets:
        """Return what `as_dict` described."""
        names = found["class_names"]
        return cls(found["kind"], found["class_count"], None if names is None else tuple(names), tuple(found["shape"]))

    def __str__(self) -> str:
        if self.kind == "class":
            return f"{self.class_count:,} class{'' if self.class_count == 1 else 'es'}"
        return "one number" if self.outputs == 1 else f"{self.outputs:,} numbers"


def _no_targets(path: str) -> TrainError:
    return TrainError(
        f"{path}: found no targets, expected classes or numbers to learn; convert it with a labels file (--labels)"
    )
