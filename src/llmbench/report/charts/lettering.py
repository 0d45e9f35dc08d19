"""Breaks the words of a chart into lines that fit, by the width that they have when drawn."""

import textwrap


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
