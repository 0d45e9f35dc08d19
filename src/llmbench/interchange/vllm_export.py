"""Writes a run as ``vllm bench serve --save-result`` would, for dashboards that read such files."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Any

import msgspec

from llmbench.cells import Arrivals, Users
from llmbench.interchange.readers.vllm_bench import VllmResult
from llmbench.records import CellRun
from llmbench.results import CellSummary, Distribution
from llmbench.store import RunDir, replace_file
from llmbench.verdict import judged_cells


def write_vllm_bench(run: RunDir, folder: Path) -> list[str]:
    """Write a file for each repeat that can be one; the lines say what was written, and what not.

    A repeat without a valid verdict is left out, as is a load that vLLM bench has no fields for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return list(_written(run, folder))


def _written(run: RunDir, folder: Path) -> Iterator[str]:
    for cell in judged_cells(run):
        for of_repeat, result in zip(cell.runs, cell.results, strict=True):
            summary = result.summary
            name = f"{cell.cell_id} repeat {summary.repeat}"
            if not result.valid:
                yield f"{name}: left out, INVALID: {result.why}"
            elif not isinstance(summary.cell.shape, Users | Arrivals):
                yield f"{name}: left out: vLLM bench has no fields for its load"
            else:
                path = folder / f"{cell.cell_id}-{summary.repeat}.json"
                fields = msgspec.to_builtins(vllm_result(summary, of_repeat))
                told = {key: value for key, value in fields.items() if value is not None}
                told.setdefault("max_concurrency", None)
                replace_file(path, msgspec.json.encode(told) + b"\n")
                yield str(path)


def vllm_result(summary: CellSummary, run: CellRun) -> VllmResult:
    """The figures of a repeat, in its steady window, by the names of vLLM bench."""
    shape = summary.cell.shape
    figures = {
        "ttft": summary.ttft_ms,
        "tpot": summary.time_per_token_ms,
        "itl": summary.inter_token_ms,
        "e2el": summary.latency_ms,
    }
    times: dict[str, Any] = {}
    for metric, distribution in figures.items():
        times |= _times(metric, distribution)
    return VllmResult(
        date=f"{datetime.fromtimestamp(run.started_ns // 10**9, UTC):%Y%m%d-%H%M%S}",
        backend=run.endpoint.api,
        endpoint_type=run.endpoint.api,
        label=f"pytest-llmbench {summary.cell_id}",
        model_id=run.endpoint.model,
        num_prompts=summary.requests,
        request_rate=shape.rate_per_s if isinstance(shape, Arrivals) else "inf",
        burstiness=shape.burstiness if isinstance(shape, Arrivals) else 1.0,
        max_concurrency=shape.most_users,
        duration=summary.window_s,
        completed=summary.in_window,
        failed=summary.failed,
        total_input_tokens=_total(summary.input_tokens),
        total_output_tokens=_total(summary.output_tokens),
        request_throughput=summary.requests_per_s or 0.0,
        output_throughput=summary.output_tokens_per_s or 0.0,
        total_token_throughput=summary.total_tokens_per_s,
        **times,
    )


def _total(tokens: Distribution | None) -> int:
    return round(tokens.n * tokens.mean) if tokens else 0


def _times(metric: str, times: Distribution | None) -> dict[str, float]:
    """A quantity's figures; vLLM bench's deviation is of all n values, ours of a sample."""
    if times is None:
        return {}
    return {
        f"mean_{metric}_ms": times.mean,
        f"median_{metric}_ms": times.p50,
        f"std_{metric}_ms": times.stdev * sqrt((times.n - 1) / times.n),
        f"p90_{metric}_ms": times.p90,
        f"p95_{metric}_ms": times.p95,
        f"p99_{metric}_ms": times.p99,
    }
