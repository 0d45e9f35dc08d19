"""Lists the figures of a cell that a CI system keeps, with the verdicts on them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.report.numbers import known
from llmbench.results import CellResult

if TYPE_CHECKING:
    from llmbench.verdict import Verdict

COLUMNS = {
    "ttft_ms_p50": ("ttft", "ms", "p50"),
    "ttft_ms_p95": ("ttft", "ms", "p95"),
    "time_per_token_ms_p50": ("time_per_token", "ms", "p50"),
    "time_per_token_ms_p95": ("time_per_token", "ms", "p95"),
    "latency_ms_p50": ("latency", "ms", "p50"),
    "latency_ms_p95": ("latency", "ms", "p95"),
    "cpu_per_token_ms": ("cpu_per_token", "ms", ""),
    "output_tokens_per_s": ("output_tokens_per_second", "", ""),
    "inputs_per_s": ("inputs_per_second", "", ""),
    "images_per_s": ("images_per_second", "", ""),
    "requests_per_s": ("requests_per_second", "", ""),
    "error_rate": ("error_rate", "", ""),
}
"""Columns of ``cells.csv``, each with its name elsewhere, its unit and its percentile."""


class Figure(Struct, frozen=True):
    """A figure of a cell: the median over its valid repeats."""

    cell: str
    column: str
    value: float


def figures(results: Sequence[CellResult]) -> Iterator[Figure]:
    """The figures of each cell that are known."""
    for row in _cells(results):
        for column in COLUMNS:
            if known(row[column]):
                yield Figure(str(row["cell"]), column, float(row[column]))


def cell_properties(results: Sequence[CellResult]) -> list[tuple[str, str]]:
    """Names and values of one cell's figures and outcome, for JUnit's ``<property>``."""
    named = [(f"llmbench.{figure.column}", f"{figure.value:.6g}") for figure in figures(results)]
    for row in _cells(results):
        words = ("cell", "outcome", "slo", "stamp")
        named += [(f"llmbench.{word}", str(row[word])) for word in words if row[word]]
        named += [(f"llmbench.{n}", f"{int(row[n])}") for n in ("requests", "failed", "repeats")]
    return named


def verdict_properties(verdict: "Verdict") -> list[tuple[str, str]]:
    """Names and values of a verdict and of each metric's row, for JUnit's ``<property>``."""
    named = [("llmbench.verdict", verdict.state), ("llmbench.baseline", verdict.baseline)]
    for row in verdict.comparisons:
        name = f"llmbench.verdict.{row.metric}"
        state = row.state if row.gating else f"advisory {row.state}"
        named += [(name, state), (f"{name}.change", f"{row.change:.4g}")]
        named += [(f"{name}.limit", f"{row.limit:.4g}")]
    return named


def _cells(results: Sequence[CellResult]) -> "Iterator[Any]":
    from llmbench.report.tables.cell_rows import by_cell, frame

    if results:
        yield from (row for _, row in by_cell(frame(results)).iterrows())
