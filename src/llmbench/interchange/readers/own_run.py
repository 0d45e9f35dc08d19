"""Reads a run of ours as the file of a tool, so that our client is held to what others are."""

from llmbench.interchange.measurements import Times, ToolFile, ToolMeasurement
from llmbench.results import CellSummary, Distribution
from llmbench.store import RunDir
from llmbench.verdict import harness, results

NAME = "pytest-llmbench"


def read_own_run(run: RunDir) -> ToolFile:
    """The repeats of a run's cells, each of them a load."""
    measured = tuple(_measurement(result.summary) for result in results(run))
    return ToolFile(harness(), measured)


def _measurement(summary: CellSummary) -> ToolMeasurement:
    return ToolMeasurement(
        cell_id=summary.cell_id,
        load={"cell": summary.cell_id},
        asked=summary.requests,
        succeeded=summary.succeeded,
        ttft=_times("ttft_ms", summary.ttft_ms),
        time_per_token=_times("time_per_token_ms", summary.time_per_token_ms),
        latency=_times("latency_ms", summary.latency_ms),
        output_tokens_per_s=summary.output_tokens_per_s,
        input_tokens=summary.input_tokens.mean if summary.input_tokens else None,
        output_tokens=summary.output_tokens.mean if summary.output_tokens else None,
        requests_per_s=summary.requests_per_s,
        users=summary.cell.shape.most_users,
    )


def _times(field: str, figures: Distribution | None) -> Times:
    if figures is None:
        return Times(field)
    return Times(field, figures.mean, figures.p50, figures.p95, figures.p99)
