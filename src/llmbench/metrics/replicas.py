"""What each instance of a server carried of a load that several share."""

import pandas as pd

from llmbench.metrics.percentiles import distribution
from llmbench.metrics.rates import rates
from llmbench.metrics.windows import Window
from llmbench.records import CellRun
from llmbench.results import ReplicaSummary


def replica_summaries(
    run: CellRun, measured: pd.DataFrame, good: pd.DataFrame, window: Window | None
) -> tuple[ReplicaSummary, ...]:
    """A summary for each instance; none where there is only one.

    Their counts and rates add up to those of the cell, as they are about the same window. `good`
    are the successful requests in it.
    """
    endpoints = run.endpoint.replicas
    if len(endpoints) == 1:
        return ()
    return tuple(
        _summary(
            endpoint.base_url,
            measured[measured["replica"] == number],
            good[good["replica"] == number],
            window,
        )
        for number, endpoint in enumerate(endpoints)
    )


def _summary(
    url: str, measured: pd.DataFrame, good: pd.DataFrame, window: Window | None
) -> ReplicaSummary:
    known = rates(measured, window) if window is not None and window.seconds > 0 else None
    judged = measured[measured["error_kind"] != "hung_up"]
    ttft, token = distribution(good["ttft_ms"]), distribution(good["time_per_token_ms"])
    return ReplicaSummary(
        url=url,
        requests=len(judged),
        failed=int((~judged["ok"]).sum()),
        requests_per_s=known.requests_per_s if known else None,
        output_tokens_per_s=known.output_tokens_per_s if known else None,
        ttft_p50_ms=ttft.p50 if ttft else None,
        time_per_token_p50_ms=token.p50 if token else None,
    )
