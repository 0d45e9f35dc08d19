"""The table of cells that a terminal shows at the end of a session."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llmbench.report.numbers import UNKNOWN, interval, is_wide, number, quantile, requests_done
from llmbench.results import CellResult

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_TOKENS = ("TTFT p50", "TTFT p95", "ms/ token", "out tokens/s")
"""The columns of answers that are made of tokens."""

_INPUTS = ("latency p50", "latency p95", "in tokens/s", "inputs/s")
"""Those of answers that hold a result for each input instead."""

COLUMNS = ("cell", "requests", "failed", *_TOKENS, "requests/s", "verdict")
IMAGES = "images/s"
"""The column that stands before requests/s where requests have images."""
CPU = "CPU/ token"
"""The column that stands before the verdict where an engine computes on the CPU."""
MBU = "MBU %"
"""The column after it, of decoding's use of the memory's bandwidth, where that is known."""


def terminal_table(results: Sequence[CellResult]) -> "Table":
    """A row for each cell (medians over its repeats); times in ms.

    A percentile whose 95 % interval is wider than its tolerance is marked with ``~``. A run on a
    simulated server says so in its title; where only some cells are simulated, their verdict does.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        caption=caption(results),
        title=title(results),
        title_justify="left",
        caption_justify="left",
    )
    for name in columns_of(results):
        left = name in ("cell", "verdict")
        table.add_column(
            name.replace(" ", "\n").replace("requests/s", "req/s"),
            justify="left" if left else "right",
            overflow="fold",
            no_wrap=not left,
            min_width={"cell": 12, "verdict": 10}.get(name),
        )
    shared = shared_prefix(results)
    for row in rows_of(results):
        table.add_row(*(escape(text) for text in (row[0].removeprefix(shared), *row[1:])))
    return table


def shared_prefix(results: Sequence[CellResult]) -> str:
    """The model's name if all cells have the same one, so that the title can say it once."""
    models = {result.summary.cell.model for result in results}
    return f"{models.pop()}-" if len(models) == 1 else ""


def title(results: Sequence[CellResult]) -> str | None:
    """The model if there is only one, and the stamp of a run that is wholly simulated."""
    words = [shared_prefix(results).removesuffix("-")]
    if _all_simulated(results):
        words.append("SIMULATED: these numbers are not a real server's")
    return "  ".join(word for word in words if word) or None


def _all_simulated(results: Sequence[CellResult]) -> bool:
    return bool(results) and all(result.summary.simulated for result in results)


def columns_of(results: Sequence[CellResult]) -> tuple[str, ...]:
    """The headings of the table: those that all runs have, and others where they are known."""
    told = any(r.summary.computes_on_cpu and r.summary.cpu_per_token_ms for r in results)
    pooled = [r.summary.inputs_per_s is not None for r in results]
    tokens = () if pooled and all(pooled) else _TOKENS
    inputs = _INPUTS if any(pooled) else ()
    images = (IMAGES,) if any(r.summary.images_per_s is not None for r in results) else ()
    cpu = (CPU,) if told else ()
    mbu = (MBU,) if any(r.summary.bandwidth_use is not None for r in results) else ()
    rates = (*images, "requests/s")
    return ("cell", "requests", "failed", *tokens, *inputs, *rates, *cpu, *mbu, "verdict")


def rows_of(results: Sequence[CellResult]) -> list[list[str]]:
    """The texts of the table: a row for each cell, in the columns of `columns_of`."""
    mixed, columns = not _all_simulated(results), columns_of(results)
    return [_row(cells, mixed, columns) for cells in _grouped(results)]


def _grouped(results: Sequence[CellResult]) -> list[list[CellResult]]:
    groups: dict[str, list[CellResult]] = {}
    for result in results:
        groups.setdefault(result.summary.cell_id, []).append(result)
    return list(groups.values())


_TEXTS: dict[str, Callable[["pd.Series[Any]"], str]] = {
    "requests": lambda row: requests_done(row["requests"], row["dropped"]),
    "failed": lambda row: str(int(row["failed"])),
    "TTFT p50": lambda row: quantile(row, "ttft_ms", "p50"),
    "TTFT p95": lambda row: quantile(row, "ttft_ms", "p95"),
    "ms/ token": lambda row: quantile(row, "time_per_token_ms", "p50"),
    "out tokens/s": lambda row: number(row["output_tokens_per_s"]),
    "latency p50": lambda row: quantile(row, "latency_ms", "p50"),
    "latency p95": lambda row: quantile(row, "latency_ms", "p95"),
    "in tokens/s": lambda row: number(row["input_tokens_per_s"]),
    "inputs/s": lambda row: number(row["inputs_per_s"]),
    IMAGES: lambda row: number(row["images_per_s"]),
    "requests/s": lambda row: number(row["requests_per_s"]),
    CPU: lambda row: number(row["cpu_per_token_ms"]),
    MBU: lambda row: number(100 * row["bandwidth_use"]),
}


def _row(cells: list[CellResult], mixed: bool, columns: Sequence[str]) -> list[str]:
    from llmbench.report.tables.cell_rows import by_cell, frame

    merged = by_cell(frame(cells)).iloc[0]
    repeats = f" ×{len(cells)}" if len(cells) > 1 else ""
    figures = [_TEXTS[name](merged) for name in columns[1:-1]]
    return [str(merged["cell"]) + repeats, *figures, verdict_word(cells, mixed)]


def verdict_word(cells: Sequence[CellResult], stamped: bool = True) -> str:
    """``valid``, ``misses SLO``, ``OVERLOADED`` or ``INVALID rule``; SIMULATED where `stamped`."""
    rules = dict.fromkeys(problem.rule for cell in cells for problem in cell.problems)
    misses = any(not cell.meets_slo for cell in cells)
    word = f"INVALID {' '.join(rules)}" if rules else "misses SLO" if misses else "valid"
    if not rules and any(cell.overloaded is not None for cell in cells):
        word = "OVERLOADED"
    simulated = stamped and any(cell.summary.simulated for cell in cells)
    return f"{word}, SIMULATED" if simulated else word


def caption(results: Sequence[CellResult]) -> str:
    """The small print under the table."""
    if not results:
        return "No cell ended."
    wide = _first_wide(results)
    if wide is None:
        return "times in ms"
    return f"times in ms; ~ 95 % interval wider than the metric's tolerance, as in {wide}"


_PERCENTILES = [
    ("TTFT", "ttft_ms", "p50"),
    ("TTFT", "ttft_ms", "p95"),
    ("ms/token", "time_per_token_ms", "p50"),
]
_OF_INPUTS = [("latency", "latency_ms", "p50"), ("latency", "latency_ms", "p95")]


def _first_wide(results: Sequence[CellResult]) -> str | None:
    """The first marked percentile of the table with its interval; None where none is marked."""
    from llmbench.report.tables.cell_rows import by_cell, frame

    for _, row in by_cell(frame(results)).iterrows():
        shown = _OF_INPUTS if row["inputs_per_s"] >= 0 else _PERCENTILES
        for label, name, part in shown:
            if is_wide(row, name, part):
                ends = interval(row, name, part)
                if ends == f"{UNKNOWN} to {UNKNOWN}":
                    ends = f"too few for an interval, n = {int(row[f'{name}_n'])}"
                return f"{label} {part} {number(row[f'{name}_{part}'])} ({ends})"
    return None
