"""Reads traces of real load: when requests came, and how long they were.

A trace is CSV or JSONL with our names (``timestamp_s,input_tokens,output_tokens``), with those of
Azure's LLM inference traces (``TIMESTAMP,ContextTokens,GeneratedTokens``), or with those of
Mooncake's (``timestamp`` in milliseconds, ``input_length``, ``output_length``).
"""

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from llmbench.cells import Cell, Trace
from llmbench.config import ConfigError
from llmbench.traffic import plain_lengths

_TIMES = {"timestamp_s": 1.0, "timestamp": 1e-3, "TIMESTAMP": None}  # seconds in one unit
_INPUTS = ("input_tokens", "input_length", "ContextTokens")
_OUTPUTS = ("output_tokens", "output_length", "GeneratedTokens")


class TraceRow(Struct, frozen=True, gc=False):
    """A request of a trace, `at_s` seconds after the first one."""

    at_s: float
    input_tokens: int
    output_tokens: int


def read_trace(path: str) -> list[TraceRow]:
    """The rows of the file at `path`, ordered by time; `ConfigError` names the file and the row."""
    rows: list[tuple[float, int, int]] = []
    try:
        for number, raw in enumerate(_raw_rows(Path(path)), start=1):
            rows.append(_row(raw, f"{path}: row {number}"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the trace can't be read: {error}") from error
    if not rows:
        raise ConfigError(f"{path}: the trace holds no requests")
    rows.sort(key=lambda row: row[0])
    first = rows[0][0]
    return [TraceRow(at - first, asked, given) for at, asked, given in rows]


def input_lengths(cell: Cell) -> tuple[int, ...]:
    """The prompt lengths that a cell needs: its own, or the deciles of a trace's.

    Of traffic it is those of plain lengths; other texts are made for it alone.
    """
    if cell.traffic is not None:
        return tuple(sorted({part.input_tokens for part in plain_lengths(cell.traffic)}))
    if not isinstance(cell.shape, Trace):
        return (cell.input_tokens,)
    asked = sorted(row.input_tokens for row in read_trace(cell.shape.path))
    return tuple(sorted({asked[(len(asked) - 1) * tenth // 10] for tenth in range(11)}))


def _raw_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix in (".jsonl", ".json", ".ndjson"):
            for line in file:
                if line.strip():
                    yield _object(line, path)
        else:
            yield from csv.DictReader(file)


def _object(line: str, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{path}: {line[:60]!r} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ConfigError(f"{path}: {line[:60]!r} is not a JSON object")
    return row


def _row(raw: dict[str, Any], where: str) -> tuple[float, int, int]:
    time = _name(raw, tuple(_TIMES), where)
    asked, given = _name(raw, _INPUTS, where), _name(raw, _OUTPUTS, where)
    try:
        return (
            _seconds(raw[time], _TIMES[time]),
            _tokens(raw[asked]),
            _tokens(raw[given]),
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def _tokens(value: Any) -> int:
    tokens = int(value)
    if tokens < 1:
        raise ValueError(f"{value} tokens; every request of a trace needs at least 1")
    return tokens


def _name(raw: dict[str, Any], names: tuple[str, ...], where: str) -> str:
    for name in names:
        if name in raw:
            return name
    columns = ", ".join(str(key) for key in raw)
    raise ConfigError(f"{where}: none of the columns {', '.join(names)}; it has {columns}")


def _seconds(value: Any, unit: float | None) -> float:
    """`value` in seconds; a date (Azure's have seven digits after the second) since the epoch."""
    if unit is not None:
        return float(value) * unit
    try:
        return float(value)
    except ValueError:
        head, _, fraction = str(value).partition(".")
        digits = fraction.rstrip("Z").partition("+")[0]
        moment = datetime.fromisoformat(head.rstrip("Z") + "+00:00")
        return moment.timestamp() + (float(f"0.{digits}") if digits else 0.0)
