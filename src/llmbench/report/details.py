"""One cell in full: distributions, failures by kind, resources, log, and how to run it again."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.report import small
from llmbench.report.gather import Failure, RunData
from llmbench.report.listing import anchor, tail, verdict_of
from llmbench.report.words import number, plural
from llmbench.summaries import Problem

if TYPE_CHECKING:
    import pandas as pd

LOG_LINES, LOG_BYTES = 60, 12_000
TRACE_POINTS = 120


class Small(Struct, frozen=True):
    """A small chart with its heading; `svg` is markup that is safe to put in as it is."""

    label: str
    svg: Any


class Log(Struct, frozen=True):
    """The end of a server's log file."""

    anchor: str
    name: str
    lines: int
    text: str


class Detail(Struct, frozen=True):
    """What opens when a cell is clicked."""

    anchor: str
    name: str
    verdict: str
    kind: str
    summary: str
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    smalls: tuple[Small, ...]
    table: tuple[tuple[str, ...], ...]
    failures: tuple[Failure, ...]
    command: str
    log: str


def details(data: RunData, logs: Sequence[Log]) -> tuple[Detail, ...]:
    """Every cell, in the order in which they ran."""
    return tuple(
        _detail(data, k, row, logs) for k, (_, row) in enumerate(data.merged.iterrows(), 1)
    )


def _detail(data: RunData, k: int, row: "pd.Series[Any]", logs: Sequence[Log]) -> Detail:
    name = str(row["cell"])
    results = [result for result in data.results if result.summary.cell_id == name]
    verdict, kind = verdict_of(row)
    problems = dict.fromkeys(p for r in results for p in (*r.problems, *r.slo_misses))
    notes = dict.fromkeys(note for result in results for note in result.notes)
    failures = tuple(Failure(f.kind, f.count, f.example[:400]) for f in data.failures.get(name, ()))
    used = {r.endpoint.launch.log_file for r in data.cell_runs if r.cell_id == name}
    log = next((log.anchor for log in logs if log.name in used), "")
    return Detail(
        anchor(k), name, verdict, kind, _summary(row), tuple(problems), tuple(notes),
        tuple(s for s in _smalls(data, name) if s.svg), tuple(_table(row)), failures,
        command(data, name), log,
    )  # fmt: skip


def _summary(row: "pd.Series[Any]") -> str:
    parts = [
        plural(int(row["requests"]), "request"),
        f"{int(row['failed'])} failed",
        plural(int(row["repeats"]), "repeat"),
        f"{number(row['requests_per_s'])} requests/s",
        f"{number(row['output_tokens_per_s'])} output and"
        f" {number(row['input_tokens_per_s'])} input tokens/s",
    ]
    return " · ".join(parts)


_ROWS = {
    "ttft_ms": "TTFT, ms",
    "time_per_token_ms": "time per token, ms",
    "inter_token_ms": "between tokens, ms",
    "latency_ms": "latency, ms",
    "output_tokens": "output tokens",
    "input_tokens": "input tokens",
    "throughput_tokens_per_s": "(in + out) / latency, tokens/s",
    "client_lag_ms": "client lag, ms",
    "schedule_delay_ms": "schedule delay, ms",
}


def _table(row: "pd.Series[Any]") -> list[tuple[str, ...]]:
    lines = []
    for name, label in _ROWS.items():
        if row[f"{name}_n"] > 0:
            parts = [tail(row, name, part).text for part in ("p50", "p90", "p95", "p99")]
            ends = [number(row[f"{name}_{part}"]) for part in ("mean", "max")]
            lines.append((label, f"{int(row[f'{name}_n']):,}", ends[0], *parts, ends[1]))
    return lines


def _smalls(data: RunData, name: str) -> list[Small]:
    from markupsafe import Markup

    found = []
    rows = data.quantiles[data.quantiles["cell"] == name]
    for quantity, label in (
        ("ttft_ms", "TTFT"), ("time_per_token_ms", "Time per token"), ("latency_ms", "Latency"),
    ):  # fmt: skip
        part = rows[rows["quantity"] == quantity]
        svg = small.ecdf(part["share"].tolist(), part["value"].tolist(), "ms", label)
        found.append(Small(f"{label}, cumulative", Markup(svg)))
    samples = data.resources[data.resources["cell"] == name]
    samples = samples.iloc[:: max(1, -(-len(samples) // TRACE_POINTS))]
    times = samples["time_s"].tolist()
    cpu = small.trace(times, samples["cpu_percent"].tolist(), "%", "CPU")
    memory = small.trace(times, (samples["memory_bytes"] / 2**20).tolist(), "MiB", "Memory")
    return [*found, Small("CPU of the server", Markup(cpu)), Small("Memory", Markup(memory))]


def command(data: RunData, cell_id: str) -> str:
    """The run's own command, narrowed to one cell: its ``-k`` becomes the cell's id."""
    words = list(data.info.command)
    kept, skip = [], False
    for word in words:
        if skip or word == "-k":
            skip = not skip
            continue
        kept.append(word)
    return shlex.join([*kept, "-k", f"{cell_id}]"])


def logs_of(data: RunData) -> tuple[Log, ...]:
    """The last lines of each log file of the servers."""
    names = dict.fromkeys(r.endpoint.launch.log_file for r in data.cell_runs)
    found = []
    for k, name in enumerate((n for n in names if n), 1):
        path = data.run.path / name
        if path.is_file():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - LOG_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
            found.append(Log(f"log-{k}", name, len(lines), "\n".join(lines)))
    return tuple(found)
