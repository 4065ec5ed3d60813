"""Draw `mistakes.png`: the samples that a model is most wrong about, with what they are and what it took them for."""

from pathlib import Path

from PIL import Image, ImageDraw

from seekless.store.lettering import fold, font_for, lines_of
from seekless.train.folder import replacing
from seekless.train.outcome import Outcome
from seekless.train.targets import Targets

__all__ = ["draw_mistakes"]

# Of the sheet, in pixels.
WIDE = 128
MARGIN, LETTERS, LEADING = 14, 13, 17
COLUMNS = 8
GROUND, PAPER, INK, WRONG, MUTED = (250, 250, 250), (236, 236, 236), (40, 40, 40), (190, 45, 60), (100, 100, 100)


def draw_mistakes(folder: Path, outcome: Outcome, targets: Targets, title: str) -> None:
    """Draw `mistakes.png`.

    Args:
        folder: The run's folder.
        outcome: With one mistake at least that can be drawn.
        targets: The classes, for their names.
        title: What stands above the picture.
    """
    names = [(targets.name(m.true), targets.name(m.predicted)) for m in outcome.worst]
    font = font_for((name for pair in names for name in pair), LETTERS)
    bold = font_for([title], LETTERS + 3)
    texts = []
    for mistake, (true, predicted) in zip(outcome.worst, names, strict=True):
        is_line = lines_of(fold(true, font, f"class {mistake.true}"), font, WIDE)
        taken = f"not {fold(predicted, font, f'class {mistake.predicted}')}"
        texts.append((is_line, lines_of(taken, font, WIDE), f"{100 * mistake.probability:.0f}% sure"))
    columns = min(COLUMNS, max(3, len(texts)))
    rows = -(-len(texts) // columns)
    upper = max(len(first) for first, _, _ in texts)
    lower = max(len(second) for _, second, _ in texts)
    high = max(mistake.picture.height for mistake in outcome.worst)
    step = (WIDE + MARGIN, high + 6 + LEADING * (upper + lower + 1) + MARGIN)
    top = MARGIN + 2 * LEADING + MARGIN
    sheet = Image.new("RGB", (MARGIN + columns * step[0], top + rows * step[1]), GROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 2), title, fill=INK, font=bold)
    draw.text((MARGIN, MARGIN + LEADING + 4), _said(outcome), fill=MUTED, font=font)
    for place, (mistake, (first, second, sure)) in enumerate(zip(outcome.worst, texts, strict=True)):
        left, at = MARGIN + place % columns * step[0], top + place // columns * step[1]
        picture = mistake.picture
        draw.rectangle((left, at, left + WIDE - 1, at + high - 1), fill=PAPER)
        sheet.paste(picture, (left + (WIDE - picture.width) // 2, at + (high - picture.height) // 2))
        lines = [(line, INK) for line in first] + [(line, WRONG) for line in second] + [(sure, MUTED)]
        for number, (line, colour) in enumerate(lines):
            x = left + (WIDE - font.getlength(line)) / 2
            draw.text((x, at + high + 6 + number * LEADING), line, fill=colour, font=font)
    with replacing(folder / "mistakes.png") as partial:
        sheet.save(partial, "PNG")


def _said(outcome: Outcome) -> str:
    shown = "all of them" if len(outcome.worst) == outcome.wrong else f"the {len(outcome.worst)} it was surest of"
    return f"{outcome.wrong:,} of {outcome.samples:,} test samples taken for another class; {shown}"
