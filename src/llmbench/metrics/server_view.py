"""The server's own view of a cell beside the client's: medians of requests, or means of all."""

from typing import Any

import pandas as pd

from llmbench.metrics.percentiles import distribution
from llmbench.records import ServerSums, Sum

SAME_REQUESTS = 0.01
"""A histogram is of our requests where its count is within this share of the client's count.

Further off it saw others' requests too, or not all of ours: then nothing is compared.
"""


def server_view(good: pd.DataFrame, mine: pd.DataFrame, sums: ServerSums | None) -> dict[str, Any]:
    """The fields of `CellSummary` that begin with ``server_`` or end in ``_difference_ms``.

    `good` are the requests of the distributions, `mine` all of the cell with its warm-up: what
    the server's histograms saw. They tell the difference only where no request does.
    """
    found = _by_request(good) | parts(good)
    for name, value in _by_histogram(mine, sums or ServerSums()).items():
        if found.get(name) is None:
            found[name] = value
    return found


def parts(good: pd.DataFrame) -> dict[str, float | None]:
    """Mean times of the parts of a request, over those of which the server told its prefill.

    Queue + prefill + what nobody accounts for is their mean TTFT, and with the decoding their
    mean latency. A queue that the server doesn't tell is not known: it is in what nobody
    accounts for.
    """
    told = good[good["server_prompt_ms"].notna() & good["ttft_ms"].notna()]
    return {
        "server_queue_mean_ms": _known_mean(told["server_queue_ms"]),
        "server_prefill_mean_ms": _known_mean(told["server_prompt_ms"]),
        "server_decode_mean_ms": _known_mean(told["server_decode_ms"]),
        "ttft_unaccounted_mean_ms": _known_mean(told["ttft_unaccounted_ms"]),
        "unaccounted_mean_ms": _known_mean(told["unaccounted_ms"]),
    }


def _known_mean(values: "pd.Series[float]") -> float | None:
    """The mean; None where any value is not known, since the parts would not add up."""
    return float(values.mean()) if len(values) and values.notna().all() else None


def _by_request(good: pd.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("ttft", "time_per_token"):
        theirs = distribution(good[f"server_{name}_ms"])
        ours = distribution(good[f"{name}_ms"][good[f"server_{name}_ms"].notna()])
        found[f"server_{name}_ms"] = theirs
        found[f"{name}_difference_ms"] = ours.p50 - theirs.p50 if ours and theirs else None
    return found


def _by_histogram(mine: pd.DataFrame, sums: ServerSums) -> dict[str, float | None]:
    answered = mine[mine["ok"] | mine["first_token_ns"].notna()]
    streamed = answered[answered["first_token_ns"].notna()]
    waits = _milliseconds(streamed["first_token_ns"] - streamed["sent_ns"])
    whole = mine["latency_ms"][mine["ok"]]
    pairs = {
        "ttft": (_mean(sums.ttft, len(answered)), _own_mean(waits)),
        "time_per_token": _time_per_token(answered, sums.token),
        "latency": (_mean(sums.latency, len(whole)), _own_mean(whole)),
    }
    found: dict[str, float | None] = {}
    for name, (theirs, ours) in pairs.items():
        found[f"server_{name}_mean_ms"] = theirs
        difference = None if theirs is None or ours is None else ours - theirs
        found[f"{name}_difference_ms"] = difference
    return found


def _time_per_token(answered: pd.DataFrame, token: Sum | None) -> tuple[float | None, float | None]:
    """Theirs and ours, pooled; their count says whether it is of gaps of tokens or of events."""
    if token is None:
        return None, None
    tokens = answered["output_tokens"].fillna(answered["token_events"]).astype("float64")
    later = (tokens - answered["first_tokens"]).clip(lower=0)
    decode_ms = _milliseconds(answered["last_token_ns"] - answered["first_token_ns"])
    pooled = float(decode_ms.sum() / later.sum()) if later.sum() and decode_ms.any() else None
    if _near(token.count, float((tokens - 1).clip(lower=0).sum())):
        return token.total_ms / token.count, pooled
    events = (answered["token_events"] - 1).clip(lower=0).sum()
    if later.sum() and _near(token.count, float(events)):
        return token.total_ms / float(later.sum()), pooled
    return None, pooled


def _mean(theirs: Sum | None, requests: int) -> float | None:
    """The server's mean where it is of as many requests as the client's."""
    if theirs is None or not _near(theirs.count, requests):
        return None
    return theirs.total_ms / theirs.count


def _own_mean(values: "pd.Series[float]") -> float | None:
    return float(values.mean()) if len(values) else None


def _near(count: int, ours: float) -> bool:
    return abs(count - ours) <= SAME_REQUESTS * ours


def _milliseconds(durations_ns: "pd.Series[int]") -> "pd.Series[float]":
    return durations_ns.dropna().astype("float64") / 1e6
