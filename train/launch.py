"""Whether this process is one of several that train together: what their launcher says in the environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seekless.errors import OptionError

__all__ = ["Launch", "find_launch"]

# What Keras itself reads in `keras.distribution.initialize`.
JAX_NAMES = ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID")
TORCH_NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
STARTED_BY = {"torch": "torchrun", "jax": "KERAS_DISTRIBUTION_NUM_PROCESSES", "tensorflow": "TF_CONFIG"}


@dataclass(frozen=True)
class Launch:
    """What a launcher says.

    Attributes:
        backend: The Keras backend that it is the launcher of; "" for a process alone.
        rank: Which process this is, from 0.
        count: How many there are.
        address: HOST:PORT where process 0 of JAX is found; the others' frameworks read it themselves.
    """

    backend: str = ""
    rank: int = 0
    count: int = 1
    address: str = ""


def find_launch(environment: Mapping[str, str], backend: str) -> Launch:
    """Return what the environment says of the processes that train together.

    Args:
        environment: Such as `os.environ`.
        backend: The backend that Keras runs on.

    Returns:
        Rank and count; (0, 1) where no launcher has left a word.

    Raises:
        OptionError: The words make no sense, or are those of another backend's launcher.
    """
    found = _of_torchrun(environment) or _of_jax(environment) or _of_tensorflow(environment)
    if found is None or found.count == 1:
        return Launch()
    if not 0 <= found.rank < found.count:
        raise OptionError(
            f"{STARTED_BY[found.backend]}: found process {found.rank} of {found.count}, expected one from 0 to "
            f"{found.count - 1}"
        )
    if found.backend != backend:
        raise OptionError(
            f"--backend: found {backend} in one of {found.count} processes that {STARTED_BY[found.backend]} started, "
            f"expected {found.backend}; give --backend {found.backend}, or start them by "
            f"{STARTED_BY.get(backend, 'the launcher of the backend')}"
        )
    return found


def _of_torchrun(environment: Mapping[str, str]) -> Launch | None:
    # All four: a lone RANK is often something else.
    if any(name not in environment for name in TORCH_NAMES):
        return None
    return Launch("torch", _number(environment, "RANK"), _number(environment, "WORLD_SIZE"))


def _of_jax(environment: Mapping[str, str]) -> Launch | None:
    given = [name for name in JAX_NAMES if name in environment]
    if not given:
        return None
    if len(given) < len(JAX_NAMES):
        missing = ", ".join(name for name in JAX_NAMES if name not in environment)
        raise OptionError(f"{', '.join(given)}: found without {missing}, expected all three, on every process")
    address = environment[JAX_NAMES[0]].split(",")[0]
    return Launch("jax", _number(environment, JAX_NAMES[2]), _number(environment, JAX_NAMES[1]), address)


def _of_tensorflow(environment: Mapping[str, str]) -> Launch | None:
    text = environment.get("TF_CONFIG", "")
    if not text:
        return None
    try:
        config: Any = json.loads(text)
        workers = config["cluster"].get("worker", [])
        others = sorted(set(config["cluster"]) - {"worker"})
        kind, index = config["task"]["type"], int(config["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(
            f"TF_CONFIG: found {text!r} ({error!r}), expected a cluster of workers and a task, as TensorFlow describes"
        ) from error
    if others or kind != "worker":
        raise OptionError(
            f"TF_CONFIG: found a {kind} in a cluster of {', '.join(['worker', *others])}, expected workers "
            "alone; worker 0 is the one that writes"
        )
    return Launch("tensorflow", index, len(workers))


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise OptionError(f"{name}: found {environment[name]!r}, expected a whole number") from None
