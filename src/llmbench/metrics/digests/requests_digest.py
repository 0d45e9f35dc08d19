"""One repeat's requests reduced to what charts, page and replay show besides its summary."""

import numpy as np
import pandas as pd
from msgspec import Struct

from llmbench.cells import Ramp
from llmbench.metrics.capacity.curves import Point
from llmbench.metrics.capacity.ramps import ramp_curve
from llmbench.metrics.digests.thinning import Values, thinned
from llmbench.metrics.digests.timeline import Timeline, timeline_of
from llmbench.metrics.selection import select
from llmbench.records import CellRun
from llmbench.results import CellSummary

QUANTITIES = ("ttft_ms", "time_per_token_ms", "latency_ms")

WINDOW_KEPT = 1_001
"""Most values of a quantity in the window: ten times as fine as a drawn curve of 101 points."""

MEASURED_KEPT = 9_991
"""Most values of a quantity to replay: ten times as fine as an entry of 1,000 rounds."""

SLOTS = 40
RAMP_SLOTS = 120


class FailureKind(Struct, frozen=True):
    """Failures of one kind, with one of their messages."""

    kind: str
    count: int
    example: str


class RequestsDigest(Struct, frozen=True):
    """What is kept of one repeat's requests; `measured` and `window` by quantity (ms)."""

    records: int  # warm-up too
    measured: dict[str, Values]  # of all measured successes
    window: dict[str, Values]  # of those sent in the steady window
    failures: tuple[FailureKind, ...]  # of measured requests, by kind
    timeline: Timeline
    ramp: tuple[Point, ...] = ()  # its steps, by users


def requests_digest(run: CellRun, summary: CellSummary, requests: pd.DataFrame) -> RequestsDigest:
    """The digest of the `requests` (`llmbench.metrics.table`) of the repeat `run`."""
    is_ramp = isinstance(run.cell.shape, Ramp)
    measured = select(requests, requests["phase"] == "measured")
    good = select(measured, measured["ok"])
    return RequestsDigest(
        records=len(requests),
        measured=_values(good, MEASURED_KEPT),
        window=_values(_in_window(good, summary), WINDOW_KEPT),
        failures=failures_of(measured),
        timeline=timeline_of(requests, RAMP_SLOTS if is_ramp else SLOTS),
        ramp=tuple(ramp_curve(run, requests)) if is_ramp else (),
    )


def failures_of(measured: pd.DataFrame) -> tuple[FailureKind, ...]:
    """The failures of measured requests by kind, each with the first message there is."""
    failed = ~measured["ok"] & (measured["error_kind"] != "hung_up")
    if not failed.any():
        return ()
    groups = measured[failed].groupby("error_kind", sort=True)["error"]
    return tuple(
        FailureKind(str(kind), len(texts), str(next(iter(texts.dropna()), "")))
        for kind, texts in groups
    )


def _values(good: pd.DataFrame, most: int) -> dict[str, Values]:
    return {name: thinned(good[name].dropna().to_numpy(np.float64), most) for name in QUANTITIES}


def _in_window(good: pd.DataFrame, summary: CellSummary) -> pd.DataFrame:
    """The requests that were sent in the steady window; all where it is not known."""
    if summary.window_start_ns is None or summary.window_end_ns is None:
        return good
    sent = good["sent_ns"]
    return good[[*QUANTITIES]][(sent >= summary.window_start_ns) & (sent <= summary.window_end_ns)]
