"""All charts of a run, in the order of the page; a chart without data is left out."""

from collections.abc import Iterator

from llmbench.config import Slo
from llmbench.report.charts import against_users, distributions, over_time, tradeoff
from llmbench.report.charts.theme import Chart
from llmbench.report.gather import RunData

GROUPS = {
    "users": "Against users",
    "tradeoff": "Latency against throughput",
    "distribution": "Distributions and the grid",
    "time": "Over time",
}
"""The groups of charts and their headings on the page."""


def gallery(data: RunData) -> Iterator[Chart]:
    """Every chart that this run has data for."""
    for chart in _candidates(data):
        if chart is not None:
            yield chart


MOST_CONFIGS = 6


def most_telling(data: RunData) -> list[str]:
    """The configurations that get charts of their own: at most six, of each model the fastest."""
    configs = [str(config) for config in dict.fromkeys(data.merged["config"])]
    if len(configs) <= MOST_CONFIGS:
        return configs
    fastest = data.merged.groupby(["model", "config"], sort=False)["output_tokens_per_s"].max()
    order = fastest.reset_index().sort_values("output_tokens_per_s", ascending=False)
    rank = order.groupby("model").cumcount()
    chosen = set(order.assign(rank=rank).sort_values("rank")["config"].head(MOST_CONFIGS))
    return [config for config in configs if config in chosen]


def slo_of(data: RunData, config: str) -> Slo:
    """The SLO of a configuration, its preset filled in; without limits where it has none."""
    from llmbench.metrics import resolve

    name = data.merged[data.merged["config"] == config]["model"].iloc[0]
    found = next((m.slo for m in data.info.models if m.name == name), Slo())
    return resolve(found)


def _candidates(data: RunData) -> Iterator[Chart | None]:
    configs = most_telling(data)
    for quantity in against_users.NAMES:
        yield against_users.chart(data.cells, quantity)
    for config in configs:
        yield tradeoff.chart(data.merged, config, slo_of(data, config))
    for config in configs:
        yield distributions.ecdf_chart(data.quantiles, data.merged, config)
        yield distributions.heat_chart(data.merged, config)
    for model in dict.fromkeys(data.merged["model"]):
        yield over_time.load_chart(data.timeline, data.merged, str(model))
    for target in dict.fromkeys(data.resources["target"]):
        yield over_time.resources_chart(data.resources, data.merged, str(target))
