"""The page's table of cells, whose texts each have a key to sort by."""

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.report.numbers import is_wide, known, number, quantile, size

if TYPE_CHECKING:
    import pandas as pd


class Column(Struct, frozen=True):
    """A heading; `left` aligns a column of texts to the left."""

    label: str
    unit: str = ""
    left: bool = False


class Value(Struct, frozen=True):
    """A field of the table: its text, its sorting key ('': not known), and whether it is a hint."""

    text: str
    sort: str
    wide: bool = False


class Row(Struct, frozen=True):
    """A cell of the grid as a row of the table."""

    name: str  # without the model if all cells have the same one
    anchor: str
    verdict: str
    kind: str
    text: str  # the text that the filter searches
    cells: tuple[Value, ...]


COLUMNS = (
    Column("cell", left=True),
    Column("verdict", left=True),
    Column("users"),
    Column("requests"),
    Column("failed"),
    Column("TTFT p50", "ms"),
    Column("TTFT p95", "ms"),
    Column("time/token p50", "ms"),
    Column("latency p50", "ms"),
    Column("out", "tokens/s"),
    Column("in", "tokens/s"),
    Column("requests/s"),
    Column("CPU mean", "%"),
    Column("CPU/token", "ms"),
    Column("memory"),
)
MBU = Column("MBU", "%")
"""The last column where decoding's use of the memory's bandwidth is known of any cell."""


def columns_of(merged: "pd.DataFrame") -> tuple[Column, ...]:
    """The headings of the table of these cells."""
    return (*COLUMNS, MBU) if _has_mbu(merged) else COLUMNS


def _has_mbu(merged: "pd.DataFrame") -> bool:
    return bool(merged["bandwidth_use"].notna().any())


def rows_of(merged: "pd.DataFrame") -> list[Row]:
    """All cells of `cells_table.by_cell`, in the order in which they ran."""
    models = set(merged["model"])
    shared = f"{models.pop()}-" if len(models) == 1 else ""
    mbu = _has_mbu(merged)
    return [_row(k, row, shared, mbu=mbu) for k, (_, row) in enumerate(merged.iterrows(), 1)]


def verdicts_of(merged: "pd.DataFrame") -> list[str]:
    """The verdicts that occur, for the choice above the table."""
    return sorted({verdict_of(row)[0] for _, row in merged.iterrows()})


def anchor(number_of_cell: int) -> str:
    """The id of a cell's place in the page."""
    return f"cell-{number_of_cell}"


def verdict_of(row: "pd.Series[Any]") -> tuple[str, str]:
    """The verdict in a word, and the word for its colour."""
    if not row["valid"]:
        return "INVALID", "invalid"
    if row["outcome"] == "overloaded":
        return "OVERLOADED", "misses"
    return ("valid", "valid") if row["meets_slo"] else ("misses SLO", "misses")


def _row(k: int, row: "pd.Series[Any]", shared: str, *, mbu: bool) -> Row:
    verdict, kind = verdict_of(row)
    stamp = "simulated" if row["simulated"] else ""
    text = f"{row['cell']} {verdict} {stamp} {row['errors']}".lower()
    name = str(row["cell"]).removeprefix(shared)
    values = [*_values(row), *([plain(100 * row["bandwidth_use"])] if mbu else [])]
    return Row(name, anchor(k), verdict, kind, text, tuple(values))


def _values(row: "pd.Series[Any]") -> list[Value]:
    rate = row["rate_per_s"]
    load = Value(f"{number(rate)}/s", str(rate)) if known(rate) else plain(row["users"])
    return [
        load,
        plain(row["requests"]),
        plain(row["failed"]),
        tail(row, "ttft_ms", "p50"),
        tail(row, "ttft_ms", "p95"),
        tail(row, "time_per_token_ms", "p50"),
        tail(row, "latency_ms", "p50"),
        plain(row["output_tokens_per_s"]),
        plain(row["input_tokens_per_s"]),
        plain(row["requests_per_s"]),
        plain(row["cpu_percent_mean"]),
        plain(row["cpu_per_token_ms"]),
        Value(size(row["memory_bytes_max"]), _key(row["memory_bytes_max"])),
    ]


def plain(value: float) -> Value:
    """A number with three digits, or a whole count."""
    whole = known(value) and float(value).is_integer() and abs(value) < 1e9
    return Value(f"{int(value):,}" if whole else number(value), _key(value))


def tail(row: "pd.Series[Any]", name: str, part: str) -> Value:
    """A percentile, marked where its interval is wide."""
    text = quantile(row, name, part)
    return Value(text, _key(row[f"{name}_{part}"]), is_wide(row, name, part))


def _key(value: float) -> str:
    return f"{value:g}" if known(value) else ""
