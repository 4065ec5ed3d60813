"""What a conversion on a cluster takes at any size: a model of the code, with constants that scale.py measures.

What counts are samples, bytes, and how often a disk's head has to move; nothing here runs a conversion.
"""

import math
from dataclasses import dataclass

__all__ = ["Case", "Costs", "Plan", "plan", "seconds"]

# As in the code: files in a run, bytes of a run, runs in a task, tasks for each thread, tasks handed out ahead.
RUN_FILES, RUN_BYTES, RUNS, TASKS, AHEAD = 256, 4 << 20, 128, 4, 2
# Bytes beside each sample in a sheaf (place and stamp), beside each piece, and for each bucket.
SAMPLE_HEAD, PIECE_HEAD, BUCKET_BYTES = 12, 24, 8
# Of a file's name in a task, and of samples that one thread of a worker decodes at a time beside what it keeps.
NAME_BYTES, DECODED_BYTES = 32, 32 << 20


@dataclass(frozen=True)
class Case:
    """A conversion.

    Attributes:
        samples: Files, a sample each.
        file_bytes: Bytes of a file.
        stored_bytes: Bytes of a sample as decoded and narrowed.
        packed_bytes: Bytes of it in the store, compressed.
        shard_bytes: Bytes of samples in a shard.
        workers: Worker processes, each on a machine of its own.
        threads: Tasks that a worker does at a time.
        memory: `--memory`, bytes for the tasks of a worker.
        decoding: Seconds of a core to decode and compress a sample, where that is more than what is measured.
    """

    samples: int
    file_bytes: float
    stored_bytes: float
    packed_bytes: float
    shard_bytes: float
    workers: int
    threads: int
    memory: float
    decoding: float = 0.0


@dataclass(frozen=True)
class Costs:
    """What was measured: for each sample, but where a shard is named.

    Attributes:
        client_bytes: Memory of the client, with the scheduler in it.
        client_seconds: Of one core of the client.
        worker_seconds: Of one core of a worker, for both passes.
        metadata_bytes: Bytes of the store beside its blocks of samples, without what each shard has.
        shard_bytes: Bytes beside blocks that each shard has, whatever is in it.
        journal_bytes: Bytes that a run notes of itself.
    """

    client_bytes: float
    client_seconds: float
    worker_seconds: float
    metadata_bytes: float
    shard_bytes: float
    journal_bytes: float


@dataclass(frozen=True)
class Plan:
    """How a conversion is cut up.

    Attributes:
        read_tasks: Tasks of the first pass.
        sheaves: Files of samples sorted by place, that these write.
        gather_tasks: Tasks of the second pass.
        pieces: Reads of the second pass: each of its tasks reads a piece of each sheaf.
        piece_bytes: Bytes of one of these.
        waiting_tasks: Tasks that the scheduler knows at a time, at most.
        sheaf_bytes: Bytes of all sheaves.
        scheduler_bytes: Bytes of the tasks that the scheduler knows: names of files, above all.
        worker_bytes: Bytes of samples in a worker.
    """

    read_tasks: int
    sheaves: int
    gather_tasks: int
    pieces: int
    piece_bytes: float
    waiting_tasks: int
    sheaf_bytes: float
    scheduler_bytes: float
    worker_bytes: float


def plan(case: Case) -> Plan:
    """Return how the code cuts up a conversion to shards."""
    slots = case.workers * case.threads
    per_run = max(1, min(RUN_FILES, int(RUN_BYTES // case.file_bytes)))
    runs = math.ceil(case.samples / per_run)
    read_tasks, most = _read_tasks(runs, slots)
    share = case.memory / case.threads / 3
    sample = case.stored_bytes + SAMPLE_HEAD
    in_task = min(most * per_run, case.samples) * sample
    sheaves = 1 + read_tasks * max(1, math.ceil(in_task / share))  # the client reads the first run
    gather_tasks = max(1, math.ceil(case.samples * case.stored_bytes / case.shard_bytes))
    pieces = sheaves * gather_tasks
    buckets = max(1, math.ceil(case.samples * sample / share)) * 4
    heads = sheaves * (BUCKET_BYTES * buckets + PIECE_HEAD * min(buckets, in_task / sample))
    waiting = min(slots * AHEAD, max(read_tasks, gather_tasks))
    return Plan(
        read_tasks,
        sheaves,
        gather_tasks,
        pieces,
        case.samples * sample / pieces,
        waiting,
        case.samples * sample + heads,
        waiting * min(most * per_run, case.samples) * NAME_BYTES,
        case.memory + case.threads * DECODED_BYTES,
    )


def _read_tasks(runs: int, slots: int) -> tuple[int, int]:
    """Return how many tasks so many runs make, and the most runs in one: fewer towards the end."""
    left, tasks, most = runs - 1, 0, 1
    while left > 0:
        few = max(1, min(RUNS, math.ceil(left / (TASKS * slots))))
        alike = max(1, (left - RUNS * TASKS * slots) // RUNS) if few == RUNS else 1
        left, tasks, most = left - few * alike, tasks + alike, max(most, few)
    return tasks, most


def seconds(case: Case, costs: Costs, disk: float, network: float, seek: float) -> dict[str, float]:
    """Return the seconds of each part of a conversion; parts of one pass overlap, so the largest of a pass counts.

    Args:
        case: The conversion.
        costs: Its constants.
        disk: Bytes a second of each machine's share of the disks.
        network: Bytes a second of each machine.
        seek: Seconds that a disk takes to get to another place.
    """
    cut, all_disks, wires = plan(case), case.workers * disk, case.workers * network
    files, out = case.samples * case.file_bytes, case.samples * case.packed_bytes
    return {
        "first pass: disks": (files + cut.sheaf_bytes) / all_disks,
        "first pass: opening files": case.samples * seek / case.workers,
        "first pass: network": (files + cut.sheaf_bytes) / wires,
        "both passes: workers' cores": case.samples
        * max(case.decoding, costs.worker_seconds)
        / (case.workers * case.threads),
        "both passes: the client": case.samples * costs.client_seconds,
        "second pass: disks": (cut.sheaf_bytes + out) / all_disks,
        "second pass: seeks to pieces": cut.pieces * seek / case.workers,
        "second pass: network": (cut.sheaf_bytes + out) / wires,
    }
