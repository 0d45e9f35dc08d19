"""What a plan prints."""

from collections.abc import Iterator

from llmbench.twin.fleet import FILLING
from llmbench.twin.planning import SEEDS, Bill, Plan, count_of, draw_size
from llmbench.twin.twin_file import Twin
from llmbench.twin.twin_words import number, title


def plan_lines(twin: Twin, plan: Plan, bill: Bill | None) -> Iterator[str]:
    """How many replicas, what they show, what breaks first with one less, and what they cost."""
    answer = plan.answer
    yield f"{title(twin)}: {number(plan.rate_per_s)} requests/s (Poisson), {plan.routing} routing"
    yield ""
    low, high = plan.low, plan.high
    reach = f"{low} to {high}" if low != high else f"{low} too"
    yield f"{count_of(answer.replicas)} ({reach} at the ends of the twin's 90 % interval)"
    yield f"  utilisation {answer.utilisation:.0%}, goodput {answer.goodput:.1%}"
    for limit in answer.limits:
        value = f"{limit.value_ms:,.0f} ± {number(limit.error_ms)} ms"
        yield f"  {limit.name:<20}{value} (limit {limit.limit_ms:,.0f} ms)"
    if plan.one_less is not None:
        yield f"  breaks first, with one less: {plan.one_less.breaks_first}"
    yield f"  nearest to breaking: {answer.breaks_first}"
    if bill is not None:
        yield (
            f"  cost: ${bill.per_hour:,.2f} an hour, ${bill.per_month:,.0f} a month; "
            f"${number(bill.per_million_input)} for 1M input tokens or "
            f"${number(bill.per_million_output)} for 1M output tokens, each bearing all of it"
        )
    yield (
        f"{SEEDS} draws of {draw_size(answer.replicas):,} requests, the first {FILLING:.0%} of "
        "which fill the replicas; ± is the standard error of the draws"
    )
