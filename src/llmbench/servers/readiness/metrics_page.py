"""What a server counted of itself in ``/metrics``: sums and counts before and after a load.

vLLM, SGLang, LMDeploy and TGI tell their times only as Prometheus histograms since their start.
The difference of two readings is what lies between them. Nothing here fails a cell: a server
without the page, with an error on it, or slow to give it, is one that tells nothing.
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
"""Histograms in seconds for each quantity; the first that counted something is taken.

TGI has none of the time to the first token, and its mean time per token counts the prompt's
processing in: its whole latency is what can be held against ours.
"""

TIMEOUT_S = 2.0
SETTLING_READS, SETTLING_S = 10, 0.05
"""A server may count its last request just after that request's last byte: how often to look."""

Readings = Mapping[str, tuple[int, float]]
"""Count and sum (seconds) of each histogram of `NAMES` that a page holds."""


def read_histograms(endpoint: Endpoint) -> Readings | None:
    """The histograms now; None where the server has no such page or it can't be read."""
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
    """A page in Prometheus' text format, series of all labels added up; `ValueError`: not one."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    readings = {}
    for name in (name for names in NAMES.values() for name in names):
        count, total = found.get(f"{name}_count"), found.get(f"{name}_sum")
        if count is not None and total is not None and math.isfinite(count + total):
            readings[name] = (round(count), total)
    return readings


def between(before: Readings, after: Readings) -> ServerSums | None:
    """The differences of two readings; None where nothing known was counted in between.

    A histogram that appears only in `after` began at 0. One that went back was reset in between:
    then nothing is known of it.
    """
    found = {quantity: _first(names, before, after) for quantity, names in NAMES.items()}
    return ServerSums(**found) if any(found.values()) else None


def _page(http: httpx.Client) -> str | None:
    """The page, unless it is an error; all of it within `TIMEOUT_S`."""
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
