"""Summarises one repeat of a cell (its requests and samples) as a `CellSummary`."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from msgspec import structs
from numpy.typing import NDArray

from llmbench.cells import Shape
from llmbench.config import Slo
from llmbench.gauges import GaugeSample
from llmbench.metrics import formulas, windows
from llmbench.metrics.digests.classes import class_summaries, goodput_of_mix
from llmbench.metrics.digests.hang_ups import hang_up_fields
from llmbench.metrics.digests.turns import cached_share, possible_share, turn_summaries
from llmbench.metrics.gauge_means import gauge_fields
from llmbench.metrics.hardware.resources import usage
from llmbench.metrics.hardware.server_cpu import cpu_for_tokens
from llmbench.metrics.overload import QueueTrend, overload
from llmbench.metrics.percentiles import distribution
from llmbench.metrics.rates import Rates, delivered_share, rates
from llmbench.metrics.replicas import replica_summaries
from llmbench.metrics.selection import select
from llmbench.metrics.server_view import server_view
from llmbench.metrics.slos import goodput, limit_counts, resolve
from llmbench.metrics.windows import Window
from llmbench.records import CellRun, ResourceSample
from llmbench.results import CellSummary, Distribution, ErrorWords
from llmbench.traffic import FINISHED_WELL

INPUT_TOLERANCE_TOKENS = 10
"""A prompt this close to the asked length is a hit, as in the EchoSwift deck's prompt files."""

MOST_ERRORS = 3
_NUMBERS = re.compile(r"\b(?=\w*\d)[0-9a-f-]{8,}\b|\d{4,}")  # of requests, and of moments

SHORT_PROMPT = 0.1
"""A server that processed a prompt of this share fewer tokens cut it: the model's own tokenizer is
never so far off."""

OUTPUT_TOLERANCE = 0.1
"""An output this close, relatively, to the asked length is a hit (MLPerf accepts over 90 %)."""

TTFT_UNCERTAIN = 0.05
"""A first token's stamp counts as bounded if its bounds are further apart than this share."""

TWO_LOOKS_MS = 3.0
"""The bounds of a token that is a whole answer: the client last looked at the idle socket then.

The stream's end is read with such a token. The client looks every millisecond, so its bounds are
no wider than two looks and their delay.
"""

NO_LIMITS = Slo()


def summarise(
    run: CellRun,
    requests: pd.DataFrame,
    samples: Sequence[ResourceSample] = (),
    slo: Slo = NO_LIMITS,
    *,
    window: Window | None = None,
    gauges: Sequence[GaugeSample] = (),
) -> CellSummary:
    """The numbers of one repeat of a cell; what is given may also be of others.

    Distributions describe the successful requests in the steady window; counts and goodput are
    about all measured ones. An unknown `slo.preset` raises `ConfigError`.
    """
    of_run = (requests["cell"] == run.cell_id) & (requests["repeat"] == run.repeat)
    of_repeat = select(requests, of_run)
    asked = select(of_repeat, of_repeat["phase"] == "measured")
    measured, shape = select(asked, asked["error_kind"] != "cancelled"), run.cell.shape
    window, growth = (
        window or windows.find(measured, shape),
        overload(windows.arrivals(asked), shape),
    )
    trend = growth[0] if growth else None
    if growth and growth[0].grows:
        window = growth[1]
    inside = select(measured, windows.members(measured, window, shape)) if window else measured
    good = select(inside, inside["ok"])
    judged = select(measured, measured["error_kind"] != "hung_up")
    fields = _counts(run, of_repeat, judged) | _window(window) | _distributions(good, shape)
    fields |= _rates(measured, window, shape, by_ends=bool(trend and trend.grows))
    fields |= _queue(measured, window, trend) | _tokens(good) | _answers(good)
    fields |= _client(run, of_repeat, inside)
    fields |= server_view(good, of_repeat, run.server_sums) | usage(
        samples, run, window, fields["output_tokens_per_s"]
    )
    fields |= cpu_for_tokens(
        run, window, fields["output_tokens_per_s"], fields["input_tokens_per_s"]
    )
    told = gauge_fields(gauges, run, window)  # what requests tell themselves is of their window
    fields |= {name: value for name, value in told.items() if fields.get(name) is None}
    fields |= hang_up_fields(of_repeat, gauges, run)
    limits, count = resolve(slo), int(fields["requests"])
    classes = class_summaries(run, measured, window, slo)
    return CellSummary(
        cell=run.cell,
        cell_id=run.cell_id,
        repeat=run.repeat,
        launch=run.launch,
        simulated=run.endpoint.simulated,
        in_window=len(good),
        cancelled=len(asked) - len(measured),
        hung_up=len(measured) - len(judged),
        goodput=goodput_of_mix(classes) if classes else goodput(judged, count, limits, shape),
        replicas=replica_summaries(run, measured, good, window),
        limit_counts=()
        if classes
        else limit_counts(judged, count - len(judged), window, limits, shape),
        classes=classes,
        **fields,
    )


def _counts(run: CellRun, of_repeat: pd.DataFrame, measured: pd.DataFrame) -> dict[str, Any]:
    kinds = {str(k): int(n) for k, n in measured["error_kind"].value_counts().items()}
    recorded = kinds.get("dropped", 0)
    dropped = max(run.dropped, recorded)
    if dropped:
        kinds["dropped"] = dropped
    succeeded = int(measured["ok"].sum())
    requests = len(measured) + dropped - recorded
    return {
        "requests": requests,
        "succeeded": succeeded,
        "failed": requests - succeeded - dropped,
        "dropped": dropped,
        "warmup": int((of_repeat["phase"] == "warmup").sum()),
        "resent": int(measured["resent"].sum()),
        "conforming_share": _conforming(run, succeeded, kinds.get("invalid_output", 0)),
        "errors": dict(sorted(kinds.items())),
        "common_errors": _common_errors(measured),
        "pauses": int(measured["paused_ns"].notna().sum()),
        "paused_s": float(measured["paused_ns"].fillna(0).sum()) / 1e9,
        "error_rate": (requests - succeeded) / requests if requests else 0.0,
    }


def _conforming(run: CellRun, succeeded: int, invalid: int) -> float | None:
    """The share of the answers that came whole which conform to the schema that was asked for."""
    schema = run.cell.schema
    asked = schema is not None and schema.text and succeeded + invalid
    return succeeded / (succeeded + invalid) if asked else None


def _common_errors(measured: pd.DataFrame) -> tuple[ErrorWords, ...]:
    """The words of the errors that most requests ended with; long numbers in them don't count."""
    failed = measured["error"][~measured["ok"]]
    if failed.empty:
        return ()
    words = failed.fillna("").str.replace(_NUMBERS, "…", regex=True)
    counts = words[words != ""].value_counts().head(MOST_ERRORS)
    return tuple(ErrorWords(str(error), int(count)) for error, count in counts.items())


def _window(window: Window | None) -> dict[str, Any]:
    return {
        "window_start_ns": window.start_ns if window else None,
        "window_end_ns": window.end_ns if window else None,
        "window_s": window.seconds if window else 0.0,
        "window_rule": window.rule if window else "whole",
    }


def _distributions(good: pd.DataFrame, shape: Shape) -> dict[str, Any]:
    plain = (
        "ttft_ms",
        "answer_ttft_ms",
        "time_per_token_ms",
        "latency_ms",
        "throughput_tokens_per_s",
        "schedule_delay_ms",
        "client_lag_ms",
    )
    fields: dict[str, Any] = {name: distribution(good[name]) for name in plain}
    for name in ("scheduled_latency_ms", "scheduled_ttft_ms"):
        fields[name] = distribution(good[name]) if shape.is_open_loop else None
    fields["inter_token_ms"] = _pooled(good["gaps_ms"])
    fields["chunk_gap_ms"] = _pooled(good["chunk_gaps_ms"])
    fields["output_tokens"] = distribution(_numbers(good["output_tokens"]))
    fields["input_tokens"] = distribution(_numbers(formulas.input_tokens(good)))
    uncertain = distribution(good["ttft_uncertainty_ms"])
    fields["ttft_uncertainty_ms"] = uncertain.p99 if uncertain else None
    return fields


def _pooled(gaps_ms: "pd.Series[Any]") -> Distribution | None:
    """The distribution of the gaps of all requests together."""
    gaps = [gap for gap in gaps_ms if len(gap)]
    return distribution(np.concatenate(gaps), independent=len(gaps)) if gaps else None


def _rates(
    measured: pd.DataFrame, window: Window | None, shape: Shape, *, by_ends: bool
) -> dict[str, Any]:
    if window is None or window.seconds <= 0:
        names = (*Rates.__struct_fields__, "total_tokens_per_s", "delivered_share")
        return dict.fromkeys(names)
    totals = rates(measured, window, by_ends=by_ends)
    inputs, outputs = totals.input_tokens_per_s, totals.output_tokens_per_s
    return structs.asdict(totals) | {
        "total_tokens_per_s": None if outputs is None else inputs + outputs,
        "delivered_share": delivered_share(measured, window, shape),
    }


def _queue(
    measured: pd.DataFrame, window: Window | None, trend: QueueTrend | None
) -> dict[str, Any]:
    """How an open loop's queue developed; empty for a load without a steady rate."""
    if trend is None or window is None:
        return {}
    first_ns = int(measured["scheduled_ns"].min())
    return {
        "overloaded": trend.grows,
        "in_flight_growth_per_s": trend.growth_per_s,
        "least_in_flight_growth_per_s": trend.least_growth_per_s,
        "filling_s": (window.start_ns - first_ns) / 1e9 if window.rule == "steady" else None,
    }


def _tokens(good: pd.DataFrame) -> dict[str, Any]:
    asked, got = good["requested_output_tokens"], good["output_tokens"]
    inputs = formulas.input_tokens(good)
    away = (inputs - good["requested_input_tokens"]).abs()
    near = away <= INPUT_TOLERANCE_TOKENS * good["inputs"].fillna(1)
    told = got.notna() & (good["counted_by"] == "server")
    close = ((got - asked).abs() <= OUTPUT_TOLERANCE * asked)[told]
    extra = (good["input_tokens"] - good["prompt_tokens"]).dropna()
    usual = int(extra.mode().iloc[0]) if len(extra) else 0
    return {
        "output_length_hit_rate": _share(close),
        "input_length_hit_rate": _share(near),
        "token_count_mismatches": int((extra != max(usual, 0)).sum()),
        "estimated_tokens_share": _share(formulas.is_estimated(good)),
        "counted_events_share": _share(good["counted_by"] == "events"),
        "cached_share": cached_share(good),
        "possible_cached_share": possible_share(good),
        "turns": turn_summaries(good),
    }


def _answers(good: pd.DataFrame) -> dict[str, Any]:
    """What the answers say that they should not."""
    reasons = good["finish_reason"].dropna()
    unknown = reasons[~reasons.str.lower().isin(FINISHED_WELL)].value_counts()
    known = good[["prompt_tokens", "input_tokens"]][good["input_tokens"].notna()]
    missing = known["prompt_tokens"] - known["input_tokens"]
    short = (missing > SHORT_PROMPT * known["prompt_tokens"]) & (missing > INPUT_TOLERANCE_TOKENS)
    cut = known[short]
    return {
        "unknown_finishes": {str(reason): int(count) for reason, count in unknown.items()},
        "short_prompts_share": _share(short),
        "sent_prompt_tokens": round(cut["prompt_tokens"].median()) if len(cut) else None,
        "processed_prompt_tokens": round(cut["input_tokens"].median()) if len(cut) else None,
    }


def _client(run: CellRun, of_repeat: pd.DataFrame, inside: pd.DataFrame) -> dict[str, Any]:
    events = int(inside["events"].sum())
    tokens = int(of_repeat["output_tokens"].fillna(of_repeat["token_events"]).sum())
    first = select(inside, inside["ttft_ms"].notna() & inside["ttft_uncertainty_ms"].notna())
    looks_ms = np.where(first["token_events"] > 1, 0.0, TWO_LOOKS_MS)
    wide = first["ttft_uncertainty_ms"] > np.maximum(TTFT_UNCERTAIN * first["ttft_ms"], looks_ms)
    clock = inside["clock"][inside["sent_ns"].notna()]
    return {
        "bounded_share": int(inside["bounded"].sum()) / events if events else None,
        "ttft_bounded_share": _share(wide),
        "client_cpu_us_per_token": run.client_cpu_ns / 1e3 / tokens
        if tokens and run.client_cpu_ns
        else None,
        "reader_clock_share": _share(clock == "reader"),
        "clock_step_ms": float(inside["clock_step_ns"].abs().max()) / 1e6 if len(inside) else 0.0,
    }


def _numbers(column: "pd.Series[int]") -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(np.float64, na_value=np.nan))


def _share(hits: "pd.Series[bool]") -> float | None:
    """The share of hits; None where nothing is known of any."""
    hits = hits.dropna()
    return float(hits.mean()) if len(hits) else None
