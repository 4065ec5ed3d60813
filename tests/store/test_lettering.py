"""Names are broken to lines that fit, and written in letters that a font has."""

import pytest
from PIL import ImageFont

from seekless.store import lettering as lettering_module
from seekless.store.lettering import fold, font_for, lines_of


@pytest.fixture
def font():
    return ImageFont.load_default(13)


class Typewriter:
    """A font all of whose letters are 8 pixels wide."""

    def getlength(self, text):
        return 8 * len(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("7", ["7"]),
        ("", []),
        ("golden retriever", ["golden retriever"]),
        ("golden_retriever, a large friendly dog", ["golden_", "retriever, a..."]),
        ("golden retriever dog", ["golden retriever", "dog"]),
        ("0123456789" * 3, ["0123456789012345", "67890123456789"]),
        ("0123456789" * 4, ["0123456789012345", "6789012345678..."]),
    ],
    ids=["short", "empty", "fits", "breaks and is cut", "breaks", "no break", "cut"],
)
def test_lines_fit(text, lines):
    assert lines_of(text, Typewriter(), 16 * 8) == lines


def test_a_width_for_less_than_one_letter_ends():
    assert lines_of("wide", Typewriter(), 1) == ["w", "..."]


@pytest.mark.parametrize(
    ("text", "written"),
    [("cat 7", "cat 7"), ("café", "cafe"), ("猫", "class 3"), ("ß", "class 3")],
    ids=["as it is", "accents", "no letters", "no likeness"],
)
def test_what_the_font_lacks_is_written_otherwise(font, text, written):
    assert fold(text, font, "class 3") == written


def test_a_font_is_chosen_that_has_the_letters(font, monkeypatch):
    asked = []
    load = ImageFont.truetype

    def truetype(name, size, **how):
        if name not in lettering_module.OTHER_FONTS:
            return load(name, size, **how)  # as Pillow itself does for its own font
        asked.append((name, size))
        if name == "none.ttf":
            raise OSError("cannot open resource")
        return font

    monkeypatch.setattr(lettering_module, "OTHER_FONTS", ("none.ttf", "some.ttf"))
    monkeypatch.setattr(lettering_module.ImageFont, "truetype", truetype)
    assert font_for(["cat"], 13).getname() == font.getname()
    assert asked == []
    assert font_for(["猫"], 13).getname() == font.getname()
    assert asked == [("none.ttf", 13), ("some.ttf", 13)]
