"""One repeat of a cell over time, in slots wide enough to count something in each."""

import numpy as np
import pandas as pd
from msgspec import Struct
from numpy.typing import NDArray

from llmbench.metrics.selection import select

LEAST_IN_SLOT = 8
"""About as many requests end in a slot: fewer would show their own scatter, not the server's."""

LEAST_SLOT_NS = 250_000_000


class Timeline(Struct, frozen=True):
    """Columns of equal length, an entry for each slot; ``None`` where no request succeeded."""

    middle_ns: tuple[int, ...] = ()
    requests_per_s: tuple[float, ...] = ()
    failures_per_s: tuple[float, ...] = ()
    p50_ms: tuple[float | None, ...] = ()  # of latency
    p95_ms: tuple[float | None, ...] = ()
    in_flight: tuple[int, ...] = ()  # at the slot's middle


def timeline_of(requests: pd.DataFrame, most: int) -> Timeline:
    """The requests of one repeat, warm-up too, in at most `most` slots.

    A request counts, with its latency, in the slot in which it ended.
    """
    tried = select(requests, requests["sent_ns"].notna())
    sent = tried["sent_ns"].to_numpy(np.int64)
    done = tried["done_ns"].to_numpy(np.int64)
    if not len(sent):
        return Timeline()
    length = int(done.max() - sent.min() + 1)
    most = min(most, max(4, len(sent) // LEAST_IN_SLOT))
    width = max(LEAST_SLOT_NS, -(-length // most))
    slots = -(-length // width)
    slot = (done - sent.min()) // width
    ok = tried["ok"].to_numpy(bool)
    failed = ~ok & (tried["error_kind"] != "hung_up").to_numpy(bool)
    middle = sent.min() + width * np.arange(slots) + width // 2
    began = np.searchsorted(np.sort(sent), middle, "right")
    ended = np.searchsorted(np.sort(done), middle, "right")
    latency = pd.Series(tried["latency_ms"].to_numpy(np.float64)).groupby(slot)
    return Timeline(
        middle_ns=tuple(middle.tolist()),
        requests_per_s=_per_second(slot[ok], slots, width),
        failures_per_s=_per_second(slot[failed], slots, width),
        p50_ms=_known(latency.quantile(0.5).reindex(range(slots))),
        p95_ms=_known(latency.quantile(0.95).reindex(range(slots))),
        in_flight=tuple((began - ended).tolist()),
    )


def _per_second(slot: NDArray[np.int64], slots: int, width_ns: int) -> tuple[float, ...]:
    return tuple((np.bincount(slot, minlength=slots) / (width_ns / 1e9)).tolist())


def _known(values: "pd.Series[float]") -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)
