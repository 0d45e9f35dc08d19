"""Works out whether the server let go of the requests on which the client hung up.

A server that doesn't notice computes such an answer to its end for nobody: an orphan. Then its
gauges show more requests than the client has in flight, for as long as the rest of the answer
takes; and what is sent meanwhile may be slower. Where the gauges tell, they decide. Being slower
shows that a server went on, but a server with room to spare need not be slower for that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct

from llmbench.gauges import GaugeSample
from llmbench.metrics.windows import Array
from llmbench.records import CellRun

DEADLINE_S = 0.25
"""By then a server has to have let go; most notice when they next write to the connection."""

LEAST_EXPECTED = 3.0
"""Requests without a client, added over readings, that a server which lets go of none would have
shown: with fewer, a reading that falls between two events decides too much."""

LEAST_REQUESTS = 5  # sent beside such requests, and apart from them, for a comparison of latencies
SLOWER, ERROR = 1.1, 0.005
"""They show that the server went on if they are clearly slower, and no accident says so (p)."""

NOTICING_TOKENS = 2.0
"""A server that lets go keeps a slot until it next writes, which is a token later: so long a wait
for the first token is no sign of one that went on."""


class Rests(Struct, frozen=True):
    """When each hung-up request ended, and when its answer would have (ns since the first send)."""

    ended: Array
    over: Array

    def at(self, moments: Array, after_ns: float = 0.0) -> Array:
        """How many would still be computed at each moment, `after_ns` or longer after their end."""
        begun = self.ended + after_ns
        alive = begun < self.over
        starts, ends = np.sort(begun[alive]), np.sort(self.over[alive])
        return _until(starts, moments) - _until(ends, moments)


def hang_up_fields(
    of_repeat: pd.DataFrame, gauges: Sequence[GaugeSample], run: CellRun
) -> dict[str, Any]:
    """The fields of `CellSummary` on whether the server let go; empty where nobody hung up."""
    hung_up = of_repeat[of_repeat["error_kind"] == "hung_up"]
    if hung_up.empty:
        return {}
    zero_ns = int(of_repeat["sent_ns"].min())
    rests = _rests(of_repeat, hung_up, zero_ns)
    fields = _orphans(of_repeat, rests, zero_ns, gauges, run)
    if fields and fields["orphan_readings"] * fields["orphans_expected"] >= LEAST_EXPECTED:
        let_go = fields["orphans_seen"] < fields["orphans_expected"] / 2
        return fields | {"let_go": let_go, "let_go_by": "gauge"}
    slower = _slower(of_repeat, rests, zero_ns)
    if slower is None:
        return fields
    fields["slower_beside_orphans"], certain = slower
    return fields | ({"let_go": False, "let_go_by": "rate"} if certain else {})


def _rests(of_repeat: pd.DataFrame, hung_up: pd.DataFrame, zero_ns: int) -> Rests:
    """How long the answers would have gone on, at the pace of those that were read to their end."""
    good = of_repeat[of_repeat["ok"]]
    token_ns = _median(good["time_per_token_ms"]) * 1e6
    first_ns = _median(good["ttft_ms"]) * 1e6
    whole = hung_up["requested_output_tokens"].fillna(_median(good["output_tokens"]))
    had = hung_up["token_events"].to_numpy(np.float64)
    left = np.maximum(whole.to_numpy(np.float64, na_value=0.0) - had, 0.0)
    ended = _since(hung_up["done_ns"], zero_ns)
    waited = ended - _since(hung_up["sent_ns"], zero_ns)
    prefill = np.where(had > 0, 0.0, np.maximum(first_ns - waited, 0.0))
    return Rests(ended, ended + prefill + left * token_ns)


def _orphans(
    of_repeat: pd.DataFrame,
    rests: Rests,
    zero_ns: int,
    gauges: Sequence[GaugeSample],
    run: CellRun,
) -> dict[str, Any]:
    """What the gauges showed beyond the requests in flight, and what they would have shown of a
    server that lets go of none: means over the readings in which there would have been any.
    """
    told = [g for g in gauges if (g.cell, g.repeat) == (run.cell_id, run.repeat)]
    of_one = len({g.replica for g in told}) == 1  # those of several are read at different times
    full = [g for g in told if of_one and g.running is not None and g.waiting is not None]
    at = np.array([g.time_ns - zero_ns for g in full], dtype=np.float64)
    held = np.array([(g.running or 0) + (g.waiting or 0) for g in full], dtype=np.float64)
    tried = of_repeat[of_repeat["sent_ns"].notna()]
    sent, done = (np.sort(_since(tried[name], zero_ns)) for name in ("sent_ns", "done_ns"))
    in_flight = _until(sent, at) - _until(done, at)
    expected = rests.at(at, DEADLINE_S * 1e9)
    some = expected > 0
    if not some.any():
        return {}
    return {
        "orphan_readings": int(some.sum()),
        "orphans_seen": float((held - in_flight)[some].mean()),
        "orphans_expected": float(expected[some].mean()),
    }


def _slower(of_repeat: pd.DataFrame, rests: Rests, zero_ns: int) -> tuple[float, bool] | None:
    """How much slower requests were that were sent while hung-up ones would be computed, and
    whether that is certain (Mann and Whitney 1947). None with too few of either.

    It is the median of TTFT, as orphans take slots, or of the time per token, as they take turns in
    the batch, over that of the other requests; each relative to its class, as classes differ.
    """
    from scipy.stats import mannwhitneyu

    good = of_repeat[of_repeat["ok"] & (of_repeat["phase"] == "measured")]
    beside = rests.at(_since(good["sent_ns"], zero_ns)) > 0
    noticing_ms = NOTICING_TOKENS * _median(good["time_per_token_ms"])
    ratios = list[tuple[float, bool]]()
    for quantity in ("ttft_ms", "time_per_token_ms"):
        usual = good.groupby(good["traffic_class"].fillna(""))[quantity].transform("median")
        relative = (good[quantity] / usual).to_numpy(np.float64)
        with_them, without = (relative[k & np.isfinite(relative)] for k in (beside, ~beside))
        if min(len(with_them), len(without)) < LEAST_REQUESTS:
            continue
        ratio = float(np.median(with_them) / np.median(without))
        chance = mannwhitneyu(with_them, without, alternative="greater").pvalue
        is_clear = ratio > SLOWER and (
            quantity != "ttft_ms" or (ratio - 1) * _median(good[quantity]) > noticing_ms
        )
        ratios.append((ratio, bool(is_clear and chance < ERROR)))
    return max(ratios, key=lambda found: (found[1], found[0]), default=None)


def _until(instants: Array, moments: Array) -> Array:
    """How many of the sorted instants have come by each moment."""
    return np.searchsorted(instants, moments, "right").astype(np.float64)


def _since(instants: "pd.Series[int]", zero_ns: int) -> Array:
    return np.asarray((instants - zero_ns).to_numpy(np.float64, na_value=np.nan))


def _median(column: "pd.Series[Any]") -> float:
    known = column.dropna()
    return float(known.median()) if len(known) else 0.0
