"""Compares the server's own view of a cell with the client's: medians of requests, or means."""

from typing import Any

import pandas as pd

from llmbench.metrics import formulas
from llmbench.metrics.percentiles import distribution
from llmbench.metrics.selection import select
from llmbench.records import ServerSums, Sum

SAME_REQUESTS = 0.01
"""A histogram is about our requests if its count is within this share of the client's count.

Otherwise it also saw requests of others, or not all of ours, and nothing is compared.
"""

OVERRUN_MS, OVERRUN_SHARE = 2.0, 0.02
"""A time that the server tells doesn't fit if it is longer than the client's by more than this."""


def server_view(
    good: pd.DataFrame, of_run: pd.DataFrame, sums: ServerSums | None
) -> dict[str, Any]:
    """The fields of `CellSummary` that begin with ``server_`` or end in ``_difference_ms``.

    `good` are the requests of the distributions. `of_run` are all requests of the cell with its
    warm-up, which the server's histograms saw. The histograms are used only where no request
    gives the difference.
    """
    fields = _by_request(good) | parts(good) | _drafts(good) | _on_the_way(good, of_run)
    for name, value in _by_histogram(of_run, sums or ServerSums()).items():
        if fields.get(name) is None:
            fields[name] = value
    return fields


def parts(good: pd.DataFrame) -> dict[str, float | None]:
    """The mean times of the parts of a request, over the requests whose prefill time is known.

    Queue + prefill + the unaccounted time is their mean TTFT; with the decoding it is their mean
    latency. A queue that the server doesn't report is not known, so it is unaccounted for.
    """
    of_parts = good[
        [
            "server_queue_ms",
            "server_prompt_ms",
            "server_decode_ms",
            "ttft_unaccounted_ms",
            "unaccounted_ms",
        ]
    ]
    split = of_parts[good["server_prompt_ms"].notna() & good["ttft_ms"].notna()]
    return {
        "server_queue_mean_ms": _known_mean(split["server_queue_ms"]),
        "server_prefill_mean_ms": _known_mean(split["server_prompt_ms"]),
        "server_decode_mean_ms": _known_mean(split["server_decode_ms"]),
        "ttft_unaccounted_mean_ms": _known_mean(split["ttft_unaccounted_ms"]),
        "unaccounted_mean_ms": _known_mean(split["unaccounted_ms"]),
    }


def _known_mean(values: "pd.Series[float]") -> float | None:
    """The mean; None where any value is not known, since then the parts would not add up."""
    return float(values.mean()) if len(values) and values.notna().all() else None


def _drafts(good: pd.DataFrame) -> dict[str, float | None]:
    """What speculative decoding came to, over the requests that tell.

    The first token comes from the prompt. Each step brings its accepted drafts and one token more.
    """
    tells = good["accepted_tokens"].notna() & good["output_tokens"].notna()
    if not tells.any():
        return dict.fromkeys(("accepted_length", "draft_acceptance"))
    told = good[tells]
    later = told["output_tokens"].astype("float64") - 1
    accepted = told["accepted_tokens"].astype("float64")
    steps = told["verify_steps"].astype("Float64").fillna(later - accepted).sum()
    drafted = told["drafted_tokens"].dropna().sum()
    drafts = told["accepted_tokens"][told["drafted_tokens"].notna()].sum()
    return {
        "accepted_length": float(later.sum() / steps) if steps > 0 else None,
        "draft_acceptance": float(drafts / drafted) if drafted else None,
    }


def _on_the_way(good: pd.DataFrame, of_run: pd.DataFrame) -> dict[str, Any]:
    """What passes outside of the server's clock, and requests whose times it doesn't fit into."""
    connects = of_run["connect_ns"].dropna()
    first, whole = good["server_ttft_ms"], formulas.server_whole_ms(good)
    theirs, ours = pd.concat([first, whole]), pd.concat([good["ttft_ms"], good["latency_ms"]])
    wrong = (theirs - ours > OVERRUN_MS + OVERRUN_SHARE * ours).to_numpy()
    requests = int((first.notna() | whole.notna()).sum())
    return {
        "outside_server_ms": distribution(good["outside_server_ms"]),
        "connect_ms": float(connects.median()) / 1e6 if len(connects) else None,
        "clock_overrun_share": theirs.index[wrong].nunique() / requests if requests else None,
        "clock_overrun_told_ms": float(theirs[wrong].median()) if wrong.any() else None,
        "clock_overrun_seen_ms": float(ours[wrong].median()) if wrong.any() else None,
    }


def _by_request(good: pd.DataFrame) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in ("ttft", "time_per_token"):
        theirs = distribution(good[f"server_{name}_ms"])
        ours = distribution(good[f"{name}_ms"][good[f"server_{name}_ms"].notna()])
        fields[f"server_{name}_ms"] = theirs
        fields[f"{name}_difference_ms"] = ours.p50 - theirs.p50 if ours and theirs else None
    return fields


def _by_histogram(of_run: pd.DataFrame, sums: ServerSums) -> dict[str, float | None]:
    answered = select(of_run, of_run["ok"] | of_run["first_token_ns"].notna())
    streamed = select(answered, answered["first_token_ns"].notna())
    waits = _milliseconds(streamed["first_token_ns"] - streamed["sent_ns"])
    whole = of_run["latency_ms"][of_run["ok"]]
    pairs = {
        "ttft": (_mean(sums.ttft, len(answered)), _own_mean(waits)),
        "time_per_token": _time_per_token(answered, sums.token),
        "latency": (_mean(sums.latency, len(whole)), _own_mean(whole)),
    }
    fields: dict[str, float | None] = {}
    for name, (theirs, ours) in pairs.items():
        fields[f"server_{name}_mean_ms"] = theirs
        difference = None if theirs is None or ours is None else ours - theirs
        fields[f"{name}_difference_ms"] = difference
    return fields


def _time_per_token(answered: pd.DataFrame, token: Sum | None) -> tuple[float | None, float | None]:
    """Their mean and ours; their count says whether theirs is of gaps between tokens or events."""
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
    """The server's mean, if it is of as many requests as the client's."""
    if theirs is None or not _near(theirs.count, requests):
        return None
    return theirs.total_ms / theirs.count


def _own_mean(values: "pd.Series[float]") -> float | None:
    return float(values.mean()) if len(values) else None


def _near(count: int, ours: float) -> bool:
    return abs(count - ours) <= SAME_REQUESTS * ours


def _milliseconds(durations_ns: "pd.Series[int]") -> "pd.Series[float]":
    return durations_ns.dropna().astype("float64") / 1e6
