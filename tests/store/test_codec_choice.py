"""`--compression auto` is a rule: sizes that are measured, rates that are written down, no clock."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from seekless.store import codec_choice
from seekless.store.codec_choice import CORES, DECODE_RATES, DISK_RATE, Choice, choose_codec
from seekless.store.codecs import CODECS, codec_named


def noise():
    return np.random.default_rng(1).integers(0, 256, (8, 100_000), np.uint8), 1


def digits():
    """Mostly zeros, with slanted strokes that have gray edges: like MNIST."""
    random = np.random.default_rng(2)
    x = np.zeros((8, 150, 28, 28), np.uint8)
    rows, columns = np.ogrid[:28, :28]
    for picture in x.reshape(-1, 28, 28):
        row, column, slope = *random.uniform(10, 18, 2), random.uniform(-0.7, 0.7)
        away = np.abs(columns - column - slope * (rows - row)) + 0.2 * np.maximum(0, np.abs(rows - row) - 8)
        picture[...] = (253 * (2.2 - away)).clip(0, 253)
    return x, 1


def photographs():
    """Smooth in both directions with a little noise, the channels near each other."""
    random = np.random.default_rng(3)
    rows, columns = np.ogrid[:128, :128]
    x = np.empty((8, 8, 128, 128, 3), np.uint8)
    for picture in x.reshape(-1, 128, 128, 3):
        a, b, c = random.uniform(0.01, 0.06, 3)
        plain = 128 + 70 * np.sin(a * rows + 3 * c) * np.cos(b * columns) + 40 * np.sin(c * (rows + columns))
        picture[...] = (plain[:, :, None] + random.integers(-30, 31, 3) + random.normal(0, 2, (128, 128, 3))).clip(
            0, 255
        )
    return x, 3


@pytest.mark.parametrize(("data", "codec"), [(noise, "none"), (digits, "zstd"), (photographs, "blosc2")])
def test_which_codec_suits_what(data, codec):
    blocks, item = data()
    choice = choose_codec([block.tobytes() for block in blocks], item)
    assert choice.codec == codec
    assert (choice.gain > 1) == (codec != "none")


@pytest.mark.parametrize("data", [noise, digits, photographs])
def test_the_rule_is_the_shorter_epoch(data):
    """Reckoned here once more, from sizes alone."""
    blocks, item = data()
    blocks = [block.tobytes() for block in blocks]
    decoded = sum(map(len, blocks))
    seconds, ratio = {}, {}
    for name in CODECS:
        stored = sum(min(len(codec_named(name).encode(block, item)), len(block)) for block in blocks)
        seconds[name] = max(stored / DISK_RATE, decoded / (CORES * DECODE_RATES[name]))
        ratio[name] = decoded / stored
    choice = choose_codec(blocks, item)
    assert seconds[choice.codec] == min(seconds.values())
    assert choice.ratio == pytest.approx(ratio[choice.codec])
    assert choice.gain == pytest.approx(seconds["none"] / seconds[choice.codec])


def test_no_clock_is_read(monkeypatch):
    blocks, item = digits()
    blocks = [block.tobytes() for block in blocks]
    expected = choose_codec(blocks, item)

    def refuse():
        raise AssertionError("a clock was read")

    for name in ("time", "perf_counter", "monotonic", "process_time"):
        monkeypatch.setattr(time, name, refuse)
    assert [choose_codec(blocks, item) for _ in range(3)] == [expected] * 3


@pytest.mark.parametrize(
    ("sizes", "codec"),
    [
        ({"none": 100, "zstd": 100, "lz4": 100, "gzip": 100, "blosc2": 100}, "none"),
        ({"none": 100, "zstd": 50, "lz4": 50, "gzip": 50, "blosc2": 50}, "zstd"),
        ({"none": 100, "zstd": 60, "lz4": 50, "gzip": 60, "blosc2": 50}, "lz4"),
        ({"none": 100, "zstd": 101, "lz4": 120, "gzip": 101, "blosc2": 101}, "none"),
        # gzip decodes at 0.7 GB/s on two cores, 4.7 times what the disk gives: smaller than that is no gain.
        ({"none": 100, "zstd": 22, "lz4": 40, "gzip": 10, "blosc2": 30}, "gzip"),
        ({"none": 100, "zstd": 20, "lz4": 40, "gzip": 10, "blosc2": 30}, "zstd"),
        # Beyond 13.3 times smaller lz4 alone reads on, as the fastest to decode.
        ({"none": 100, "zstd": 1, "lz4": 1, "gzip": 1, "blosc2": 1}, "lz4"),
    ],
    ids=["nothing helps", "all alike", "two alike", "all longer", "gzip", "gzip is too slow", "all tiny"],
)
def test_ties_and_limits(monkeypatch, sizes, codec):
    class Made:
        def __init__(self, name):
            self.name = name

        def encode(self, block, item):
            return bytes(len(block) * sizes[self.name] // 100)

    monkeypatch.setattr(codec_choice, "codec_named", Made)
    assert choose_codec([bytes(10_000)] * 8, 1).codec == codec


def test_samples_without_bytes_are_not_compressed():
    assert choose_codec([b"", b""], 1) == Choice("none", 0.0, 1.0)


def test_the_reason_in_words():
    assert str(Choice("zstd", 4.75, 4.6)) == "4.75 times smaller: epochs 4.60 times as fast on a 150 MB/s disk"
    assert str(Choice("none", 1.0, 1.0)) == "no codec shortens an epoch on a 150 MB/s disk"


def test_threads_change_no_choice():
    blocks = [bytes(range(256)) * 40, bytes(9000)]
    with ThreadPoolExecutor(3) as pool:
        assert choose_codec(blocks, 1, pool) == choose_codec(blocks, 1)
