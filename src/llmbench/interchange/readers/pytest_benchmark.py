"""Reads the JSON that pytest-benchmark writes of our benchmarks (``--benchmark-json``).

Each cell has an entry for each metric, with its percentiles in ``extra_info``; a file is one
repeat, as its entries are over all repeats of its session.
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.interchange.measurements import Times, ToolFile, ToolMeasurement, UnfitField, times

DEFINITION = (
    "pytest-benchmark: a file is one repeat, with the percentiles of all requests of its session; "
    "a run's directory or a stored baseline has each repeat, and tells more"
)


class ReplayedInfo(Struct, frozen=True):
    """What is kept beside an entry; percentiles are in ms."""

    requests: int
    failed: int
    output_tokens_per_s: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class ReplayedEntry(Struct, frozen=True):
    """One metric of one cell."""

    param: str
    group: str
    extra_info: ReplayedInfo


def is_pytest_benchmark(document: Any) -> bool:
    """Whether it has the parts that pytest-benchmark writes."""
    return isinstance(document, dict) and {"machine_info", "benchmarks"} <= {*document}


def read_pytest_benchmark(document: Any) -> ToolFile:
    """The cells of a session; entries of other benchmarks are passed over."""
    cells: dict[str, dict[str, ReplayedInfo]] = {}
    for raw in document["benchmarks"]:
        if (raw.get("options") or {}).get("timer") != "replay":
            continue
        entry = msgspec.convert(raw, ReplayedEntry)
        cell_id = entry.param.removesuffix(f"-{entry.group}")
        cells.setdefault(cell_id, {})[entry.group] = entry.extra_info
    if not cells:
        raise UnfitField("benchmarks", "none of them is of pytest-llmbench")
    version = document.get("version")
    found = tuple(_measurement(cell_id, metrics) for cell_id, metrics in cells.items())
    return ToolFile(None if version is None else str(version), found)


def _measurement(cell_id: str, metrics: dict[str, ReplayedInfo]) -> ToolMeasurement:
    any_info = next(iter(metrics.values()))
    users = re.search(r"-users(\d+)$", cell_id)
    return ToolMeasurement(
        cell_id=cell_id,
        load={"param": cell_id},
        asked=any_info.requests,
        succeeded=any_info.requests - any_info.failed,
        ttft=_times("ttft", metrics),
        time_per_token=_times("time_per_token", metrics),
        latency=_times("latency", metrics),
        output_tokens_per_s=any_info.output_tokens_per_s if users else None,
        users=int(users[1]) if users else None,
    )


def _times(metric: str, metrics: dict[str, ReplayedInfo]) -> Times:
    field, info = f"extra_info of {metric}", metrics.get(metric)
    if info is None:
        return Times(field)
    return times(field, {"p50": info.p50_ms, "p95": info.p95_ms, "p99": info.p99_ms})
