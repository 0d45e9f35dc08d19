"""How long a user waits before it asks a server again that could not serve it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from llmbench.load.wire.exchange import Exchange

BUSY = (429, 503, 529)
"""Statuses of a server that is there but has no room; 529 is Anthropic's."""

FIRST_S = 0.1  # the pause after a failure, doubled for each further one in a row,
MOST_S = 2.0  # up to this, so that a server that comes back is found soon

MOST_TOLD_S = 60.0
"""A server that asks for more patience than this gets no more."""


def pause_s(exchange: Exchange, failures: int) -> float:
    """The pause after the last of `failures` in a row; the server's ``Retry-After`` counts."""
    told = retry_after_s(exchange.headers) if exchange.status in BUSY else None
    if told is None:
        return float(min(FIRST_S * 2 ** (failures - 1), MOST_S))
    return min(max(told, 0.0), MOST_TOLD_S)


def retry_after_s(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """The seconds that ``Retry-After`` asks for, as a number or as a date; None without it."""
    text = dict(headers).get(b"retry-after", b"").decode("latin-1").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # not a date, or one without its zone
        return None
