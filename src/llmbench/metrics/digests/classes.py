"""What each class of a mix got: the figures of a cell, of the requests of one class."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from llmbench.config import Slo
from llmbench.metrics import formulas, windows
from llmbench.metrics.percentiles import distribution
from llmbench.metrics.rates import rates
from llmbench.metrics.selection import select
from llmbench.metrics.slos import goodput, limit_counts, resolve
from llmbench.metrics.windows import Window
from llmbench.records import CellRun
from llmbench.results import ClassSummary
from llmbench.traffic import Mix, TrafficClass

LENGTH_TOLERANCE = 0.1
"""As for a cell (`llmbench.metrics.summary`): an output this close to the asked length is a hit."""


def class_summaries(
    run: CellRun, measured: pd.DataFrame, window: Window | None, slo: Slo
) -> tuple[ClassSummary, ...]:
    """A summary for each class of a mix, in the file's order; none for other traffic.

    All are about the cell's window, so that their rates add up to its own. `slo` is the model's,
    for the classes that have none.
    """
    mix = run.cell.traffic
    if not isinstance(mix, Mix):
        return ()
    return tuple(_summary(one, run, measured, window, one.slo or slo) for one in mix.classes)


def goodput_of_mix(classes: tuple[ClassSummary, ...]) -> float | None:
    """The share of requests that met the limits of their class, of those whose class has some."""
    known = [(one.goodput, one.requests) for one in classes if one.goodput is not None]
    requests = sum(count for _, count in known)
    return sum(share * count for share, count in known) / requests if requests else None


def _summary(
    one: TrafficClass, run: CellRun, of_cell: pd.DataFrame, window: Window | None, slo: Slo
) -> ClassSummary:
    shape, limits = run.cell.shape, resolve(slo)
    measured = of_cell[of_cell["traffic_class"] == one.name]
    inside = measured[windows.members(measured, window, shape)] if window else measured
    good = select(inside, inside["ok"])
    judged = select(measured, measured["error_kind"] != "hung_up")
    requests, succeeded = len(judged), int(judged["ok"].sum())
    dropped = int((judged["error_kind"] == "dropped").sum())
    known = rates(measured, window) if window is not None and window.seconds > 0 else None
    return ClassSummary(
        name=one.name,
        share=len(measured) / len(of_cell) if len(of_cell) else None,
        requests=requests,
        succeeded=succeeded,
        failed=requests - succeeded - dropped,
        dropped=dropped,
        error_rate=(requests - succeeded) / requests if requests else 0.0,
        in_window=len(good),
        ttft_ms=distribution(good["ttft_ms"]),
        time_per_token_ms=distribution(good["time_per_token_ms"]),
        latency_ms=distribution(good["latency_ms"]),
        scheduled_ttft_ms=distribution(good["scheduled_ttft_ms"]) if shape.is_open_loop else None,
        input_tokens=distribution(_numbers(formulas.input_tokens(good))),
        output_tokens=distribution(_numbers(good["output_tokens"])),
        requests_per_s=known.requests_per_s if known else None,
        output_tokens_per_s=known.output_tokens_per_s if known else None,
        output_length_hit_rate=_hit_rate(good),
        goodput=goodput(judged, requests, limits, shape),
        limit_counts=limit_counts(judged, 0, window, limits, shape),
        resent=int(measured["resent"].sum()),
        hung_up=len(measured) - requests,
    )


def _hit_rate(good: pd.DataFrame) -> float | None:
    asked, got = good["requested_output_tokens"], good["output_tokens"]
    told = got.notna() & asked.notna() & (good["counted_by"] == "server")
    close = ((got - asked).abs() <= LENGTH_TOLERANCE * asked)[told]
    return float(close.mean()) if len(close) else None


def _numbers(column: "pd.Series[int]") -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(np.float64, na_value=np.nan))
