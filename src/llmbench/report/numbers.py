"""Writes numbers as people read them. ``–`` means *not known*; nothing unknown is shown as 0."""

import math
from typing import Any

UNKNOWN = "–"


def known(value: float | None) -> bool:
    """Whether `value` is a number, and not None or NaN."""
    return value is not None and not math.isnan(value)


def number(value: float | None, digits: int = 3) -> str:
    """`value` with `digits` significant digits and commas: ``1,240``, ``12.4``, ``0.05``."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(0, places)}f}"


def money(usd: float | None) -> str:
    """US dollars with three significant digits: ``$4.14``, ``$0.0031``."""
    return UNKNOWN if not known(usd) else f"${number(usd)}"


def percent(share: float | None) -> str:
    """A share of one as per cent: ``2.5 %``."""
    return UNKNOWN if share is None or math.isnan(share) else f"{number(100 * share)} %"


def size(count: float | None) -> str:
    """`count` bytes in GiB or MiB."""
    if count is None or math.isnan(count):
        return UNKNOWN
    return f"{number(count / 2**30)} GiB" if count >= 2**30 else f"{number(count / 2**20)} MiB"


def milliseconds(value: float | None) -> str:
    """Milliseconds with their unit; from ten seconds on, seconds."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return f"{number(value / 1000)} s" if value >= 10_000 else f"{number(value)} ms"


def certifiable(part: str, n: float | None) -> bool:
    """Whether `n` samples are enough for the percentile named `part`, such as ``p95``."""
    from llmbench.metrics import certifiable as enough

    return n is not None and not math.isnan(n) and enough(float(part[1:]), int(n))


def is_wide(row: Any, name: str, part: str) -> bool:
    """Whether the 95 % interval of a percentile is wider than the tolerance of its metric.

    `row` is a row of the table of cells; an interval without an end is wide.
    """
    from llmbench.verdict import tolerance_of

    value, low, high = (row[f"{name}_{part}{end}"] for end in ("", "_low", "_high"))
    if not known(value):
        return False
    bounded = known(low) and known(high)
    return not bounded or high - low > tolerance_of(name, part) * value


def quantile(row: Any, name: str, part: str) -> str:
    """Percentile `part` of `name` from a row of the table of cells; ``~`` marks a mere hint."""
    text = number(row[f"{name}_{part}"])
    return f"~{text}" if is_wide(row, name, part) else text


def interval(row: Any, name: str, part: str) -> str:
    """The 95 % interval of a percentile: ``11.9 to 13.0``; an end that is not known is –."""
    return " to ".join(number(row[f"{name}_{part}_{end}"]) for end in ("low", "high"))


def requests_done(requests: float, dropped: float) -> str:
    """How many requests were measured, and how many of them were never sent."""
    note = f" ({int(dropped)} dropped)" if dropped else ""
    return f"{int(requests):,}{note}"


def plural(count: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
