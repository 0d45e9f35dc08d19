"""What so many replicas make of traffic, held against an SLO."""

import numpy as np
from msgspec import Struct

from llmbench.config import Slo
from llmbench.traffic import Conversations, SharedPrefix
from llmbench.twin.cell_figures import Array
from llmbench.twin.fleet.drawing import DrawnTraffic, Workload, draw
from llmbench.twin.fleet.replaying import FleetTimes, Loss, Replicated, serve

SEEDS = 4
"""Draws of the traffic; how far they differ is the sampling error."""

CLEAR = 2.0
"""A limit is met or missed clearly by more than this many standard errors."""

_REQUESTS = (2_000, 100)  # of a draw: so many, and so many more for each replica
_MORE, _MOST_TIMES = 4, 16  # where nothing is clear, so many times as many are drawn, up to so many
_FLOOD = (300, 6)  # requests of a flood: at least so many, and so many for each sequence that runs
QUANTITIES = ("ttft_ms", "time_per_token_ms", "latency_ms")


class Limit(Struct, frozen=True):
    """One limit of an SLO, with what the fleet shows: a mean of draws and its standard error."""

    name: str  # as in "TTFT p95"
    limit_ms: float
    value_ms: float
    error_ms: float

    @property
    def is_met(self) -> bool:
        return self.value_ms <= self.limit_ms

    @property
    def is_clear(self) -> bool:
        return abs(self.value_ms - self.limit_ms) > CLEAR * self.error_ms


class FleetAnswer(Struct, frozen=True):
    """What so many replicas make of the traffic. Tokens are means of a request."""

    replicas: int
    limits: tuple[Limit, ...]
    goodput: float
    goodput_error: float
    utilisation: float  # the rate over the most that these replicas could serve
    busy_share: float  # of their time, in which they compute, be it for one request
    keeps_up: bool
    input_tokens: float
    output_tokens: float
    cached_share: float  # of the prompts' tokens
    preemptions: float  # for each request
    requests: int  # of a draw

    @property
    def meets_slo(self) -> bool:
        return self.keeps_up and all(limit.is_met for limit in self.limits)

    @property
    def is_clear(self) -> bool:
        """Whether another draw would hardly turn the verdict."""
        if not self.keeps_up:
            return True
        missed = [limit for limit in self.limits if not limit.is_met]
        if missed:
            return any(limit.is_clear for limit in missed)
        return all(limit.is_clear for limit in self.limits)

    @property
    def breaks_first(self) -> str:
        """The limit that is nearest to being missed, or missed by most."""
        if not self.keeps_up:
            return "the rate: requests queue up for as long as they come"
        worst = max(self.limits, key=lambda limit: limit.value_ms / limit.limit_ms)
        return f"{worst.name} {worst.value_ms:,.0f} ms (limit {worst.limit_ms:,.0f} ms)"


def fleet_answer(fleet: Replicated, workload: Workload, slo: Slo, lost: int = 0) -> FleetAnswer:
    """What a fleet makes of several draws, of which there are more where the verdict is not clear.

    `lost` of the replicas are lost for the time of the workload's event.
    """
    size, most = draw_size(fleet.replicas), _MOST_TIMES * draw_size(fleet.replicas)
    while True:
        answer = _answer(fleet, workload, slo, lost, size)
        if answer.is_clear or size >= most:
            return answer
        size *= _MORE


def _answer(fleet: Replicated, workload: Workload, slo: Slo, lost: int, size: int) -> FleetAnswer:
    drawn = [draw(workload, size, seed) for seed in range(SEEDS)]
    served = [serve(fleet, one, _loss(one, lost)) for one in drawn]
    requests = sum(len(one.at_ns) for one in drawn)
    cached = sum(one.cached_tokens for one in served) / sum(one.prompt_tokens for one in served)
    within = [goodput(one, slo) for one in served]
    return FleetAnswer(
        fleet.replicas,
        limits_of(served, slo),
        float(np.mean(within)),
        _standard_error(within),
        workload.rate_per_s / (fleet.replicas * most_per_s(fleet, workload, cached)),
        float(np.mean([one.busy_share for one in served])),
        all(keeps_up(one) for one in served),
        sum(one.prompt_tokens for one in served) / requests,
        sum(float(one.output_tokens.sum()) for one in drawn) / requests,
        cached,
        sum(one.preemptions for one in served) / requests,
        round(requests / SEEDS),
    )


def _loss(drawn: DrawnTraffic, lost: int) -> Loss | None:
    if not lost or drawn.event_ns is None:
        return None
    return Loss(lost, drawn.event_ns[0] / 1e6, drawn.event_ns[1] / 1e6)


def draw_size(replicas: int) -> int:
    """The requests of one draw."""
    return _REQUESTS[0] + _REQUESTS[1] * replicas


def most_per_s(fleet: Replicated, workload: Workload, cached: float = 0.0) -> float:
    """The requests/s that one replica serves of a flood, from its first fifth to its last.

    Of prompts, the share that was `cached` needn't be computed.
    """
    count = max(_FLOOD[0], _FLOOD[1] * fleet.steps.most_sequences)
    flood = draw(Workload(_lengths(workload, cached), 1e6), count, seed=0)
    done_ms = np.sort(serve(Replicated(fleet.steps, 1), flood).latency_ms)
    first, last = round(0.2 * len(done_ms)), round(0.8 * len(done_ms))
    return 1e3 * (last - first) / float(done_ms[last] - done_ms[first])


def _lengths(workload: Workload, cached: float) -> tuple[tuple[int, int], ...]:
    """The input and output tokens of a workload's requests, less what is cached of the inputs."""
    kind = workload.kind
    if isinstance(kind, Conversations | SharedPrefix):
        drawn = draw(Workload(kind, 1.0), 100, seed=0)
        kind = tuple(zip(drawn.input_tokens.tolist(), drawn.output_tokens.tolist(), strict=True))
    return tuple((max(1, round(into * (1 - cached))), out) for into, out in kind)


def keeps_up(served: FleetTimes) -> bool:
    """Whether the last requests wait no longer than the first: by their medians, within a half."""
    third = max(1, len(served.latency_ms) * 3 // 10)
    early, late = np.median(served.ttft_ms[:third]), np.median(served.ttft_ms[-third:])
    return bool(served.busy_share < 0.98 or late < 1.5 * early)


def limits_of(served: list[FleetTimes], slo: Slo) -> tuple[Limit, ...]:
    """The limits of an SLO beside what several draws of the traffic show."""
    limits = []
    for name in QUANTITIES:
        for percentile, limit_ms in getattr(slo, name).items():
            values = [_percentile(getattr(one, name), percentile) for one in served]
            words = f"{_WORDS[name]} {percentile}"
            limits.append(Limit(words, limit_ms, float(np.mean(values)), _standard_error(values)))
    return tuple(limits)


_WORDS = {"ttft_ms": "TTFT", "time_per_token_ms": "time per token", "latency_ms": "latency"}


def _standard_error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _percentile(values: Array, percentile: str) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, int(percentile[1:]) / 100)) if len(known) else 0.0


def goodput(served: FleetTimes, slo: Slo) -> float:
    """The share of requests within all limits, each that of its highest percentile."""
    within = np.ones(len(served.latency_ms), dtype=np.bool_)
    for name in QUANTITIES:
        limits = getattr(slo, name)
        if limits:
            values = getattr(served, name)
            within &= ~(values > limits[max(limits)])
    return float(within.mean())
