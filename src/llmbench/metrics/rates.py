"""Works out what a cell does per second, and whether its load was the load that was asked for.

Rates count each request by the share of its time that lies in the window, so a request of which
half lies outside counts half. A window that ends in the middle of long requests therefore neither
loses nor gains any, and for one user the rates are exactly count / span.
"""

import numpy as np
import pandas as pd
from msgspec import Struct

from llmbench.cells import Shape, Users
from llmbench.metrics import formulas
from llmbench.metrics.selection import select
from llmbench.metrics.windows import Array, Window, overlap, since


class Rates(Struct, frozen=True):
    """Rates of successful requests in a window, and the time average of requests in flight."""

    requests_per_s: float
    input_tokens_per_s: float
    output_tokens_per_s: float | None
    achieved_users: float
    little_residual: float | None
    inputs_per_s: float | None = None  # of answers with a result for each input
    images_per_s: float | None = None  # that were sent beside prompts


def rates(measured: pd.DataFrame, window: Window, *, by_ends: bool = False) -> Rates:
    """The rates of a window that has some length.

    With `by_ends` a request counts where it ended, and its prompt where its first token came. In
    a queue that grows, time under way is not work done, so shares would exceed the capacity.
    """
    ok = select(measured, measured["ok"])
    sent, done = since(ok, "sent_ns", window), since(ok, "done_ns", window)
    first = _known(since(ok, "first_token_ns", window), done)
    prefill = overlap(first if by_ends else sent, first, window)
    decode = _decode_share(ok, sent, done, window)
    requests = overlap(done if by_ends else sent, done, window)
    inputs = formulas.input_tokens(ok).to_numpy(np.float64, na_value=np.nan)
    outputs = ok["output_tokens"].to_numpy(np.float64, na_value=np.nan)
    counted = bool(np.isfinite(outputs).any())
    in_flight, residual = _little(measured, window)
    return Rates(
        requests_per_s=float(requests.sum()) / window.seconds,
        input_tokens_per_s=float(np.nansum(inputs * prefill)) / window.seconds,
        output_tokens_per_s=float(np.nansum(outputs * decode)) / window.seconds
        if counted
        else None,
        achieved_users=in_flight,
        little_residual=residual,
        inputs_per_s=_each(ok["inputs"], requests, window),
        images_per_s=_each(ok["images"], requests, window),
    )


def _each(counts: "pd.Series[int]", requests: Array, window: Window) -> float | None:
    """The rate of what requests have several of; None where none has any."""
    known = counts.to_numpy(np.float64, na_value=np.nan)
    rate = float(np.nansum(known * requests)) / window.seconds
    return rate if np.isfinite(known).any() else None


def delivered_share(measured: pd.DataFrame, window: Window, shape: Shape) -> float | None:
    """Achieved over asked load; below 1 the client, not the server, held the load back.

    In a closed loop this is the share of the users' time in which they had a request (or its
    connection) under way, times users seen / users asked. In an open loop it is requests sent /
    scheduled, times the schedule's span / the sends' span. A ramp's steps are judged one by one.
    """
    if shape.is_open_loop:
        return _delivered_rate(measured)
    return _delivered_users(measured, window, shape) if isinstance(shape, Users) else None


def _little(measured: pd.DataFrame, window: Window) -> tuple[float, float | None]:
    """The time average L of requests in flight, and |L - lambda W| / L (Little 1961).

    lambda counts the sends in the window and W is their mean time. In a steady window both sides
    agree, but for what its two ends cut off.
    """
    tried = select(measured, measured["sent_ns"].notna())
    sent, done = since(tried, "sent_ns", window), since(tried, "done_ns", window)
    length = float(window.end_ns - window.start_ns)
    in_flight = float((overlap(sent, done, window) * (done - sent)).sum()) / length
    arrived = (sent >= 0) & (sent < length)
    product = float((done - sent)[arrived].sum()) / length
    return in_flight, abs(in_flight - product) / in_flight if in_flight > 0 else None


def _delivered_users(measured: pd.DataFrame, window: Window, shape: Users) -> float:
    tried = select(measured, measured["sent_ns"].notna())
    sent, done = since(tried, "sent_ns", window), since(tried, "done_ns", window)
    connect = tried["connect_ns"].fillna(0).to_numpy(np.float64)
    busy = float((overlap(sent, done, window) * (done - sent)).sum())
    waits = [tried[name].fillna(0).to_numpy(np.float64) for name in ("paused_ns", "think_ns")]
    asked_to_wait = connect + np.sum(waits, axis=0)
    joining = float(asked_to_wait[(sent > 0) & (sent < window.end_ns - window.start_ns)].sum())
    users = tried["user"].to_numpy()
    first = pd.Series(sent).groupby(users).min().to_numpy()
    last = pd.Series(done).groupby(users).max().to_numpy()
    high = float(window.end_ns - window.start_ns)
    active = float((np.minimum(last, high) - np.maximum(first, 0)).sum())
    return min(1.0, (busy + joining) / active) * min(1.0, len(first) / shape.users)


def _delivered_rate(measured: pd.DataFrame) -> float:
    sent = measured["sent_ns"].dropna()
    if sent.empty:
        return 0.0
    share = len(sent) / len(measured)
    planned = int(measured["scheduled_ns"].max()) - int(measured["scheduled_ns"].min())
    needed = int(sent.max()) - int(sent.min())
    return share * min(1.0, planned / needed) if needed > 0 else share


def _decode_share(ok: pd.DataFrame, sent: Array, done: Array, window: Window) -> Array:
    """The share of each request's decode span in the window; its whole time without a stream."""
    first = _known(since(ok, "first_token_ns", window), sent)
    last = _known(since(ok, "last_token_ns", window), done)
    return overlap(first, last, window)


def _known(values: Array, otherwise: Array) -> Array:
    return np.where(np.isnan(values), otherwise, values)
