"""What launchers leave in the environment, and what is refused of it."""

import json
import re

import pytest

from seekless.errors import OptionError
from seekless.train.launch import Launch, find_launch

TORCH = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "first", "MASTER_PORT": "29500"}
JAX = {
    "KERAS_DISTRIBUTION_JOB_ADDRESSES": "first:1234,second:1234",
    "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    "KERAS_DISTRIBUTION_PROCESS_ID": "1",
}


def config(kind="worker", index=2, **cluster) -> dict[str, str]:
    cluster = cluster or {"worker": ["a:1", "b:1", "c:1"]}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


FOUND = {
    "nothing": ({}, "jax", Launch()),
    "a rank without the rest": ({"RANK": "1", "WORLD_SIZE": "2"}, "torch", Launch()),
    "torchrun": (TORCH, "torch", Launch("torch", 1, 4)),
    "torchrun with one process": ({**TORCH, "RANK": "0", "WORLD_SIZE": "1"}, "jax", Launch()),
    "JAX": (JAX, "jax", Launch("jax", 1, 2, "first:1234")),
    "TensorFlow": (config(), "tensorflow", Launch("tensorflow", 2, 3)),
    "TensorFlow with one worker": (config(index=0, worker=["a:1"]), "jax", Launch()),
}


@pytest.mark.parametrize(("environment", "backend", "expected"), FOUND.values(), ids=FOUND)
def test_rank_and_count_are_found(environment, backend, expected):
    assert find_launch(environment, backend) == expected


WRONG = {
    "another backend": (
        TORCH,
        "jax",
        "--backend: found jax in one of 4 processes that torchrun started, expected torch; give --backend torch, or "
        "start them by KERAS_DISTRIBUTION_NUM_PROCESSES",
    ),
    "no number": ({**TORCH, "RANK": "one"}, "torch", "RANK: found 'one', expected a whole number"),
    "no such rank": ({**TORCH, "RANK": "4"}, "torch", "torchrun: found process 4 of 4, expected one from 0 to 3"),
    "a part of JAX": (
        {"KERAS_DISTRIBUTION_NUM_PROCESSES": "2"},
        "jax",
        "KERAS_DISTRIBUTION_NUM_PROCESSES: found without KERAS_DISTRIBUTION_JOB_ADDRESSES, "
        "KERAS_DISTRIBUTION_PROCESS_ID, expected all three, on every process",
    ),
    "no JSON": ({"TF_CONFIG": "{"}, "tensorflow", "TF_CONFIG: found '{' ("),
    "no task": ({"TF_CONFIG": '{"cluster": {}}'}, "tensorflow", "expected a cluster of workers and a task"),
    "a chief": (
        config("chief", 0, chief=["a:1"], worker=["b:1"]),
        "tensorflow",
        "TF_CONFIG: found a chief in a cluster of worker, chief, expected workers alone",
    ),
}


@pytest.mark.parametrize(("environment", "backend", "message"), WRONG.values(), ids=WRONG)
def test_what_makes_no_sense_is_refused(environment, backend, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        find_launch(environment, backend)
