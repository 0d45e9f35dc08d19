"""Reads the server's own sums and counts from ``/metrics``, before and after a load.

vLLM, SGLang, LMDeploy and TGI publish their times only as Prometheus histograms since their start.
The difference between two readings is what was counted in between. Nothing here fails a cell: if
the page is missing, slow, or an error, then the server's own view is not known.
"""

import math
import time
from collections.abc import Mapping

import httpx

from llmbench.records import Endpoint, ServerSums, Sum
from llmbench.servers.readiness.http import get, http_client

NAMES = {
    "ttft": (
        "vllm:time_to_first_token_seconds",
        "sglang:time_to_first_token_seconds",
        "lmdeploy:time_to_first_token_seconds",
    ),
    "token": (
        "vllm:inter_token_latency_seconds",
        "vllm:time_per_output_token_seconds",  # older
        "sglang:inter_token_latency_seconds",
        "sglang:time_per_output_token_seconds",  # older
        "lmdeploy:iter_token_latency",
        "lmdeploy:time_per_output_token_seconds",
    ),
    "latency": (
        "vllm:e2e_request_latency_seconds",
        "sglang:e2e_request_latency_seconds",
        "lmdeploy:e2e_request_latency_seconds",
        "tgi_request_duration",
    ),
}
"""The histograms (in seconds) of each quantity; the first that counted something is used.

TGI has no histogram of the time to the first token, and its mean time per token includes the
processing of the prompt, so only its whole latency can be compared with ours.
"""

TIMEOUT_S = 2.0
SETTLING_READS, SETTLING_S = 10, 0.05
"""How often, and at what interval, the page is read until its counts stand still.

A server may count its last request just after that request's last byte.
"""

Readings = Mapping[str, tuple[int, float]]
"""The count and the sum (in seconds) of each histogram of `NAMES` that a page holds."""


def read_histograms(endpoint: Endpoint) -> Readings | None:
    """The present histograms, those of several instances added up.

    None where a server has no such page or it can't be read.
    """
    pages = [_readings(replica) for replica in endpoint.replicas]
    known = [page for page in pages if page is not None]
    if len(known) < len(pages):
        return None
    totals: dict[str, tuple[int, float]] = {}
    for name, (count, seconds) in (pair for page in known for pair in page.items()):
        before = totals.get(name, (0, 0.0))
        totals[name] = before[0] + count, before[1] + seconds
    return totals


def _readings(endpoint: Endpoint) -> Readings | None:
    """What the page of one server says."""
    try:
        with http_client(endpoint.base_url, endpoint.client, TIMEOUT_S) as http:
            page = _page(http)
        return None if page is None else parse(page)
    except (httpx.HTTPError, OSError, ValueError):
        return None


def sums_since(before: Readings | None, endpoint: Endpoint) -> ServerSums | None:
    """What the server counted since `before`, once its counts stand still; None: not known."""
    if before is None:
        return None
    after = _settled(endpoint, before)
    return None if after is None else between(before, after)


def parse(text: str) -> Readings:
    """Parse a page in Prometheus' text format, adding up the series of all labels.

    A page in another format raises `ValueError`.
    """
    from prometheus_client.parser import text_string_to_metric_families

    totals: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    readings = {}
    for name in (name for names in NAMES.values() for name in names):
        count, total = totals.get(f"{name}_count"), totals.get(f"{name}_sum")
        if count is not None and total is not None and math.isfinite(count + total):
            readings[name] = (round(count), total)
    return readings


def between(before: Readings, after: Readings) -> ServerSums | None:
    """The differences between two readings; None where none of `NAMES` counted anything.

    A histogram that appears only in `after` began at 0. One that went back was reset in between,
    so its difference is not known.
    """
    sums = {quantity: _first(names, before, after) for quantity, names in NAMES.items()}
    return ServerSums(**sums) if any(sums.values()) else None


def _page(http: httpx.Client) -> str | None:
    """The whole page, read within `TIMEOUT_S`; None where the server answers with an error."""
    response, body = get(http, "/metrics")
    return body.decode("utf-8", "replace") if response.status_code == 200 else None


def _settled(endpoint: Endpoint, before: Readings) -> Readings | None:
    last = read_histograms(endpoint)
    for _ in range(SETTLING_READS if last and last != before else 0):
        time.sleep(SETTLING_S)
        now = read_histograms(endpoint)
        if now == last:
            break
        last = now
    return last


def _first(names: tuple[str, ...], before: Readings, after: Readings) -> Sum | None:
    for name in names:
        if name not in after:
            continue
        count, seconds = after[name]
        old_count, old_seconds = before.get(name, (0, 0.0))
        if count > old_count and seconds >= old_seconds:
            return Sum(count - old_count, (seconds - old_seconds) * 1e3)
    return None
