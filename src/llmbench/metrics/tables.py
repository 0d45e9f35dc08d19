"""Makes one table of request records: a row for each request, and columns for the formulas."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from operator import attrgetter
from types import NoneType
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llmbench.metrics import formulas
from llmbench.records import RequestRecord

CHUNK = 8192  # records that are turned into columns at once, so that memory stays bounded
EVENTS = ("event_ns", "event_tokens", "bounded_events")
"""The fields with an entry for each event; the table has them only on request."""

DERIVED: dict[str, Callable[[pd.DataFrame], "pd.Series[float]"]] = {
    "latency_ms": formulas.latency_ms,
    "ttft_ms": formulas.ttft_ms,
    "first_tokens": formulas.first_event_tokens,
    "ttft_uncertainty_ms": formulas.ttft_uncertainty_ms,
    "answer_ttft_ms": formulas.answer_ttft_ms,
    "time_per_token_ms": formulas.time_per_token_ms,
    "throughput_tokens_per_s": formulas.throughput_tokens_per_s,
    "scheduled_latency_ms": formulas.scheduled_latency_ms,
    "scheduled_ttft_ms": formulas.scheduled_ttft_ms,
    "schedule_delay_ms": formulas.schedule_delay_ms,
    "client_lag_ms": formulas.client_lag_ms,
    "server_ttft_ms": formulas.server_ttft_ms,
    "server_time_per_token_ms": formulas.server_time_per_token_ms,
    "ttft_unaccounted_ms": formulas.ttft_unaccounted_ms,
    "unaccounted_ms": formulas.unaccounted_ms,
    "outside_server_ms": formulas.outside_server_ms,
}
"""The columns that are computed from others, each with its formula."""

_FIELDS = tuple(name for name in RequestRecord.__struct_fields__ if name not in EVENTS)
_TYPES = get_type_hints(RequestRecord)

Column = NDArray[Any] | pd.arrays.IntegerArray


def table(records: Iterable[RequestRecord], *, with_events: bool = False) -> pd.DataFrame:
    """`records` as a table: their fields, `ok`, and a column for each formula in `DERIVED`.

    For the events it has `token_events` (how many held tokens), `bounded` (how many of them before
    the last had a bounded stamp), `gaps_ms` (the inter-token gaps of the request, float32) and
    `chunk_gaps_ms` (the gaps between its token events); with `with_events` it has every stamp too.
    Whole numbers that may be unknown are nullable ``Int64``; other unknown values are NaN.
    """
    chunks = [_columns(rows, with_events) for rows in _chunks(records)] or [
        _columns([], with_events)
    ]
    frame = pd.DataFrame({name: _join([c[name] for c in chunks]) for name in chunks[0]})
    frame["ok"] = frame["error_kind"].isna()
    derived = {name: formula(frame) for name, formula in DERIVED.items()}
    return pd.concat([frame, pd.DataFrame(derived)], axis=1)


def _chunks(records: Iterable[RequestRecord]) -> Iterator[list[RequestRecord]]:
    rest = iter(records)
    while rows := list(islice(rest, CHUNK)):
        yield rows


def _columns(rows: Sequence[RequestRecord], with_events: bool) -> dict[str, Column]:
    """The columns of some rows; those of events are reduced to counts and gaps."""
    values = zip(*map(attrgetter(*_FIELDS), rows), strict=True) if rows else ((),) * len(_FIELDS)
    columns = {
        name: _array(_TYPES[name], column) for name, column in zip(_FIELDS, values, strict=True)
    }
    events = [r.event_ns for r in rows]
    tokens = [event_tokens(r) for r in rows]
    columns["bounded"] = np.fromiter(map(_bounded_inside, rows), np.int64, len(rows))
    columns["token_events"] = np.fromiter(map(len, events), np.int64, len(rows))
    columns["gaps_ms"] = columns["chunk_gaps_ms"] = _gaps(events, [()] * len(rows))
    if any(tokens):
        columns["gaps_ms"] = _gaps(events, tokens)
    if with_events:
        columns |= {name: _objects([getattr(r, name) for r in rows]) for name in EVENTS}
    return columns


def event_tokens(record: RequestRecord) -> tuple[int, ...]:
    """How many tokens each event held; empty if it was one for each.

    Where the server gives only their sum, and that is clearly more than one for each event, these
    are whole numbers as near to equal shares as possible, by the same rule as
    `formulas.first_event_tokens`.
    """
    events, tokens = len(record.event_ns), record.output_tokens or 0
    if record.event_tokens or not events or tokens <= formulas.SEVERAL_TOKENS * events:
        return record.event_tokens
    ends = [(2 * tokens * n + events) // (2 * events) for n in range(events + 1)]
    return tuple(end - start for start, end in pairwise(ends))


def _bounded_inside(record: RequestRecord) -> int:
    """The number of bounded events without the last, which most servers send with the end."""
    bounded = record.bounded_events
    return len(bounded) - bool(bounded and bounded[-1][0] == len(record.event_ns) - 1)


def _array(hint: Any, values: Sequence[Any]) -> Column:
    """One field's `values` as an array of the type that its `hint` calls for."""
    if hint is int:
        return np.array(values, dtype=np.int64)
    if set(get_args(hint)) == {int, NoneType}:
        known = np.array([0 if v is None else v for v in values], dtype=np.int64)
        return pd.arrays.IntegerArray(known, np.array([v is None for v in values], dtype=bool))
    if hint is float or set(get_args(hint)) == {float, NoneType}:
        return np.array(values, dtype=np.float64)
    return np.array(values, dtype=object)


def _join(parts: Sequence[Column]) -> Any:
    """The chunks of one column joined to one column; texts get pandas' own string type."""
    if isinstance(parts[0], pd.arrays.IntegerArray):
        return pd.concat([pd.Series(part) for part in parts], ignore_index=True)
    whole = np.concatenate(parts)
    holds_texts = whole.dtype == object and not (whole.size and isinstance(whole[0], _EVENT_TYPES))
    return pd.array(whole, dtype="str") if holds_texts else whole


_EVENT_TYPES = (np.ndarray, tuple)


def _gaps(events: Sequence[tuple[int, ...]], tokens: Sequence[tuple[int, ...]]) -> NDArray[Any]:
    """The gaps between each row's tokens; an event of k tokens gives k gaps of 1 / k of its gap."""
    counts = np.fromiter(map(len, events), np.int64, len(events))
    stamps = np.fromiter(chain.from_iterable(events), np.int64, int(counts.sum()))
    if stamps.size == 0:
        return _objects([np.empty(0, np.float32)] * len(events))
    later = np.ones(stamps.size, dtype=bool)
    later[(np.cumsum(counts) - counts)[counts > 0]] = False
    gaps = (np.diff(stamps, prepend=0) / 1e6)[later]
    lengths = np.maximum(counts - 1, 0)
    if any(tokens):
        held = chain.from_iterable(t or (1,) * len(e) for e, t in zip(events, tokens, strict=True))
        weights = np.maximum(np.fromiter(held, np.int64, stamps.size)[later], 1)
        gaps = np.repeat(gaps / weights, weights)
        ends = np.concatenate(([0], np.cumsum(weights)))[np.cumsum(lengths)]
    else:
        ends = np.cumsum(lengths)
    small, starts = gaps.astype(np.float32), np.concatenate(([0], ends[:-1]))
    return _objects([small[a:b] for a, b in zip(starts, ends, strict=True)])


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    """`values` as an array of objects, whatever their lengths."""
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array
