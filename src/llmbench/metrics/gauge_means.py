"""Works out what the servers told of themselves while a cell ran: means over time, and counts."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from llmbench.gauges import GaugeSample
from llmbench.metrics.windows import Window
from llmbench.records import CellRun

COUNTS = {
    "cache_queries": "server_cache_queries",
    "cache_hits": "server_cache_hits",
    "preemptions": "server_preemptions",
    "drafts": "server_drafts",
    "draft_tokens": "server_draft_tokens",
    "accepted_tokens": "server_accepted_tokens",
}
"""What counts from the server's start, and the field of its growth during the cell."""


def gauge_fields(
    gauges: Sequence[GaugeSample], run: CellRun, window: Window | None
) -> dict[str, Any]:
    """The fields of `CellSummary` that come from the servers' gauges; empty without readings.

    Requests that run or wait are added over replicas, shares are averaged. What any replica doesn't
    tell is not known.
    """
    of_run = [g for g in gauges if g.cell == run.cell_id and g.repeat == run.repeat]
    told = [g for g in of_run if g.error is None]
    if not of_run:
        return {}
    replicas = [
        [g for g in told if g.replica == name] for name in dict.fromkeys(g.replica for g in of_run)
    ]
    fields: dict[str, Any] = {
        "server_readings": len(told),
        "server_readings_failed": len(of_run) - len(told),
        "server_running_mean": _added(_means(replicas, "running", window)),
        "server_waiting_mean": _added(_means(replicas, "waiting", window)),
        "server_kv_usage_mean": _averaged(_means(replicas, "kv_usage", window)),
        "server_kv_usage_max": _most(told, "kv_usage", window),
        "accepted_length": _averaged(_means(replicas, "accepted_length", window)),
    }
    for counter, field in COUNTS.items():
        growth = _added([_growth(readings, counter) for readings in replicas])
        fields[field] = None if growth is None else round(growth)
    return fields | _speculation(
        fields["server_drafts"], fields["server_draft_tokens"], fields["server_accepted_tokens"]
    )


def _speculation(drafts: int | None, drafted: int | None, accepted: int | None) -> dict[str, float]:
    """The tokens of a step and the share of accepted drafts, as far as the counters tell them."""
    fields = {}
    if drafts and accepted is not None:
        fields["accepted_length"] = 1 + accepted / drafts
    if drafted and accepted is not None:
        fields["draft_acceptance"] = accepted / drafted
    return fields


def time_weighted(times_s: Sequence[float], values: Sequence[float], length_s: float) -> float:
    """The mean from 0 to `length_s` of what was read at these times in it.

    Each value holds until midway to the next one, the first from the start and the last to the end.
    """
    at = np.asarray(times_s)
    borders = np.concatenate(([0.0], (at[1:] + at[:-1]) / 2, [length_s]))
    return float(np.dot(np.diff(borders), values) / length_s)


def _means(
    replicas: Sequence[Sequence[GaugeSample]], name: str, window: Window | None
) -> list[float | None]:
    return [_mean(readings, name, window) for readings in replicas]


def _mean(readings: Sequence[GaugeSample], name: str, window: Window | None) -> float | None:
    """The mean of a gauge over the window; not known where no reading in it tells it."""
    inside = _inside(readings, name, window)
    if window is None or not inside or window.seconds <= 0:
        return None
    times_s = [(g.time_ns - window.start_ns) / 1e9 for g in inside]
    return time_weighted(times_s, [getattr(g, name) for g in inside], window.seconds)


def _most(readings: Sequence[GaugeSample], name: str, window: Window | None) -> float | None:
    return max((getattr(g, name) for g in _inside(readings, name, window)), default=None)


def _inside(readings: Sequence[GaugeSample], name: str, window: Window | None) -> list[GaugeSample]:
    if window is None:
        return []
    within = (g for g in readings if window.start_ns <= g.time_ns <= window.end_ns)
    return [g for g in within if getattr(g, name) is not None]


def _growth(readings: Sequence[GaugeSample], name: str) -> float | None:
    """What a counter grew by from first to last reading; not known where it ever went back."""
    values = [value for g in readings if (value := getattr(g, name)) is not None]
    if len(values) < 2 or any(after < before for before, after in pairwise(values)):
        return None
    return float(values[-1] - values[0])


def _added(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _averaged(parts: Sequence[float | None]) -> float | None:
    whole = _added(parts)
    return None if whole is None else whole / len(parts)
