"""Writes the figures of a session and its verdicts as OpenMetrics text, as GitLab reads it.

https://docs.gitlab.com/ci/testing/metrics_reports/
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from llmbench.report.ci.figures import COLUMNS, figures
from llmbench.results import CellResult

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from llmbench.verdict import Verdict


def openmetrics(results: Sequence[CellResult], verdicts: "Sequence[Verdict]") -> bytes:
    """A gauge for each figure of each cell; times are in seconds, as OpenMetrics asks."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.openmetrics.exposition import generate_latest
    from prometheus_client.registry import Collector

    class Session(Collector):
        def collect(self) -> "Iterator[Metric]":
            yield from _figures(results)
            yield from _verdicts(verdicts)

    registry = CollectorRegistry()
    registry.register(Session())
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text


def _figures(results: Sequence[CellResult]) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    families: dict[str, GaugeMetricFamily] = {}
    for figure in figures(results):
        name, unit, percentile = COLUMNS[figure.column]
        if name not in families:
            labels = ["cell", "percentile"] if percentile else ["cell"]
            families[name] = GaugeMetricFamily(
                f"llmbench_{name}",
                f"{name.replace('_', ' ')}, median of the repeats",
                labels=labels,
                unit="seconds" if unit == "ms" else "",
            )
        labels = [figure.cell, *([percentile] if percentile else [])]
        families[name].add_metric(labels, figure.value / (1e3 if unit == "ms" else 1))
    yield from families.values()


def _verdicts(verdicts: "Sequence[Verdict]") -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily, StateSetMetricFamily

    from llmbench.verdict import Status

    labels = ["cell", "metric", "baseline"]
    states = StateSetMetricFamily("llmbench_verdict", "the gate's verdict", labels=labels)
    changes = GaugeMetricFamily("llmbench_change", "now / baseline - 1", labels=labels)
    for verdict in verdicts:
        for row in (row for row in verdict.comparisons if row.gating):
            values = [row.cell, row.metric, verdict.baseline]
            states.add_metric(values, {state: state == row.state for state in get_args(Status)})
            changes.add_metric(values, row.change)
    if states.samples:
        yield from (states, changes)
