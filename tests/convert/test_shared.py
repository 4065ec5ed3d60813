"""Samples come from a worker as they were, whether through memory that both see or through the pipe."""

import gc
import os
import pickle

import numpy as np
import pytest
from PIL import Image

from seekless.convert import shared as shared_module
from seekless.convert.pool import map_runs
from seekless.convert.shared import MAPPED, REGION, SharedMemory, can_share
from seekless.convert.workers import Group, RunResult, encode_run
from seekless.source.image import ImageDecoder
from seekless.source.samples import Decoded, FileReader, FileRun

pytestmark = pytest.mark.skipif(not can_share(), reason="needs memfd_create, which Linux has")


@pytest.fixture
def memory():
    made = SharedMemory()
    yield made
    made.close()


def decoded(*shapes, dtype="u1") -> Decoded:
    random = np.random.default_rng(1)
    samples = [random.integers(0, 200, shape).astype(dtype) for shape in shapes]
    numbers = list(range(len(samples)))
    return Decoded(indices=numbers, samples=samples, stamps=numbers)


def both_ways(run: Decoded, memory: SharedMemory) -> tuple[RunResult, RunResult, RunResult]:
    """A run as it is, as it is sent, and as it is received."""
    region = memory.region()
    sent = encode_run(run, None, memory, region)
    return encode_run(run), sent, memory.received(pickle.loads(pickle.dumps(sent)), region)


def stored(result: RunResult) -> list[tuple]:
    return [(g.form, g.stored.shape, g.stored.dtype, g.stored.tobytes(), g.proved, g.encoding) for g in result.groups]


@pytest.mark.parametrize(
    "run",
    [
        decoded((3, 5)),
        decoded(*[(40, 50)] * 30),
        decoded(*[(40, 50)] * 30, dtype="f8"),
        decoded(*[(300, 300, 3)] * 5),
        decoded(*[(300, 300, 3)] * 5, dtype="f4"),
        decoded((700, 1000), *[(300, 300, 3)] * 3, (9,)),
        decoded(*[(200, 200)] * 2, *[(100, 300)] * 3),
        decoded(),
    ],
    ids=["few bytes", "small", "narrowed", "large", "large, narrowed", "three forms", "two small forms", "none"],
)
def test_a_run_comes_as_it_was(run, memory):
    plain, sent, received = both_ways(run, memory)
    assert stored(received) == stored(plain)
    assert [group.indices.tolist() for group in received.groups] == [group.indices.tolist() for group in plain.groups]
    assert len(pickle.dumps(sent)) < 40_000


def test_what_does_not_fit_its_region_goes_through_the_pipe(memory, monkeypatch):
    monkeypatch.setattr(shared_module, "REGION", 100_000)
    plain, sent, received = both_ways(decoded((250, 300), (300, 200), (10, 10)), memory)
    assert [group.at is None for group in sent.groups] == [False, True, True]
    assert stored(received) == stored(plain)


def test_small_runs_use_a_region_again_and_large_ones_give_their_memory_back(memory):
    def blocks() -> int:
        return os.fstat(memory._file).st_blocks * 512

    for _ in range(5):
        both_ways(decoded(*[(40, 50)] * 30), memory)
    assert memory._end == REGION
    before = blocks()
    _, _, kept = both_ways(decoded((700, 1000), (600, 1000), (1000, 800)), memory)
    assert kept.groups[0].stored.base is not None
    assert blocks() >= before + MAPPED
    del kept
    gc.collect()
    assert blocks() <= before


def test_what_was_received_outlives_the_file():
    memory = SharedMemory()
    run = decoded(*[(1000, 900)] * 3)
    plain, _, received = both_ways(run, memory)
    memory.close()
    assert stored(received) == stored(plain)


def test_worker_processes_have_the_same_memory(tmp_path):
    random, sides = np.random.default_rng(2), [300] * 8 + [28] * 40
    for number, side in enumerate(sides):
        Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).save(tmp_path / f"{number}.png")
    runs = [
        FileRun(list(part), [f"{number}.png" for number in part]) for part in (range(8), range(8, 48), range(4, 20))
    ]
    reader = FileReader(tmp_path, ImageDecoder())
    expected = sorted(str(stored(result)) for result in map_runs(reader, runs, 0))
    assert sorted(str(stored(result)) for result in map_runs(reader, runs, 2)) == expected


def test_samples_without_a_place_are_as_they_were(memory):
    result = encode_run(decoded((3, 5)))
    assert memory.received(result, memory.region()).groups[0].stored is result.groups[0].stored
    assert isinstance(result.groups[0], Group)
