"""Reads what ``vllm bench serve --save-result`` writes, with and without ``--save-detailed``.

Its TPOT is this package's time per token. A file names no version and no layout, so it is known
by its fields (as of vLLM 0.32).
"""

from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llmbench.interchange.measurements import Times, ToolFile, ToolMeasurement, load_text, times

DEFINITION = (
    "vLLM bench: its tpot is (latency - TTFT) / (output tokens - 1), as here; its itl, the gaps "
    "between events, is not compared"
)


class VllmResult(Struct, frozen=True):
    """The fields of a result file that are read, and written by the export.

    Lists have an item for each request, failed ones included, and are in seconds.
    """

    date: str
    backend: str
    model_id: str
    num_prompts: int
    request_rate: float | str
    burstiness: float
    max_concurrency: int | None
    duration: float
    completed: int
    total_input_tokens: int
    total_output_tokens: int
    request_throughput: float
    output_throughput: float
    failed: int | None = None
    total_token_throughput: float | None = None
    endpoint_type: str | None = None
    label: str | None = None
    tokenizer_id: str | None = None
    mean_ttft_ms: float | None = None
    median_ttft_ms: float | None = None
    std_ttft_ms: float | None = None
    p90_ttft_ms: float | None = None
    p95_ttft_ms: float | None = None
    p99_ttft_ms: float | None = None
    mean_tpot_ms: float | None = None
    median_tpot_ms: float | None = None
    std_tpot_ms: float | None = None
    p90_tpot_ms: float | None = None
    p95_tpot_ms: float | None = None
    p99_tpot_ms: float | None = None
    mean_itl_ms: float | None = None
    median_itl_ms: float | None = None
    std_itl_ms: float | None = None
    p90_itl_ms: float | None = None
    p95_itl_ms: float | None = None
    p99_itl_ms: float | None = None
    mean_e2el_ms: float | None = None
    median_e2el_ms: float | None = None
    std_e2el_ms: float | None = None
    p90_e2el_ms: float | None = None
    p95_e2el_ms: float | None = None
    p99_e2el_ms: float | None = None
    ttfts: list[float] | None = None
    itls: list[list[float]] | None = None
    output_lens: list[int] | None = None
    errors: list[str] | None = None


def is_vllm_bench(document: Any) -> bool:
    """Whether it has the fields that only this tool writes together."""
    return isinstance(document, dict) and {"model_id", "num_prompts", "backend"} <= {*document}


def read_vllm_bench(document: Any) -> ToolFile:
    """The one load of a result file."""
    result = msgspec.convert(document, VllmResult)
    load = {
        name: load_text(getattr(result, name))
        for name in ("model_id", "backend", "num_prompts", "request_rate", "max_concurrency")
    }
    if result.request_rate != "inf":
        load["burstiness"] = load_text(result.burstiness)
    return ToolFile(None, (_measurement(result, load),))


def _measurement(result: VllmResult, load: dict[str, str]) -> ToolMeasurement:
    users = result.max_concurrency if result.request_rate == "inf" else None
    suffix = f"users{users}" if users else f"rate{load_text(result.request_rate)}"
    completed = result.completed
    return ToolMeasurement(
        cell_id=f"{result.model_id}-{suffix}",
        load=load,
        asked=result.num_prompts if result.failed is None else completed + result.failed,
        succeeded=completed,
        ttft=_times(result, "ttft"),
        time_per_token=_times(result, "tpot"),
        latency=_times(result, "e2el"),
        output_tokens_per_s=None if users is None else result.output_throughput,
        input_tokens=result.total_input_tokens / completed if completed else None,
        output_tokens=result.total_output_tokens / completed if completed else None,
        duration_s=result.duration,
        users=users,
    )


def _times(result: VllmResult, metric: str) -> Times:
    """The file's own figures; those that it lacks are made from its requests, if it kept them."""
    fields = {"mean": "mean", "p50": "median", "p95": "p95", "p99": "p99"}
    figures = {name: getattr(result, f"{part}_{metric}_ms") for name, part in fields.items()}
    values = _requests_ms(result, metric)
    if values is not None and values.size:
        own = dict(zip(("p50", "p95", "p99"), np.percentile(values, (50, 95, 99)), strict=True))
        own["mean"] = values.mean()
        figures = {n: float(own[n]) if v is None else v for n, v in figures.items()}
    return times(f"{metric}_ms", figures)


def _requests_ms(result: VllmResult, metric: str) -> NDArray[np.float64] | None:
    """A quantity of each successful request of a detailed file."""
    lists = result.ttfts, result.itls, result.output_lens, result.errors
    if any(values is None for values in lists):
        return None
    ttfts, gaps, lengths, errors = lists
    requests = zip(ttfts or (), gaps or (), lengths or (), errors or (), strict=False)
    good = [(ttft, sum(itl), length) for ttft, itl, length, error in requests if not error]
    match metric:
        case "ttft":
            values = [ttft for ttft, _, _ in good]
        case "tpot":
            values = [decode / (length - 1) for _, decode, length in good if length > 1]
        case _:
            values = [ttft + decode for ttft, decode, _ in good]
    return 1e3 * np.asarray(values, dtype=np.float64)
