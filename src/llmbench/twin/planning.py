"""How many replicas of a twin serve given traffic within an SLO, and what that costs."""

from collections.abc import Callable
from functools import cache
from random import Random

import numpy as np
from msgspec import Struct

from llmbench.config import ConfigError, Slo
from llmbench.twin.cell_figures import Array
from llmbench.twin.fit_of_run import quantile
from llmbench.twin.fleet import Fleet, FleetTimes, Routing, TrafficRequest
from llmbench.twin.foretelling import with_costs
from llmbench.twin.playing import COSTS
from llmbench.twin.twin_file import Twin
from llmbench.value_types import EngineSteps

Lengths = tuple[tuple[int, int], ...]
"""Input and output tokens of requests, of which the traffic is drawn."""

SEEDS = 4
"""Draws of the traffic; how far they differ is the sampling error."""

_REQUESTS = (1_000, 50)  # of a draw: so many, and so many more for each replica
_FLOOD = (300, 6)  # requests of a flood: at least so many, and so many for each sequence that runs
_MOST_REPLICAS = 1_000
_IDLE = 0.95  # where replicas are idle for more than this share, more of them don't help
_HOURS_A_MONTH = 730.0
_QUANTITIES = ("ttft_ms", "time_per_token_ms", "latency_ms")


class Limit(Struct, frozen=True):
    """One limit of an SLO, with what the fleet shows: a mean of draws and its standard error."""

    name: str  # as in "TTFT p95"
    limit_ms: float
    value_ms: float
    error_ms: float

    @property
    def is_met(self) -> bool:
        return self.value_ms <= self.limit_ms


class FleetAnswer(Struct, frozen=True):
    """What so many replicas make of the traffic."""

    replicas: int
    limits: tuple[Limit, ...]
    goodput: float
    utilisation: float  # the rate over the most that these replicas could serve
    busy_share: float  # of their time, in which they compute, be it for one request
    keeps_up: bool
    input_tokens_per_s: float
    output_tokens_per_s: float

    @property
    def meets_slo(self) -> bool:
        return self.keeps_up and all(limit.is_met for limit in self.limits)

    @property
    def breaks_first(self) -> str:
        """The limit that is nearest to being missed, or missed by most."""
        if not self.keeps_up:
            return "the rate: requests queue up for as long as they come"
        worst = max(self.limits, key=lambda limit: limit.value_ms / limit.limit_ms)
        return f"{worst.name} {worst.value_ms:,.0f} ms (limit {worst.limit_ms:,.0f} ms)"


class Plan(Struct, frozen=True):
    """The fewest replicas that meet an SLO, and the same for a faster and a slower twin.

    `low` and `high` are the numbers at the ends of the twin's own 90 % interval.
    """

    answer: FleetAnswer
    one_less: FleetAnswer | None
    low: int
    high: int
    routing: Routing
    rate_per_s: float


class Bill(Struct, frozen=True):
    """What a plan costs, in US dollars; a million tokens of one kind bears the whole cost."""

    per_hour: float
    per_month: float
    per_million_input: float
    per_million_output: float


def plan(twin: Twin, lengths: Lengths, rate_per_s: float, slo: Slo, routing: Routing) -> Plan:
    """The fewest replicas that serve Poisson arrivals of these lengths within the limits."""
    if not any(getattr(slo, name) for name in _QUANTITIES):
        raise ConfigError("plan: the SLO limits nothing; give --slo, as in ttft_ms.p95=1000")
    reach = quantile(len(twin.leave_one_out)) * twin.scatter[2]

    def fewest(slower: float) -> tuple[FleetAnswer, FleetAnswer | None]:
        costs = np.array([getattr(twin.steps, name) for name in COSTS]) * slower
        steps = with_costs(twin.steps, costs)
        return _fewest(lambda n: fleet_answer(steps, n, lengths, rate_per_s, slo, routing))

    answer, one_less = fewest(1.0)
    low, high = (fewest(float(np.exp(end)))[0].replicas for end in (-reach, reach))
    return Plan(answer, one_less, low, high, routing, rate_per_s)


def _fewest(answer: Callable[[int], FleetAnswer]) -> tuple[FleetAnswer, FleetAnswer | None]:
    """The fewest replicas that meet the SLO, by doubling and halving, and one less than that."""
    ask = cache(answer)
    met = 1
    while not ask(met).meets_slo:
        idle = 1 - ask(met).busy_share
        if met >= _MOST_REPLICAS or idle > _IDLE:
            raise ConfigError(
                f"plan: even {count_of(met)}, idle for {idle:.0%} of the time, miss the SLO: "
                f"{ask(met).breaks_first}"
            )
        met = min(2 * met, _MOST_REPLICAS)
    missed = met // 2
    while met - missed > 1:
        middle = (met + missed) // 2
        met, missed = (middle, missed) if ask(middle).meets_slo else (met, middle)
    return ask(met), ask(met - 1) if met > 1 else None


def fleet_answer(
    steps: EngineSteps,
    replicas: int,
    lengths: Lengths,
    rate_per_s: float,
    slo: Slo,
    routing: Routing,
) -> FleetAnswer:
    """What so many replicas make of several draws of the traffic."""
    size = draw_size(replicas)
    draws = [
        Fleet(steps, replicas, routing).serve(traffic(lengths, rate_per_s, size, seed))
        for seed in range(SEEDS)
    ]
    seconds = sum(draw.span_ms for draw in draws) / 1e3
    return FleetAnswer(
        replicas,
        limits_of(draws, slo),
        float(np.mean([goodput(draw, slo) for draw in draws])),
        rate_per_s / (replicas * most_per_s(steps, lengths)),
        float(np.mean([draw.busy_share for draw in draws])),
        all(keeps_up(draw) for draw in draws),
        sum(draw.input_tokens for draw in draws) / seconds,
        sum(draw.output_tokens for draw in draws) / seconds,
    )


def count_of(replicas: int) -> str:
    """As in ``3 replicas``."""
    return f"{replicas:,} replica{'' if replicas == 1 else 's'}"


def most_per_s(steps: EngineSteps, lengths: Lengths) -> float:
    """The requests/s that one replica serves of a flood, from its first fifth to its last."""
    count = max(_FLOOD[0], _FLOOD[1] * steps.most_sequences)
    flood = traffic(lengths, 1e6, count, seed=0)
    done_ms = np.sort(Fleet(steps, 1, "round-robin").serve(flood).latency_ms)
    first, last = round(0.2 * len(done_ms)), round(0.8 * len(done_ms))
    return 1e3 * (last - first) / float(done_ms[last] - done_ms[first])


def draw_size(replicas: int) -> int:
    """The requests of one draw."""
    return _REQUESTS[0] + _REQUESTS[1] * replicas


def traffic(lengths: Lengths, rate_per_s: float, count: int, seed: int) -> list[TrafficRequest]:
    """Poisson arrivals with lengths drawn at random."""
    random, at_ms, arrivals = Random(f"{seed}/traffic"), 0.0, []
    for _ in range(count):
        at_ms += random.expovariate(rate_per_s) * 1e3
        arrivals.append(TrafficRequest(at_ms, *random.choice(lengths)))
    return arrivals


def keeps_up(draw: FleetTimes) -> bool:
    """Whether the last requests wait no longer than the first: by their medians, within a half."""
    tenth = max(1, len(draw.latency_ms) // 10)
    early, late = np.median(draw.ttft_ms[: 3 * tenth]), np.median(draw.ttft_ms[-3 * tenth :])
    return bool(draw.busy_share < 0.98 or late < 1.5 * early)


def limits_of(draws: list[FleetTimes], slo: Slo) -> tuple[Limit, ...]:
    """The limits of an SLO beside what several draws of the traffic show."""
    limits = []
    for name in _QUANTITIES:
        for percentile, limit_ms in getattr(slo, name).items():
            values = [_percentile(getattr(draw, name), percentile) for draw in draws]
            error = np.std(values, ddof=1) / np.sqrt(len(values))
            words = f"{_WORDS[name]} {percentile}"
            limits.append(Limit(words, limit_ms, float(np.mean(values)), float(error)))
    return tuple(limits)


_WORDS = {"ttft_ms": "TTFT", "time_per_token_ms": "time per token", "latency_ms": "latency"}


def _percentile(values: Array, percentile: str) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, int(percentile[1:]) / 100)) if len(known) else 0.0


def goodput(draw: FleetTimes, slo: Slo) -> float:
    """The share of requests within all limits, each that of its highest percentile."""
    within = np.ones(len(draw.latency_ms), dtype=np.bool_)
    for name in _QUANTITIES:
        limits = getattr(slo, name)
        if limits:
            values = getattr(draw, name)
            within &= ~(values > limits[max(limits)])
    return float(within.mean())


def bill(answer: FleetAnswer, usd_per_hour: float) -> Bill:
    """The cost of the replicas of an answer, each at `usd_per_hour`."""
    per_hour = answer.replicas * usd_per_hour
    return Bill(
        per_hour,
        per_hour * _HOURS_A_MONTH,
        per_hour / (answer.input_tokens_per_s * 3600) * 1e6,
        per_hour / (answer.output_tokens_per_s * 3600) * 1e6,
    )
