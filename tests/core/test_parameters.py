"""Values of options as people type them."""

import click
import pytest

from seekless.parameters import ByteSize, Numbers


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("2000000", 2_000_000),
        ("1e6", 1_000_000),
        ("512MiB", 512 << 20),
        ("512 mib", 512 << 20),
        (" 1GiB ", 1 << 30),
        ("1.5GB", 1_500_000_000),
        ("3kb", 3000),
        ("2MB", 2_000_000),
        ("3KiB", 3072),
        ("7B", 7),
        ("1TiB", 1 << 40),
        ("2TB", 2 * 10**12),
        (".5KiB", 512),
        (4096, 4096),
    ],
    ids=str,
)
def test_a_size_in_bytes(text, size):
    assert ByteSize().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "MiB", "1 2", "1GG", "1,5GB", "one", "nan", "inf", "1e999GB", "0x10", "1 Mi B"])
def test_what_is_no_size(text):
    with pytest.raises(click.BadParameter, match="expected a size such as 512MiB or 1GiB") as refused:
        ByteSize().convert(text, None, None)
    assert f"found {text!r}" in refused.value.message


@pytest.mark.parametrize(
    ("options", "text", "numbers"),
    [
        ({}, "28,28,1", (28, 28, 1)),
        ({}, "7", (7,)),
        ({}, " 1 , 2 ", (1, 2)),
        ({}, "0,-1", (0, -1)),
        ({"marks": ",x"}, "28x28,1", (28, 28, 1)),
        ({"marks": "x"}, "28X14", (28, 14)),
        ({"marks": "x", "count": 2}, "28x14", (28, 14)),
        ({"count": 2}, (3, 4), (3, 4)),
    ],
    ids=["three", "one", "spaces", "negative", "two marks", "upper case", "a pair", "numbers already"],
)
def test_numbers(options, text, numbers):
    assert Numbers("28,28,1", **options).convert(text, None, None) == numbers


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ""),
        ({}, "1,,2"),
        ({}, "1,2,"),
        ({}, "1.5"),
        ({}, "28x28"),
        ({}, "one"),
        ({}, "9" * 5000),
        ({"marks": "x", "count": 2}, "28"),
        ({"marks": "x", "count": 2}, "28x28x1"),
    ],
    ids=["empty", "gap", "end", "fraction", "mark", "word", "endless", "too few", "too many"],
)
def test_what_are_no_numbers(options, text):
    with pytest.raises(click.BadParameter, match=r"expected whole numbers such as 28,28,1") as refused:
        Numbers("28,28,1", **options).convert(text, None, None)
    assert f"found {text!r}" in refused.value.message


def test_in_a_command(capsys):
    @click.command()
    @click.option("--memory", type=ByteSize())
    @click.option("--size", type=Numbers("256x256", "x", count=2))
    def command(memory, size):
        click.echo(f"{memory} {size}")

    command.main(["--memory", "2KiB", "--size", "3x4"], standalone_mode=False)
    command.main([], standalone_mode=False)
    assert capsys.readouterr().out == "2048 (3, 4)\nNone None\n"
    with pytest.raises(click.BadParameter) as refused:
        command.main(["--memory", "much"], standalone_mode=False)
    assert "'--memory': found 'much'" in refused.value.format_message()
