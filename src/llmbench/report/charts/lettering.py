"""How wide charts are drawn, for a slide or a phone, and words broken into lines that fit."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct


class Width(Struct, frozen=True):
    """How wide a chart is, the room beside its panels, and the sizes of its words."""

    inches: float
    left_in: float
    right_in: float
    title_pt: float
    note_pt: float
    title_line_in: float  # from one line of a title to the next
    note_line_in: float
    label_pt: float  # of axes and legends
    tick_pt: float
    most_users: int  # that an axis names


SLIDE = Width(10.0, 0.92, 0.22, 15.0, 10.0, 0.27, 0.2, 11.0, 10.0, 7)
PHONE = Width(3.9, 0.7, 0.14, 12.5, 9.0, 0.225, 0.18, 9.5, 8.5, 3)
"""A phone's width at 96 pixels an inch, so that words are read there at the size they have here."""

_width: ContextVar[Width] = ContextVar("width", default=SLIDE)


@contextmanager
def on_a_phone() -> Iterator[None]:
    """Draw charts for a phone while the context is open."""
    before = _width.set(PHONE)
    try:
        yield
    finally:
        _width.reset(before)


def width() -> Width:
    """The width for which charts are drawn now."""
    return _width.get()


def is_narrow() -> bool:
    """Whether charts are drawn for a phone now."""
    return _width.get() is PHONE


def wrapped(text: str, width_in: float, points: float, weight: str = "normal") -> list[str]:
    """The text in lines that fit into a width; a word that is wider is broken."""
    fits = max(1, int(len(text) * width_in / max(0.01, _width_in(text, points, weight))))
    lines = textwrap.wrap(text, fits)
    while fits > 1 and any(_width_in(line, points, weight) > width_in for line in lines):
        fits -= 1
        lines = textwrap.wrap(text, fits)
    return lines


def _width_in(text: str, points: float, weight: str) -> float:
    """How wide a line of text is, in inches."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(weight=weight)))
    font.set_size(points, 72)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64 / 72
