"""Knows all charts of a run, in the order in which the page shows them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from llmbench.config import Slo
from llmbench.report.charts import (
    against_baseline,
    against_classes,
    against_users,
    capacity,
    distributions,
    pareto,
    size_map,
    tradeoff,
)
from llmbench.report.charts.context import against_depth, against_turns
from llmbench.report.charts.theme import Chart, stamp_of
from llmbench.report.charts.timelines import over_time, power, server_gauges, where_time_went
from llmbench.report.read import RunData
from llmbench.report.run_curves import config_of, curves_of
from llmbench.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

GROUPS = {
    "baseline": "Against the baseline",
    "users": "Against users",
    "turns": "Turn by turn",
    "depth": "Speed at depth",
    "classes": "Class by class",
    "capacity": "Capacity, size and cost",
    "tradeoff": "Latency against throughput",
    "distribution": "Distributions and the grid",
    "time": "Over time",
}
"""The groups of charts and their headings on the page."""


Drawing = Callable[[], Chart | None]
"""Draws a chart; None says that the run has no data for it."""


def gallery(data: RunData, verdict: Verdict | None = None) -> Iterator[Drawing]:
    """How to draw each chart of the run; with a `verdict`, the comparison comes first."""
    if verdict is not None:
        yield partial(against_baseline.chart, verdict)
    yield from _drawings(data)


def _capacity(data: RunData) -> Iterator[Drawing]:
    """The ramps, then for each model its sizes and what its loads cost."""
    from llmbench.metrics import sizing_of

    curves = curves_of(data)
    for curve in curves:
        if curve.ramp:
            yield partial(capacity.ramp_chart, curve, _stamp(data, curve.model))
    yield partial(pareto.chart, data, curves, stamp_of(data.merged["stamp"]))
    for name in (str(model) for model in dict.fromkeys(data.merged["model"])):
        model = config_of(data, name)
        sizes = sizing_of(data.results, name, model)
        if sizes is not None:
            yield partial(size_map.size_chart, sizes, name, _stamp(data, name))
        if model is not None and model.price is not None:
            of_model = [c for c in curves if c.model == name and not c.ramp]
            yield partial(capacity.cost_chart, of_model, model, _stamp(data, name))


def _stamp(data: RunData, model: str) -> str:
    return stamp_of(data.merged[data.merged["model"] == model]["stamp"])


MOST_CONFIGS = 6


def most_telling(data: RunData) -> list[str]:
    """The configurations that get charts of their own: at most six, each model's fastest first."""
    configs = [str(config) for config in dict.fromkeys(data.merged["config"])]
    if len(configs) <= MOST_CONFIGS:
        return configs
    fastest = data.merged.groupby(["model", "config"], sort=False)["output_tokens_per_s"].max()
    order = fastest.reset_index().sort_values("output_tokens_per_s", ascending=False)
    rank = order.groupby("model").cumcount()
    chosen = set(order.assign(rank=rank).sort_values("rank")["config"].head(MOST_CONFIGS))
    return [config for config in configs if config in chosen]


def slo_of(data: RunData, config: str) -> Slo:
    """The SLO of a configuration with its preset filled in; it may have no limits."""
    from llmbench.metrics import resolve

    name = data.merged[data.merged["config"] == config]["model"].iloc[0]
    slo = next((m.slo for m in data.info.models if m.name == name), Slo())
    return resolve(slo)


def _lengths_and_traffic(cells: "pd.DataFrame") -> "tuple[pd.DataFrame, pd.DataFrame]":
    """The cells whose requests have one pair of lengths, and those of traffic, with many."""
    lengths = cells.dropna(subset=["requested_input_tokens", "requested_output_tokens"])
    return lengths, cells[cells["traffic"].notna()]


def _of_inputs(cells: "pd.DataFrame") -> "pd.DataFrame":
    """The cells without output tokens; each number of inputs is a configuration of its own."""
    rows = cells[cells["inputs"].notna()]
    names = [
        config if inputs == 1 else f"{config} × {inputs:g}"
        for config, inputs in zip(rows["config"], rows["inputs"], strict=True)
    ]
    return rows.assign(config=names, requested_output_tokens=0)


def _drawings(data: RunData) -> Iterator[Drawing]:
    configs = most_telling(data)
    for cells in _lengths_and_traffic(data.cells):
        for quantity in against_users.NAMES:
            yield partial(against_users.chart, cells, quantity)
    of_inputs = _of_inputs(data.cells)
    for quantity in against_users.WITHOUT_TOKENS:
        yield partial(against_users.chart, of_inputs, quantity)
    yield from against_turns.charts(data.results)
    yield partial(against_depth.chart, data.results)
    yield from against_classes.charts(data.results)
    yield from _capacity(data)
    for config in configs:
        for cells in _lengths_and_traffic(data.merged):
            yield partial(tradeoff.chart, cells, config, slo_of(data, config))
    for config in configs:
        yield partial(distributions.ecdf_chart, data.quantiles, data.merged, config)
        yield partial(distributions.heat_chart, data.merged, config)
    for config in configs:
        yield partial(where_time_went.chart, data.merged, config)
    for target in dict.fromkeys(data.gauges["target"]):
        yield partial(server_gauges.chart, data.gauges, data.merged, str(target))
    for model in dict.fromkeys(data.merged["model"]):
        yield partial(over_time.load_chart, data.timeline, data.merged, str(model))
    for target in dict.fromkeys(data.resources["target"]):
        yield partial(over_time.resources_chart, data.resources, data.merged, str(target))
        yield partial(power.chart, data.resources, data.merged, str(target))
