"""Lays out the panels of a chart and the words around them, on a slide or on a phone.

A chart asks for rows and columns of panels, and says at the end what stands around them. Where it
is drawn for a phone, the panels of a row are wrapped, as words are; the chart need not know.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from llmbench.report.charts.lettering import is_narrow, width, wrapped
from llmbench.report.charts.theme import BAD, MUTED, WARN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PHONE_PANEL_IN, PHONE_SMALL_IN = 2.0, 1.0
"""The height of a panel on a phone: as wide as the phone, and of several beside each other."""

NAME_PT, SMALL_NAME_PT = 8.5, 7.5
BAR = 0.5
"""The height of a bar, of the distance between two."""


_lines: "WeakKeyDictionary[Figure, list[list[Axes]]]" = WeakKeyDictionary()
"""The rows of panels of each figure, as the chart asked for them."""


def panels(
    rows: int, columns: int, *, each_in: float | None = None, small: bool = False, **options: Any
) -> "tuple[Figure, list[list[Axes]]]":
    """A figure of `rows` × `columns` axes; `finish` makes room for words.

    On a slide all of them are where the chart asked for them. On a phone the columns stand below
    each other, or up to three beside each other if they are `small` and of the same quantity.
    """
    from matplotlib.figure import Figure

    across = columns if not is_narrow() else _across(rows * columns, columns) if small else 1
    wraps = across < columns
    each = each_in or (3.3 if rows == 1 else max(1.35, 2.35 - 0.2 * rows))
    if is_narrow():
        each = PHONE_SMALL_IN if across > 1 else min(each, PHONE_PANEL_IN) if wraps else each
    down = -(-rows * columns // across)
    wide = width().inches if is_narrow() else max(width().inches, 0.9 + 1.7 * columns)
    figure = Figure(figsize=(wide, each * down))
    axes = list(figure.subplots(down, across, squeeze=False, **options).flat)
    for unused in axes[rows * columns :]:
        unused.remove()
    lines = [axes[k : k + columns] for k in range(0, rows * columns, columns)]
    _lines[figure] = lines
    return figure, lines


def _across(count: int, columns: int) -> int:
    """How many small panels stand beside each other on a phone; few are drawn larger."""
    return 1 if count <= 2 else 2 if count <= 6 or columns == 4 else 3


def names(axis: "Axes", texts: Sequence[str], *, most_in: float = 5.5) -> float:
    """Name the bars at y = 0, 1, … of an axis; the room that the names need on its left.

    On a phone there is none, so that each stands above its bar.
    """
    axis.set_yticks(range(len(texts)), texts)
    if not is_narrow():
        return min(most_in, 0.35 + 0.08 * max(map(len, texts)))
    axis.set_yticklabels([])
    axis.tick_params(axis="y", length=0)
    for y, text in enumerate(texts):
        axis.text(
            0.0, y - 0.27, text, transform=axis.get_yaxis_transform(), va="bottom", fontsize=NAME_PT
        )
    return 0.2


def bar_in() -> float:
    """The height of a bar with its name, in inches."""
    return 0.42 if is_narrow() else 0.3


def finish(
    figure: "Figure",
    title: str,
    note: str,
    stamp: str = "",
    handles: Sequence[Any] = (),
    *,
    between_in: tuple[float, float] = (0.62, 0.42),
    above_in: float = 0.28,
    left_in: float | None = None,
) -> "Figure":
    """Put the finding, the small print and the stamp above the axes and a legend below them.

    `between_in` is the room between columns and between rows of axes, `above_in` the room for
    what stands right above the first row.
    """
    here = width()
    wide, axes_in = (float(side) for side in figure.get_size_inches())
    down, across = figure.axes[0].get_subplotspec().get_gridspec().get_geometry()  # type: ignore[union-attr]
    left_in = here.left_in if left_in is None else left_in
    if across < len(_lines[figure][0]) or (is_narrow() and across > 1):
        between_in = _wrap(_lines[figure], across, between_in)
    stamp_above = bool(stamp) and is_narrow()
    beside_in = 0.12 * len(stamp) + 0.3 if stamp and not stamp_above else 0.0
    lines = wrapped(title, wide - 0.3 - beside_in, here.title_pt, "bold")
    small = wrapped(note, wide - 0.3, here.note_pt)
    columns = legend_columns(handles)
    legend_rows = -(-len(handles) // columns) if handles else 0
    before = 0.14 + (0.36 if stamp_above else 0)
    words = before + here.title_line_in * len(lines), here.note_line_in * len(small)
    top, bottom = sum(words) + 0.14 + above_in, 0.62 + 0.24 * legend_rows
    height = axes_in + top + bottom + between_in[1] * (down - 1)
    figure.set_size_inches(wide, height)
    one_wide = (wide - left_in - here.right_in - between_in[0] * (across - 1)) / across
    figure.subplots_adjust(
        left=left_in / wide,
        right=1 - here.right_in / wide,
        top=1 - top / height,
        bottom=bottom / height,
        wspace=between_in[0] / one_wide,
        hspace=between_in[1] / (axes_in / down),
    )
    for axis in figure.axes:
        _settle_labels(axis)
    _words(figure, lines, before)
    _words(figure, small, words[0] + 0.06, note=True)
    if stamp:
        _stamp(figure, stamp)
    if handles:
        place: Any = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.02 / height)}
        figure.legend(handles=list(handles), ncols=columns, borderaxespad=0.2, **place)
    return figure


def _wrap(
    lines: "list[list[Axes]]", across: int, between_in: tuple[float, float]
) -> tuple[float, float]:
    """Give the wrapped panels the labels of their row; the room between them."""
    label = lines[-1][0].get_xlabel()
    for line in lines:
        for axis in line:
            place = axis.get_subplotspec()
            leftmost = place is not None and place.is_first_col()
            axis.set_ylabel(line[0].get_ylabel() if leftmost else "")
    everything = [axis for line in lines for axis in line]
    for axis in everything:
        axis.tick_params(labelbottom=True)
        if across > 1:
            axis.set_xlabel("")
            axis.set_title(axis.get_title(loc="left"), loc="left", fontsize=SMALL_NAME_PT)
    for axis in everything[-across:] if across > 1 else ():
        axis.set_xlabel(label)
    labels_in = 0.24 if any(axis.get_xlabel() for axis in everything[:-across]) else 0.0
    return (0.46, max(between_in[1], 0.5) + labels_in)


_BESIDE_PT = ((4, 5), (-4, 5), (4, -11), (-4, -11), (4, 15), (-4, 15))
"""Where the label of a point may stand beside it: right or left of it, above or below."""


def _settle_labels(axis: "Axes") -> None:
    """Move the labels of points off each other and into the figure; what has no room goes."""
    from matplotlib.text import Annotation

    labels = [text for text in axis.texts if isinstance(text, Annotation)]
    taken: list[tuple[float, float, float, float]] = []
    to_pt = 72 / axis.figure.dpi
    least, most = axis.bbox.x0 * to_pt, axis.bbox.x1 * to_pt + 72 * width().right_in
    for text in labels:
        x, y = (to_pt * float(part) for part in axis.transData.transform(text.xy))
        wide, high = 0.56 * NAME_PT * len(text.get_text()), NAME_PT
        for right, up in _BESIDE_PT:
            left = x + right if right > 0 else x + right - wide
            box = (left, y + up, left + wide, y + up + high)
            if box[0] >= least and box[2] <= most and not any(_meet(box, b) for b in taken):
                taken.append(box)
                text.set_position((right, up))
                text.set_horizontalalignment("left" if right > 0 else "right")
                break
        else:
            text.remove()


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def legend_columns(handles: Sequence[Any]) -> int:
    """The number of columns that the longest label leaves room for, at most five."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    each = 0.085 * longest + 0.75 if not is_narrow() else 0.08 * longest + 0.55
    return max(1, min(5, len(handles), int((width().inches - 0.4) // each)))


def _words(figure: "Figure", lines: list[str], top_in: float, *, note: bool = False) -> None:
    wide, height = figure.get_size_inches()
    look: dict[str, Any] = {"fontsize": width().title_pt, "fontweight": "bold", "linespacing": 1.15}
    if note:
        look = {"fontsize": width().note_pt, "color": MUTED, "linespacing": 1.2}
    figure.text(0.14 / wide, 1 - top_in / height, "\n".join(lines), va="top", **look)


def _stamp(figure: "Figure", stamp: str) -> None:
    """The stamp in the corner of a slide; on a phone, above the title."""
    wide, height = figure.get_size_inches()
    colour = BAD if "INVALID" in stamp else WARN
    narrow = is_narrow()
    figure.text(
        0.2 / wide if narrow else 1 - 0.22 / wide,
        1 - 0.2 / height,
        stamp,
        ha="left" if narrow else "right",
        va="top",
        color=colour,
        fontsize=9 if narrow else 11,
        fontweight="bold",
        bbox={"boxstyle": "square,pad=0.35", "facecolor": "none", "edgecolor": colour, "lw": 1.6},
    )
