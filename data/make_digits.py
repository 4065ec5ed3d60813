"""Make sample digits in the layout that `convert csv-to-h5` and `convert png-to-h5` expect.

    python data/make_digits.py              # data/train/00000.csv ... and data/target.csv
    python data/make_digits.py OUT --png    # OUT/png/0/00003.png ...

The digits are drawn here, from pen strokes and from Pillow's built-in font; no data set is copied.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import cast

import click
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from tqdm import tqdm

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

SIDE = 28  # pixels of a digit's side
SCALE = 4  # a digit is drawn this many times larger, then averaged down: smooth edges
INK_HEIGHT = 20  # pixels, as in MNIST, before the random size
FONT_SHARE = 0.2  # of the digits; the others are drawn from STROKES

# Ways to write each digit: points "column row" on a 10 x 10 grid, joined by a smooth curve; "/" lifts the pen.
STROKES = (
    ("60 40 22 15 17 39 69 87 84 72 50 31", "40 31 23 26 38 49 59 68 76 73 61 50 40"),
    ("50 49", "23 50/50 59", "32 50/50 59/29 89"),
    ("22 40 61 72 64 37 19/19 49 89", "22 50 72 63 38 18 27 48 89"),
    ("21 50 72 63 44/44 74 87 69 39 17", "10 80/80 44/44 74 87 59 18"),
    ("30 15/15 85/72 69", "60 16/16 96/60 69", "20 24 46 75/80 75 69"),
    ("80 30/30 24/24 54 85 77 59 28 17", "90 40 30 34/34 64 86 68 49 18"),
    ("70 31 15 27 59 77 65 35 17", "50 33 25 28 49 68 66 46 27"),
    ("10 80/80 49", "10 80/80 49/35 75", "12 10 80/80 54 49"),
    ("50 22 44 77 59 27 54 72 50 31", "71 40 22 44 76 78 49 27 36 63 71", "54 23 40 71 72 54 27 49 78 76 54"),
    ("73 61 41 23 24 35 55 64 73/73 69", "71 51 32 23 34 45 64 72/71 76 58 29", "72 50 31 23 34 55 64 72 70/72 59"),
)


@cache
def _control_points(way: str) -> list[npt.NDArray[np.float64]]:
    """Return each stroke of one way to write a digit: float64, (points, 2), in ink heights from the middle."""
    return [np.array([[int(c) for c in point] for point in s.split()]) / 9 - 0.5 for s in way.split("/")]


def _smooth(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a Catmull-Rom curve through `points`, float64, (points, 2), as many short lines."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])[:, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    t = np.linspace(0, 1, 8)[:, None]
    curve = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.asarray(curve.reshape(-1, 2))


def _draw_strokes(digit: int, rng: np.random.Generator) -> Image.Image:
    """Draw a digit as a pen would, each time a little differently: mode L, SCALE times SIDE wide and high."""
    image = Image.new("L", (SIDE * SCALE, SIDE * SCALE))
    draw = ImageDraw.Draw(image)
    ways = STROKES[digit]
    width = rng.uniform(1.6, 3.4) * SCALE
    bend, phase = rng.normal(0, 0.042, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))
    for stroke in _control_points(ways[rng.integers(len(ways))]):
        points = stroke + rng.normal(0, 0.022, stroke.shape)
        # One slow wave for all the strokes, so that what met still meets, or nearly.
        points = points + bend[0] * np.sin(4 * points[:, ::-1] + phase[0]) + bend[1] * np.sin(7 * points + phase[1])
        curve = _smooth(points) * INK_HEIGHT * SCALE + SIDE * SCALE / 2
        draw.line([tuple(xy) for xy in curve], fill=255, width=round(width), joint="curve")
        for x, y in (curve[0], curve[-1]):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return image


def _draw_letter(digit: int, rng: np.random.Generator) -> Image.Image:
    """Draw a digit in Pillow's built-in font: mode L, SCALE times SIDE wide and high."""
    image = Image.new("L", (SIDE * SCALE, SIDE * SCALE))
    middle = SIDE * SCALE / 2
    left, top, right, bottom = _font().getbbox(str(digit), anchor="ls")
    at = (middle - (left + right) / 2, middle - (top + bottom) / 2)
    ImageDraw.Draw(image).text(
        at, str(digit), fill=255, font=_font(), anchor="ls", stroke_width=int(rng.integers(4)), stroke_fill=255
    )
    return image


@cache
def _font() -> ImageFont.FreeTypeFont:
    # A digit is 0.74 of the font's size high. With a size given, the answer is always the scalable font.
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size=INK_HEIGHT * SCALE / 0.74))


def _tilt(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Give a drawn digit a random size, rotation, shear and shift."""
    angle, shear = rng.normal(0, 0.11), rng.normal(0.1, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = turn @ np.array([[1, -shear], [0, 1]]) @ np.diag(rng.uniform((0.75, 0.85), (1.1, 1.05)))
    back = np.linalg.inv(forward)
    middle = SIDE * SCALE / 2
    offset = middle - back @ (middle + rng.normal(0, 0.6, 2) * SCALE)
    matrix = (*back[0], offset[0], *back[1], offset[1])
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def render_digit(digit: int, seed: int, index: int) -> Pixels:
    """Draw one digit, white on black.

    Args:
        digit: 0 to 9.
        seed: With `index`, the seed of everything random about the picture.
        index: The number of the sample.

    Returns:
        uint8, (28, 28).
    """
    rng = np.random.default_rng((seed, index))
    draw = _draw_letter if rng.random() < FONT_SHARE else _draw_strokes
    small = _tilt(draw(digit, rng), rng).reduce(SCALE).filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    ink = np.asarray(small, dtype=np.float64)
    ink *= rng.uniform(0.8, 1.2) * 255 / ink.max()
    # Noise on the ink only: as in MNIST, the background is plain 0.
    return np.clip(np.rint(ink * (1 + rng.normal(0, 0.07, ink.shape))), 0, 255).astype(np.uint8)


def render_digits(labels: Labels, seed: int) -> Pixels:
    """Draw one digit for each label.

    Args:
        labels: int64, (n,), values 0 to 9.
        seed: The same labels and seed give the same pictures.

    Returns:
        uint8, (n, 28, 28).
    """
    return np.array([render_digit(int(digit), seed, i) for i, digit in enumerate(labels)]).reshape(-1, SIDE, SIDE)


def make_labels(count: int, seed: int, in_order: bool = False) -> Labels:
    """Return the digits to draw, each as often as the others, or one time more.

    Args:
        count: How many.
        seed: The seed of their order.
        in_order: All the 0s first, then the 1s, and so on.

    Returns:
        int64, (count,), values 0 to 9.
    """
    labels = np.arange(count, dtype=np.int64) % 10
    return np.sort(labels) if in_order else np.random.default_rng(seed).permutation(labels)


def write_csv(folder: Path, images: Iterable[Pixels], labels: Labels) -> None:
    """Write FOLDER/train/00000.csv ..., as `numpy.savetxt(path, image / 255.0)` would, and FOLDER/target.csv.

    Args:
        folder: Where to; it is made if need be.
        images: uint8, (n, 28, 28), or as many single ones.
        labels: int64, (n,).
    """
    (folder / "train").mkdir(parents=True, exist_ok=True)
    # savetxt formats every number anew; there are only 256 of them.
    texts = [f"{value:.18e}" for value in (np.arange(256, dtype=np.uint8) / 255.0).tolist()]
    targets = []
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        lines = (" ".join([texts[value] for value in row]) for row in image.tolist())
        (folder / "train" / f"{i:05d}.csv").write_text("\n".join(lines) + "\n", encoding="ascii")
        targets.append(f"{i:05d},{label}\n")
    (folder / "target.csv").write_text("".join(targets), encoding="ascii")


def write_png(folder: Path, images: Iterable[Pixels], labels: Labels) -> None:
    """Write each image as an 8-bit grayscale file, FOLDER/png/LABEL/NUMBER.png.

    Args:
        folder: Where to; it is made if need be.
        images: uint8, (n, 28, 28), or as many single ones.
        labels: int64, (n,).
    """
    for digit in range(10):
        (folder / "png" / str(digit)).mkdir(parents=True, exist_ok=True)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / "png" / str(label) / f"{i:05d}.png")


def make_room(folder: Path, png: bool, overwrite: bool) -> None:
    """Refuse to write over what is there or, with `overwrite`, remove the files this script would have made.

    Args:
        folder: Where digits are to be written.
        png: Whether as PNG files.
        overwrite: Whether to remove numbered files (and `target.csv`); nothing else, and no folder, ever is.

    Raises:
        click.ClickException: If there is something in the way and `overwrite` is False.
    """
    for place in [folder / "png"] if png else [folder / "train", folder / "target.csv"]:
        if place.exists() and not overwrite:
            raise click.ClickException(
                f"{place} already exists; name another folder, or give --overwrite to replace the digits in it"
            )
    numbered = [
        p for p in folder.glob("png/[0-9]/*.png" if png else "train/*.csv") if re.fullmatch("[0-9]{5,}", p.stem)
    ]
    for path in numbered if png else [*numbered, folder / "target.csv"]:
        if path.is_file():
            path.unlink()


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path), default=Path(__file__).parent)
@click.option("--count", type=click.IntRange(min=1), default=4000, show_default=True, help="How many digits.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same files.")
@click.option("--sorted", "in_order", is_flag=True, help="Number the files class by class, not in random order.")
@click.option("--png", is_flag=True, help="Write OUT/png/LABEL/*.png, not OUT/train/*.csv and OUT/target.csv.")
@click.option("--overwrite", is_flag=True, help="Replace the digits that an earlier run wrote.")
def main(out: Path, count: int, seed: int, in_order: bool, png: bool, overwrite: bool) -> None:
    """Make sample digits in the folder OUT, by default the one this script is in."""
    try:
        make_room(out, png, overwrite)
        labels = make_labels(count, seed, in_order)
        images = (render_digit(int(digit), seed, i) for i, digit in enumerate(labels))
        (write_png if png else write_csv)(out, tqdm(images, "drawing", count, unit=" digits"), labels)
    except OSError as error:
        raise click.ClickException(f"could not write all the digits: {error}") from error
    what = f"{out / 'png'}, a folder per class" if png else f"{out / 'train'} and their labels to {out / 'target.csv'}"
    click.echo(f"wrote {count:,} {'PNG' if png else 'CSV'} files of {SIDE} x {SIDE} pixels to {what} (seed {seed})")


if __name__ == "__main__":
    main()
