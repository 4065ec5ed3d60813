"""Figures that need no screen, and the colours of all pictures of a run."""

from typing import Any

from seekless.errors import MissingExtraError

__all__ = ["MUTED", "TEST_COLOUR", "TRAIN_COLOUR", "lettering", "new_figure"]

TRAIN_COLOUR, TEST_COLOUR = "#2a6f97", "#d1495b"
MUTED = "#666666"


def new_figure(width: float, height: float, name: str) -> Any:
    """Make a figure that needs no screen and no global state.

    Args:
        width: In inches of 120 pixels.
        height: The same.
        name: The file it is for, for the message.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            f'{name} is not drawn: found no matplotlib; install it with pip install "seekless[plot]"'
        ) from None
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def lettering(text: str, instead: str) -> str:
    """Return a text as Matplotlib's font can write it, or another where it lacks a letter.

    Args:
        text: The text; a dollar sign is one, and does not begin a formula.
        instead: What to write where the font has not all letters.

    Raises:
        MissingExtraError: Matplotlib is not installed.
    """
    try:
        from matplotlib.font_manager import FontProperties, findfont, get_font
    except ImportError:
        raise MissingExtraError(
            'pictures are not drawn: found no matplotlib; install it with pip install "seekless[plot]"'
        ) from None

    known = get_font(findfont(FontProperties())).get_charmap()
    return text.replace("$", r"\$") if all(ord(letter) in known for letter in text) else instead
