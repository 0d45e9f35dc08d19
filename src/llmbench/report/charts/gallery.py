"""All charts of a run, in the order of the page; a chart without data is left out."""

from collections.abc import Iterator

from llmbench.report.charts import against_users, distributions, over_time
from llmbench.report.charts.theme import Chart
from llmbench.report.gather import RunData

GROUPS = {
    "users": "Against users",
    "distribution": "Distributions and the grid",
    "time": "Over time",
}
"""The groups of charts and their headings on the page."""


def gallery(data: RunData) -> Iterator[Chart]:
    """Every chart that this run has data for."""
    for chart in _candidates(data):
        if chart is not None:
            yield chart


def _candidates(data: RunData) -> Iterator[Chart | None]:
    configs = [str(config) for config in dict.fromkeys(data.merged["config"])]
    for quantity in against_users.NAMES:
        yield against_users.chart(data.cells, quantity)
    for config in configs:
        yield distributions.ecdf_chart(data.quantiles, data.merged, config)
        yield distributions.heat_chart(data.merged, config)
    for config in configs:
        yield over_time.load_chart(data.timeline, data.merged, config)
    for target in dict.fromkeys(data.resources["target"]):
        yield over_time.resources_chart(data.resources, data.merged, str(target))
