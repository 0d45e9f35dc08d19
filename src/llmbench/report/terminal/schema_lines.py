"""Lines on what constraining answers to a schema costs, and on how many conform."""

from collections.abc import Iterator, Sequence

from llmbench.report.numbers import number, percent, plural
from llmbench.results import CellResult


def schemas_found(results: Sequence[CellResult]) -> Iterator[str]:
    """A line for each schema and load that were also measured without one."""
    from llmbench.verdict import schema_costs

    for cost in schema_costs(results):
        shown = "" if cost.conforming_share is None else percent(cost.conforming_share)
        conforming = f"; {shown} of the answers conform" if shown else ""
        yield (
            f"{cost.cell.id}: time per token is {number(cost.ratio)}× that without the schema "
            f"({number(cost.low)} to {number(cost.high)}, {percent(cost.confidence)} interval, "
            f"{plural(cost.repeats, 'repeat')} of each){conforming}"
        )
