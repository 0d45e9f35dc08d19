"""What a plan prints."""

from collections.abc import Iterator

from llmbench.traffic import Conversations, SharedPrefix
from llmbench.twin.answering import SEEDS, FleetAnswer
from llmbench.twin.fleet.drawing import EMPTYING, FILLING
from llmbench.twin.money import BreakEven, CostPoint, bill, per_day_by_hour
from llmbench.twin.planning import Plan, Question, count_of
from llmbench.twin.twin_file import Twin
from llmbench.twin.twin_words import number, title

_BAR = 24  # characters of the longest bar


def plan_lines(twin: Twin, plan: Plan, usd_per_hour: float | None) -> Iterator[str]:
    """How many replicas, what they show, what breaks first with one less, and what they cost."""
    answer, question = plan.answer, plan.question
    yield f"{title(twin)}: {_asked(question)}, {question.routing} routing"
    yield ""
    low, high = plan.low, plan.high
    reach = f"{low} to {high}" if low != high else f"{low} too"
    yield f"{count_of(answer.replicas)} ({reach} at the ends of the twin's 90 % interval)"
    yield from _shown(answer)
    if plan.one_less is not None:
        yield f"  breaks first, with one less: {plan.one_less.breaks_first}"
    yield f"  nearest to breaking: {answer.breaks_first}"
    if not all(one.is_clear for one in (answer, plan.one_less) if one is not None):
        yield "  too close to tell: within two standard errors of a limit; it may be one off"
    if plan.by_hour:
        yield _by_hour(plan)
    if usd_per_hour is not None:
        yield from _cost(plan, usd_per_hour)
    yield (
        f"{SEEDS} draws of {answer.requests:,} requests, of whose time the first {FILLING:.0%} and "
        f"the last {EMPTYING:.0%} are not measured; ± is the standard error of the draws"
    )


def _asked(question: Question) -> str:
    workload = question.workload
    words = f"{number(workload.rate_per_s)} requests/s (Poisson)"
    if isinstance(workload.kind, Conversations | SharedPrefix):
        words += f" of {workload.kind.name}"
    if question.peak != 1.0:
        words += f", {number(question.at_peak.rate_per_s)} at the busiest hour"
    event = workload.event
    if event is not None and question.lost:
        words += f", {count_of(question.lost)} lost for {event.seconds:g} s"
    elif event is not None:
        words += f", {event.factor:g} times as many for {event.seconds:g} s"
    return words


def _shown(answer: FleetAnswer) -> Iterator[str]:
    error = f" ± {answer.goodput_error:.1%}" if answer.goodput_error >= 5e-4 else ""
    yield f"  utilisation {answer.utilisation:.0%}, goodput {answer.goodput:.1%}{error}"
    for limit in answer.limits:
        value = f"{limit.value_ms:,.0f} ± {number(limit.error_ms)} ms"
        yield f"  {limit.name:<20}{value} (limit {limit.limit_ms:,.0f} ms)"
    if answer.cached_share:
        yield f"  {answer.cached_share:.0%} of the prompts' tokens were in a prefix cache"
    if answer.preemptions:
        yield f"  {number(answer.preemptions)} times for each request, memory had to be given back"


def _by_hour(plan: Plan) -> str:
    fewest, mean = min(plan.by_hour), sum(plan.by_hour) / len(plan.by_hour)
    return f"  by the hour: {fewest} to {max(plan.by_hour)}, {mean:.1f} in the mean"


def _cost(plan: Plan, usd_per_hour: float) -> Iterator[str]:
    costs = bill(plan.answer, plan.question.workload.rate_per_s, usd_per_hour)
    yield (
        f"  cost: ${costs.per_hour:,.2f} an hour, ${costs.per_month:,.0f} a month; "
        f"${number(costs.per_million_input)} for 1M input tokens or "
        f"${number(costs.per_million_output)} for 1M output tokens, each bearing all of it"
    )
    if plan.by_hour:
        saved = 1 - per_day_by_hour(plan, usd_per_hour) / (24 * costs.per_hour)
        yield f"  with as many as each hour needs: {saved:.0%} less"


def curve_lines(plan: Plan, points: list[CostPoint]) -> Iterator[str]:
    """The cost of tokens against utilisation, and whether the SLO is met there."""
    most = max(point.bill.per_million_output for point in points)
    limit = plan.answer.limits[0].name
    yield ""
    yield f"{count_of(plan.answer.replicas)}, more or less used:"
    yield f"  {'used':>5} {'requests/s':>11} {'$/1M in':>9} {'$/1M out':>9}  {limit:>18}  SLO"
    for point in points:
        value = f"{point.answer.limits[0].value_ms:,.0f} ms" if point.answer.keeps_up else "grows"
        met = "met" if point.answer.meets_slo else "missed"
        bar = "█" * max(1, round(_BAR * point.bill.per_million_output / most))
        yield (
            f"  {point.utilisation:>5.0%} {number(point.rate_per_s):>11} "
            f"{number(point.bill.per_million_input):>9} {number(point.bill.per_million_output):>9}"
            f"  {value:>18}  {met:<6} {bar}"
        )


def break_even_line(name: str, date: str, even: BreakEven) -> str:
    """An API beside the plan."""
    words = (
        f"{name} (prices of {date}) asks ${even.per_month:,.0f} a month for these tokens; "
        f"break-even at {number(even.rate_per_s)} requests/s"
    )
    if even.utilisation > 1:
        return f"{words}, more than these replicas can serve: the API is cheaper"
    return f"{words}, where they are used to {even.utilisation:.0%}"
