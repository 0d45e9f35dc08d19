"""What another tool's file says of one load, by this package's definitions and in its units."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from msgspec import Struct


class UnfitField(Exception):
    """A field of a file that can't be right, or can't be read; its file is named elsewhere."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")


class Times(Struct, frozen=True):
    """One quantity of the successful requests, in ms; ``None`` is what the file doesn't hold."""

    field: str  # by which the file calls it
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class ToolMeasurement(Struct, frozen=True):
    """One load on one server, as another tool measured it.

    `load` is what was asked for, by the file's own fields: it must be the same in all files that
    are compared. `time_per_token` is (latency - TTFT) / (output tokens - 1).
    """

    cell_id: str
    load: dict[str, str]
    asked: int  # requests
    succeeded: int
    ttft: Times
    time_per_token: Times
    latency: Times
    output_tokens_per_s: float | None
    input_tokens: float | None = None  # of a request, the mean
    output_tokens: float | None = None
    duration_s: float | None = None
    requests_per_s: float | None = None  # told by the file; else succeeded / duration_s
    users: int | None = None  # None: an open loop, or not told


class ToolFile(Struct, frozen=True):
    """What one file holds, and which version of the tool wrote it, where it tells."""

    version: str | None
    measurements: tuple[ToolMeasurement, ...]


def times(field: str, figures: Mapping[str, Any] | None, *, to_ms: float = 1.0) -> Times:
    """The figures of a quantity from a mapping with the keys mean, p50, p95 and p99.

    A time of 0 is how some tools say that there is none, so it isn't known.
    """
    known = {
        name: _time(f"{field} ({name})", (figures or {}).get(name), to_ms)
        for name in ("mean", "p50", "p95", "p99")
    }
    return Times(field, **known)


def _time(field: str, value: Any, to_ms: float) -> float | None:
    if value is None or value == 0:
        return None
    if not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise UnfitField(field, f"{value!r} is not a time")
    return float(value) * to_ms


def load_text(value: Any) -> str:
    """A value of a load as text, whether it was written as 4 or as 4.0."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)
