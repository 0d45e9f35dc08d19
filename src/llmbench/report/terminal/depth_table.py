"""The speed at depth, as the terminal, the page and Markdown show it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmbench.report.numbers import UNKNOWN, number
from llmbench.results import CellResult, CellSummary

if TYPE_CHECKING:
    from rich.table import Table

    from llmbench.metrics import DepthSpeed

COLUMNS = ("model", "test", "tokens/s", "95 % interval", "by the server", "requests")

MEANING = (
    "pp: prefill, tg: decoding, of so many tokens after those at d; ≥: at least, as all of TTFT"
    " counts as prefill, or as noise hides how much TTFT grew;"
    " by the server: from its own times, where it tells them"
)


def speeds_by_config(results: Sequence[CellResult]) -> "dict[str, tuple[DepthSpeed, ...]]":
    """The speeds of each configuration that was measured at depths, from its valid repeats."""
    from llmbench.metrics import depth_speeds

    groups: dict[str, list[CellSummary]] = {}
    for result in results:
        if result.summary.cell.is_depth and result.valid:
            groups.setdefault(result.summary.cell.config_name, []).append(result.summary)
    return {config: depth_speeds(summaries) for config, summaries in groups.items()}


def depth_rows(results: Sequence[CellResult]) -> list[tuple[str, ...]]:
    """The texts of each speed in `COLUMNS`; empty where nothing was measured at depths."""
    return [
        _row(config, speed)
        for config, speeds in speeds_by_config(results).items()
        for speed in speeds
    ]


def _row(config: str, speed: "DepthSpeed") -> tuple[str, ...]:
    known = speed.low is not None or speed.high is not None
    return (
        config,
        speed.test,
        _rate(speed),
        f"{number(speed.low)} to {number(speed.high)}" if known else UNKNOWN,
        number(speed.server_tokens_per_s),
        str(speed.n),
    )


def _rate(speed: "DepthSpeed") -> str:
    """The rate, or the most that can be said of it."""
    if speed.resolved:
        return number(speed.tokens_per_s)
    least = speed.tokens_per_s if speed.at_least else speed.low
    return UNKNOWN if least is None else f"≥ {number(least)}"


def depths_found(results: Sequence[CellResult]) -> "Iterator[Table]":
    """One table of all configurations that were measured at depths, in llama-bench's words."""
    from rich import box
    from rich.table import Table

    rows = depth_rows(results)
    if not rows:
        return
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title="speed at depth",
        title_justify="left",
        caption=MEANING,
        caption_justify="left",
    )
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("model", "test") else "right")
    for row in rows:
        table.add_row(*row)
    yield table
