"""Shows one cell in full: distributions, failures, resources, log, and how to run it again."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from llmbench.report.launch_facts import launch_spreads, spread_text
from llmbench.report.numbers import (
    interval,
    known,
    number,
    plural,
    quantile,
    size,
)
from llmbench.report.page import sparklines as small
from llmbench.report.page.cell_facts import CPU, GPUS, OWN_PART, facts, replicas
from llmbench.report.page.listing import anchor, verdict_of
from llmbench.report.read import RunData
from llmbench.report.terminal.classes_table import class_row
from llmbench.report.terminal.turns_table import turn_row
from llmbench.results import CellResult, Problem
from llmbench.store import RunInfo

if TYPE_CHECKING:
    import pandas as pd

    from llmbench.metrics import FailureKind

LOG_LINES, LOG_BYTES = 60, 12_000
TRACE_POINTS = 120


class Sparkline(Struct, frozen=True):
    """A small chart with its heading; `svg` is markup that is safe to insert as it is."""

    label: str
    svg: Any


class Log(Struct, frozen=True):
    """The end of a server's log file."""

    anchor: str
    name: str
    lines: int
    text: str


class Detail(Struct, frozen=True):
    """The part of the page that opens when a cell is clicked."""

    anchor: str
    name: str
    verdict: str
    kind: str
    summary: str
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    smalls: tuple[Sparkline, ...]
    table: tuple[tuple[str, ...], ...]
    turns: tuple[tuple[str, ...], ...]  # in the columns of the terminal's table, of all repeats
    classes: tuple[tuple[str, ...], ...]  # likewise
    failures: "tuple[FailureKind, ...]"
    facts: tuple[tuple[str, str], ...]  # of the server's launch and of the client's own part
    command: str
    log: str


def details(data: RunData, logs: Sequence[Log]) -> tuple[Detail, ...]:
    """The details of every cell, in the order in which they ran."""
    return tuple(
        _detail(data, k, row, logs) for k, (_, row) in enumerate(data.merged.iterrows(), 1)
    )


def _detail(data: RunData, k: int, row: "pd.Series[Any]", logs: Sequence[Log]) -> Detail:
    name = str(row["cell"])
    results = [result for result in data.results if result.summary.cell_id == name]
    verdict, kind = verdict_of(row)
    problems = dict.fromkeys(p for r in results for p in r.faults)
    notes = dict.fromkeys(note for result in results for note in result.notes)
    failures = tuple(
        structs.replace(f, example=f.example[:400]) for f in data.failures.get(name, ())
    )
    used = {r.endpoint.launch.log_file for r in data.cell_runs if r.cell_id == name}
    log = next((log.anchor for log in logs if log.name in used), "")
    return Detail(
        anchor(k),
        name,
        verdict,
        kind,
        _summary(row),
        tuple(problems),
        tuple(notes),
        tuple(s for s in _smalls(data, name) if s.svg),
        tuple(_table(row)),
        tuple(turn_row(turn) for result in results for turn in result.summary.turns),
        tuple(class_row(one, result) for result in results for one in result.summary.classes),
        failures,
        (
            *_launch(data, name),
            *_launches(results),
            *replicas(results),
            *facts(row, CPU),
            *facts(row, GPUS),
            *facts(row, OWN_PART),
        ),
        command(data, name),
        log,
    )


def _summary(row: "pd.Series[Any]") -> str:
    if known(row["inputs_per_s"]):
        rate = f"{number(row['inputs_per_s'])} inputs"
    else:
        rate = f"{number(row['output_tokens_per_s'])} output"
    parts = [
        plural(int(row["requests"]), "request"),
        f"{int(row['failed'])} failed",
        plural(int(row["repeats"]), "repeat"),
        f"{number(row['requests_per_s'])} requests/s",
        f"{rate} and {number(row['input_tokens_per_s'])} input tokens/s",
    ]
    if known(row["images_per_s"]):
        parts.append(f"{number(row['images_per_s'])} images/s")
    return " · ".join(parts)


_ROWS = {
    "ttft_ms": "TTFT, ms",
    "time_per_token_ms": "time per token, ms",
    "inter_token_ms": "between tokens, ms",
    "chunk_gap_ms": "between chunks, ms",
    "latency_ms": "latency, ms",
    "outside_server_ms": "outside of the server's clock, ms",
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
            parts = [
                f"{quantile(row, name, part)} ({interval(row, name, part)})"
                for part in ("p50", "p90", "p95", "p99")
            ]
            ends = [number(row[f"{name}_{part}"]) for part in ("mean", "max")]
            lines.append((label, f"{int(row[f'{name}_n']):,}", ends[0], *parts, ends[1]))
    return lines


def _smalls(data: RunData, name: str) -> list[Sparkline]:
    from markupsafe import Markup

    charts = []
    rows = data.quantiles[data.quantiles["cell"] == name]
    for quantity, label in (
        ("ttft_ms", "TTFT"),
        ("time_per_token_ms", "Time per token"),
        ("latency_ms", "Latency"),
    ):
        part = rows[rows["quantity"] == quantity]
        svg = small.ecdf(part["share"].tolist(), part["value"].tolist(), "ms", label)
        charts.append(Sparkline(f"{label}, cumulative", Markup(svg)))
    samples = data.resources[data.resources["cell"] == name]
    samples = samples.iloc[:: max(1, -(-len(samples) // TRACE_POINTS))]
    times = samples["time_s"].tolist()
    cpu = small.trace(times, samples["cpu_percent"].tolist(), "%", "CPU")
    memory = small.trace(times, (samples["memory_bytes"] / 2**20).tolist(), "MiB", "Memory")
    return [
        *charts,
        Sparkline("CPU of the server", Markup(cpu)),
        Sparkline("Memory", Markup(memory)),
        *_gpu_smalls(times, samples),
    ]


def _gpu_smalls(times: list[float], samples: "pd.DataFrame") -> Iterator[Sparkline]:
    """How busy the server's GPUs were and the power they took together, where they tell it."""
    from markupsafe import Markup

    busy = samples["gpu_percent"].astype(float)
    power = samples.filter(regex=r"^gpu\d+_power_w$").astype(float).sum(axis=1, min_count=1)
    for values, unit, label in ((busy, "%", "GPUs, mean"), (power, "W", "Power of the GPUs")):
        if values.notna().any():
            yield Sparkline(
                label, Markup(small.trace(times, values.ffill().bfill().tolist(), unit, label))
            )


def _launch(data: RunData, name: str) -> Iterator[tuple[str, str]]:
    """What was really started for the cell, and how long that took."""
    launches = [r.endpoint.launch for r in data.cell_runs if r.cell_id == name]
    if not launches:
        return
    first = launches[0]
    limits = []
    if first.cpu_quota_cores is not None or first.cores:
        cores = first.cpu_quota_cores or len(first.cores)
        limits.append(f"{cores:g} cores")
    if first.memory_limit_bytes is not None:
        limits.append(f"at most {size(first.memory_limit_bytes)}")
    count = next(len(r.endpoint.replicas) for r in data.cell_runs if r.cell_id == name)
    several = [f"{count} instances"] if count > 1 else []
    yield "server", ", ".join([first.kind, *filter(None, [first.image]), *limits, *several])
    for label, field in (("ready after", "healthy_s"), ("first token after", "first_token_s")):
        times = [getattr(launch, field) for launch in launches]
        texts = dict.fromkeys(f"{number(time)} s" for time in times if time is not None)
        if texts:
            yield label, ", ".join(texts)
    peaks = [launch.peak_memory_bytes for launch in launches if launch.peak_memory_bytes]
    if peaks:
        yield "peak memory", size(max(peaks))
    caches = [launch.file_cache_bytes for launch in launches if launch.file_cache_bytes]
    if caches:
        yield "beside it, cache of files", size(max(caches))


def _launches(results: Sequence[CellResult]) -> Iterator[tuple[str, str]]:
    """How far the launches of the cell's server lie apart, where there were several."""
    for name, spread in launch_spreads(results).items():
        yield f"{name}, standard deviation over {spread.launches} launches", spread_text(spread)


def whole_command(info: RunInfo) -> tuple[str, ...]:
    """The run's command line; the plugin knows only the arguments after ``pytest``."""
    words = info.command
    named = bool(words) and PurePath(words[0]).name in ("pytest", "py.test")
    return words if named else ("pytest", *words)


def command(data: RunData, cell_id: str) -> str:
    """The run's own command, narrowed to one cell: its ``-k`` becomes the cell's id.

    A run directory that it names is left out, since it holds this run.
    """
    kept, skip = [], False
    for word in whole_command(data.info):
        if skip or word in ("-k", "--llm-run-dir"):
            skip = not skip
        elif not word.startswith("--llm-run-dir="):
            kept.append(word)
    return shlex.join([*kept, "-k", f"{cell_id}]"])


def logs_of(data: RunData) -> tuple[Log, ...]:
    """The last lines of each log file of the servers."""
    names = dict.fromkeys(r.endpoint.launch.log_file for r in data.cell_runs)
    logs = []
    for k, name in enumerate((n for n in names if n), 1):
        path = data.run.path / name
        if path.is_file():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - LOG_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
            logs.append(Log(f"log-{k}", name, len(lines), "\n".join(lines)))
    return tuple(logs)
