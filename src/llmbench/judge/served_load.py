"""The truth about a load: what a perfect client would report of it.

The server tells when it received each request, as the kernel stamped its last byte, and when it
made the first and the last write with tokens. A perfect client reports exactly these times; the
way through the loopback interface, some hundredths of a millisecond, is what it may differ by.
"""

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from llmbench.simulator import ServedRequest

RateWindow = Literal["whole", "steady"]


class LoadFigures(Struct, frozen=True):
    """The figures of a load, as the server did it or as a client reports it.

    ``None`` is what isn't told. Times are of the requests that succeeded, in ms; a time per token
    is (last - first token) / (tokens - 1) of a request.
    """

    requests: int
    failed: int
    ttft_p50_ms: float | None = None
    ttft_p99_ms: float | None = None
    token_p50_ms: float | None = None
    token_p99_ms: float | None = None
    requests_per_s: float | None = None
    tokens_per_s: float | None = None


class ServedLoad(Struct, frozen=True):
    """The truth of one load, and how the server was loaded.

    `begin_ns` and `end_ns` are the first receipt and the last write, `first_ns` the receipt of the
    first request of all, warm-up included; all monotonic.
    """

    figures: LoadFigures
    users_mean: float  # requests in flight
    users_most: int
    tokens: int
    first_ns: int
    begin_ns: int
    end_ns: int


def served_load(
    served: Sequence[ServedRequest], asked: int | None, rates: RateWindow
) -> ServedLoad | None:
    """The truth of the last `asked` requests that came (None: of all); None without any.

    What came earlier were the client's probes and warm-up. A request that the client hung up on
    counts only where it reports more than there are without.
    """
    stayed = [request for request in served if request.outcome != "gone"]
    counted = stayed if asked is None or asked <= len(stayed) else list(served)
    counted = sorted(counted, key=lambda it: it.received_ns)[-asked if asked else 0 :]
    if not counted:
        return None
    spans = [(it.received_ns, it.last_ns or it.received_ns) for it in counted]
    begin_ns, end_ns = min(begin for begin, _ in spans), max(end for _, end in spans)
    most, full_ns = _most_at_once(spans)
    window = (begin_ns, end_ns) if rates == "whole" else (full_ns, spans[-1][0])
    return ServedLoad(
        figures=_figures(counted, window if window[1] > window[0] else (begin_ns, end_ns)),
        users_mean=sum(end - begin for begin, end in spans) / max(end_ns - begin_ns, 1),
        users_most=most,
        tokens=sum(request.tokens for request in counted),
        first_ns=min(request.received_ns for request in served),
        begin_ns=begin_ns,
        end_ns=end_ns,
    )


def _figures(counted: Sequence[ServedRequest], window: tuple[int, int]) -> LoadFigures:
    good = [it for it in counted if it.outcome == "ok"]
    spans = [(it, it.received_ns, it.first_ns, it.last_ns) for it in good]
    streamed = [(it, came, first, last) for it, came, first, last in spans if first and last]
    ttft = [first - came for _, came, first, _ in streamed]
    token = [(last - first) / (it.tokens - 1) for it, _, first, last in streamed if it.tokens > 1]
    length_s = max(window[1] - window[0], 1) / 1e9
    requests = sum(_share(came, last, window) for _, came, _, last in streamed)
    tokens = sum(it.tokens * _share(first, last, window) for it, _, first, last in streamed)
    return LoadFigures(
        requests=len(counted),
        failed=len(counted) - len(good),
        ttft_p50_ms=_quantile(ttft, 0.50),
        ttft_p99_ms=_quantile(ttft, 0.99),
        token_p50_ms=_quantile(token, 0.50),
        token_p99_ms=_quantile(token, 0.99),
        requests_per_s=requests / length_s,
        tokens_per_s=tokens / length_s,
    )


def _share(begin_ns: int, end_ns: int, window: tuple[int, int]) -> float:
    """The share of a span that lies in the window; of a moment, whether it does."""
    if end_ns <= begin_ns:
        return float(window[0] <= begin_ns <= window[1])
    inside = min(end_ns, window[1]) - max(begin_ns, window[0])
    return max(0, inside) / (end_ns - begin_ns)


def _most_at_once(spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The most requests in flight, and when there were so many for the first time."""
    changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    when = spans[0][0]
    for moment, change in changes:
        now += change
        if now > most:
            most, when = now, moment
    return most, when


def _quantile(values_ns: Sequence[float], share: float) -> float | None:
    """A quantile in ms, which is one of the values; None without any."""
    if not values_ns:
        return None
    return sorted(values_ns)[math.ceil(share * len(values_ns)) - 1] / 1e6
