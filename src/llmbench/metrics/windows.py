"""Finds the steady window of a cell, in which the load is as asked, without start and drain.

In a closed loop it lasts from the latest of the users' first measured sends to the earliest of
their last measured ends, so that every user is active all the time; a request belongs to it if it
was sent in it. In an open loop it lasts from the moment at which the server, empty at first, has
filled up to the last scheduled deadline, which leaves out the drain; every request that is
scheduled in it belongs to it.
If that window has fewer successes than there are users, or none (one request each, all failed),
the window is the whole of [first send, last end], and `rule` says so.
"""

from typing import Literal

import numpy as np
import pandas as pd
from msgspec import Struct
from numpy.typing import NDArray

from llmbench.cells import Ramp, Shape
from llmbench.metrics.selection import select

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FIRST = 10
"""The longest latency of this many requests says how long an empty server takes to fill up."""


class Window(Struct, frozen=True):
    """An interval on the wall clock, and the rule by which it was found."""

    start_ns: int
    end_ns: int
    rule: Literal["steady", "whole"]

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


def find(measured: pd.DataFrame, shape: Shape) -> Window | None:
    """The window of a cell's measured requests; None when no request was ever sent."""
    sent = select(measured, measured["sent_ns"].notna())
    if sent.empty:
        return None
    steady = _open(sent) if shape.is_open_loop else _closed(sent)
    if steady.end_ns > steady.start_ns and _enough(measured, sent, steady, shape):
        return steady
    return Window(int(sent["sent_ns"].min()), int(sent["done_ns"].max()), "whole")


def members(measured: pd.DataFrame, window: Window, shape: Shape) -> Mask:
    """Which requests belong to the window, and so to its distributions (including failures)."""
    if window.rule == "whole":
        return measured["sent_ns"].notna().to_numpy(np.bool_)
    moment = since(measured, "scheduled_ns" if shape.is_open_loop else "sent_ns", window)
    length = window.end_ns - window.start_ns
    inside = (moment >= 0) & ((moment <= length) if shape.is_open_loop else (moment < length))
    return np.asarray(inside, dtype=np.bool_)


def asked(measured: pd.DataFrame, window: Window | None, shape: Shape) -> Mask:
    """`members`, and the scheduled requests that were never sent (no connection, dropped)."""
    everything = np.ones(len(measured), dtype=np.bool_)
    if window is None or window.rule == "whole":
        return everything
    never = measured["sent_ns"].isna().to_numpy(np.bool_)
    moment = since(measured, "scheduled_ns", window)
    planned = (moment >= 0) & (moment <= window.end_ns - window.start_ns)
    return members(measured, window, shape) | (never & planned)


def since(requests: pd.DataFrame, column: str, window: Window) -> Array:
    """The exact nanoseconds from the window's start to an instant; NaN where not known."""
    instants = requests[column] - window.start_ns
    return instants.to_numpy(np.float64, na_value=np.nan)


def overlap(begin: Array, end: Array, window: Window) -> Array:
    """The share of each span [begin, end] (ns since the window's start) that lies in the window.

    A span without length counts whole if it lies inside; an unknown bound gives 0.
    """
    length, high = end - begin, float(window.end_ns - window.start_ns)
    inside = np.clip(np.minimum(end, high) - np.maximum(begin, 0), 0, None)
    point = ((begin >= 0) & (begin <= high)).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(length > 0, inside / length, point)
    return np.nan_to_num(share, nan=0.0)


def _enough(measured: pd.DataFrame, sent: pd.DataFrame, steady: Window, shape: Shape) -> bool:
    """Whether the steady window has a success for each user, and users sent more than once."""
    if isinstance(shape, Ramp):
        return False
    inside = members(measured, steady, shape) & measured["ok"].to_numpy(np.bool_)
    if shape.is_open_loop:
        return bool(inside.any())
    each = sent["user"].value_counts()
    return bool(each.max() > 1 or len(sent) == 1) and int(inside.sum()) >= len(each)


def _closed(sent: pd.DataFrame) -> Window:
    users = sent.groupby("user")
    start, end = users["sent_ns"].min().max(), users["done_ns"].max().min()
    return Window(int(start), int(end), "steady")


def _open(sent: pd.DataFrame) -> Window:
    """The window up to the last deadline of the worker that ends first, as each ends by itself."""
    sent = arrivals(sent)
    begin_ns = int(sent["scheduled_ns"].min())
    end_ns = sent.groupby("worker")["scheduled_ns"].max().min()
    return Window(begin_ns + filling_ns(sent), int(end_ns), "steady")


def filling_ns(requests: pd.DataFrame) -> int:
    """How long the server took to fill up, in nanoseconds from the first deadline."""
    begin_ns = int(requests["scheduled_ns"].min())
    due_s = ((requests["scheduled_ns"] - begin_ns) / 1e9).to_numpy(np.float64)
    done_s = ((requests["done_ns"] - begin_ns) / 1e9).to_numpy(np.float64)
    return round(filling(due_s, done_s) * 1e9)


def arrivals(requests: pd.DataFrame) -> pd.DataFrame:
    """The requests that came by themselves: all but the later turns of conversations."""
    if "turn" not in requests:
        return requests
    return requests[~(requests["turn"] > 1).fillna(False).to_numpy(np.bool_)]


def while_growing(measured: pd.DataFrame) -> Window | None:
    """The part of an open loop's schedule in which a growing queue would be seen to grow.

    It is the window of `_open`, but at most half of the schedule is left out, since latencies that
    rise all the time would leave nothing.
    """
    sent = select(measured, measured["sent_ns"].notna())
    if sent.empty:
        return None
    steady, first_ns = _open(sent), int(sent["scheduled_ns"].min())
    start_ns = min(steady.start_ns, (first_ns + steady.end_ns) // 2)
    return Window(start_ns, steady.end_ns, "steady") if steady.end_ns > start_ns else None


def filling(due_s: Array, done_s: Array) -> float:
    """The seconds from an open loop's first deadline until requests in flight have levelled off.

    An empty server fills up for as long as a request takes. So this is the longest latency of the
    first `FIRST` requests, or the p95 of those that were due within that time, if that is longer.
    """
    order = np.argsort(due_s, kind="stable")
    since, latency = due_s[order] - due_s[order[0]], (done_s - due_s)[order]
    first = float(latency[:FIRST].max())
    return max(first, float(np.quantile(latency[since <= first], 0.95)))
