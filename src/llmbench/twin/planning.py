"""How many replicas of a twin serve given traffic within an SLO, at each hour of the day."""

from collections.abc import Callable
from functools import cache
from math import cos, pi

import numpy as np
from msgspec import Struct, structs

from llmbench.config import ConfigError, Slo
from llmbench.twin.answering import QUANTITIES, FleetAnswer, fleet_answer
from llmbench.twin.fitting.held_out import quantile
from llmbench.twin.fleet.drawing import Workload
from llmbench.twin.fleet.replaying import Replicated
from llmbench.twin.fleet.routing import Routing
from llmbench.twin.step_costs import costs_of, with_costs
from llmbench.twin.twin_file import Twin
from llmbench.value_types import EngineSteps, PrefixCacheSize

_MOST_REPLICAS = 1_000
_IDLE = 0.95  # where replicas are idle for more than this share, more of them don't help


class Question(Struct, frozen=True):
    """What is to be served, within which limits, and how.

    `peak` is the rate of the busiest hour over the mean one, and `lost` the replicas that are gone
    for the time of the workload's event.
    """

    workload: Workload  # its rate is the mean of the day
    slo: Slo
    routing: Routing = "round-robin"
    cache: PrefixCacheSize | None = None
    peak: float = 1.0
    lost: int = 0

    @property
    def at_peak(self) -> Workload:
        """The traffic of the busiest hour."""
        return structs.replace(self.workload, rate_per_s=self.workload.rate_per_s * self.peak)

    def fleet(self, steps: EngineSteps, replicas: int) -> Replicated:
        """So many replicas."""
        return Replicated(steps, replicas, self.routing, self.cache)


class Plan(Struct, frozen=True):
    """The fewest replicas that meet an SLO at the peak, and the same for other twins.

    `low` and `high` are the numbers at the ends of the twin's own 90 % interval, `by_hour` those
    that each hour of the day needs, the busiest last at noon; one number where all are alike.
    """

    question: Question
    answer: FleetAnswer
    one_less: FleetAnswer | None
    low: int
    high: int
    by_hour: tuple[int, ...]


def plan(twin: Twin, question: Question) -> Plan:
    """The fewest replicas that serve the traffic within the limits."""
    if not any(getattr(question.slo, name) for name in QUANTITIES):
        raise ConfigError("plan: the SLO limits nothing; give --slo, as in ttft_ms.p95=1000")
    reach = quantile(len(twin.leave_one_out)) * float(twin.scatter_at(twin.range.users[1])[2])
    answer, one_less = _fewest(question, twin.steps)
    low, high = (
        _fewest(question, _slower(twin.steps, float(np.exp(end))))[0].replicas
        for end in (-reach, reach)
    )
    return Plan(question, answer, one_less, low, high, _by_hour(question, twin.steps))


def _slower(steps: EngineSteps, times: float) -> EngineSteps:
    return with_costs(steps, costs_of(steps) * times)


def _by_hour(question: Question, steps: EngineSteps) -> tuple[int, ...]:
    """The replicas of each hour, whose rate is taken to hold for as long as queues take to settle.

    The day is a sine: hours at the same distance from noon are alike.
    """
    if question.peak == 1.0:
        return ()

    @cache
    def replicas(from_noon: int) -> int:
        factor = 1 + (question.peak - 1) * cos(2 * pi * from_noon / 24)
        rate = max(question.workload.rate_per_s * factor, 1e-3 * question.workload.rate_per_s)
        hour = structs.replace(question.workload, rate_per_s=rate)
        return _fewest(structs.replace(question, workload=hour, peak=1.0), steps)[0].replicas

    return tuple(replicas(abs(hour - 12)) for hour in range(24))


def _fewest(question: Question, steps: EngineSteps) -> tuple[FleetAnswer, FleetAnswer | None]:
    """The fewest replicas that meet the SLO, by doubling and halving, and one less than that."""

    @cache
    def ask(replicas: int) -> FleetAnswer:
        fleet = question.fleet(steps, replicas)
        return fleet_answer(fleet, question.at_peak, question.slo, question.lost)

    return _least_met(ask, 1 + question.lost)


def _least_met(
    ask: Callable[[int], FleetAnswer], least: int
) -> tuple[FleetAnswer, FleetAnswer | None]:
    met = least
    while not ask(met).meets_slo:
        idle = 1 - ask(met).busy_share
        if met >= _MOST_REPLICAS or idle > _IDLE:
            raise ConfigError(
                f"plan: even {count_of(met)}, idle for {idle:.0%} of the time, miss the SLO: "
                f"{ask(met).breaks_first}"
            )
        met = min(2 * met, _MOST_REPLICAS)
    missed = max(met // 2, least - 1) if met > least else least - 1
    while met - missed > 1:
        middle = (met + missed) // 2
        met, missed = (middle, missed) if ask(middle).meets_slo else (met, middle)
    return ask(met), ask(met - 1) if met > least else None


def count_of(replicas: int) -> str:
    """As in ``3 replicas``."""
    return f"{replicas:,} replica{'' if replicas == 1 else 's'}"
