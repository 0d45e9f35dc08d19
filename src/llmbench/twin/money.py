"""What a plan costs, at its rate and at others, and beside an API."""

from msgspec import Struct, structs

from llmbench.prices import TokenPrice
from llmbench.twin.answering import FleetAnswer, fleet_answer
from llmbench.twin.planning import Plan
from llmbench.twin.twin_file import Twin

_HOURS_A_MONTH = 730.0
UTILISATIONS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""What is drawn of the curve of costs; the plan's own utilisation is one more point of it."""


class Bill(Struct, frozen=True):
    """What replicas cost, in US dollars; a million tokens of one kind bears the whole cost."""

    per_hour: float
    per_month: float
    per_million_input: float
    per_million_output: float


class CostPoint(Struct, frozen=True):
    """The replicas of a plan at another rate, a share of the most that they could serve.

    That most is what they could with as much of the prompts cached as in the plan.
    """

    utilisation: float
    rate_per_s: float
    answer: FleetAnswer
    bill: Bill


class BreakEven(Struct, frozen=True):
    """An API beside a plan: its price for the same tokens, and the rate at which both cost as much.

    `utilisation` is that of the plan's replicas at this rate; above 1 they can't serve it.
    """

    per_month: float
    rate_per_s: float
    utilisation: float


def bill(answer: FleetAnswer, rate_per_s: float, usd_per_hour: float) -> Bill:
    """The cost of the replicas of an answer, each at `usd_per_hour`, that serve this rate."""
    per_hour, hourly = answer.replicas * usd_per_hour, rate_per_s * 3600
    return Bill(
        per_hour,
        per_hour * _HOURS_A_MONTH,
        per_hour / (answer.input_tokens * hourly) * 1e6,
        per_hour / (answer.output_tokens * hourly) * 1e6,
    )


def cost_curve(twin: Twin, plan: Plan, usd_per_hour: float) -> list[CostPoint]:
    """The plan's replicas from hardly to fully used: what they cost, and what users see."""
    question, answer = plan.question, plan.answer
    capacity = question.at_peak.rate_per_s / answer.utilisation
    fleet = question.fleet(twin.steps, answer.replicas)
    points = []
    for utilisation in UTILISATIONS:
        rate = utilisation * capacity
        workload = structs.replace(question.workload, rate_per_s=rate)
        at_rate = fleet_answer(fleet, workload, question.slo, question.lost)
        points.append(CostPoint(utilisation, rate, at_rate, bill(answer, rate, usd_per_hour)))
    rate = question.workload.rate_per_s
    if question.peak == 1.0:
        costs = bill(answer, rate, usd_per_hour)
        points.append(CostPoint(answer.utilisation, rate, answer, costs))
    return sorted(points, key=lambda point: point.rate_per_s)


def break_even(plan: Plan, usd_per_hour: float, api: TokenPrice) -> BreakEven:
    """What an API asks for the plan's tokens, and the rate above which the replicas are cheaper."""
    answer, rate = plan.answer, plan.question.workload.rate_per_s
    per_request = 1e-6 * (
        answer.input_tokens * api.usd_per_million_input
        + answer.output_tokens * api.usd_per_million_output
    )
    even = answer.replicas * usd_per_hour / 3600 / per_request
    capacity = plan.question.at_peak.rate_per_s / answer.utilisation
    return BreakEven(rate * per_request * 3600 * _HOURS_A_MONTH, even, even / capacity)


def per_day_by_hour(plan: Plan, usd_per_hour: float) -> float:
    """The cost of a day whose hours have as many replicas as each of them needs."""
    return sum(plan.by_hour) * usd_per_hour
