"""Reduces a run to what is compared, the repeats of each cell's metrics; stored, it is a baseline.

A baseline file is meant to be committed and read in a review, so it is sorted and has a line of
six-digit numbers for each metric.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.config import ConfigError
from llmbench.metrics import certifiable
from llmbench.records import CellRun
from llmbench.results import CellResult, CellSummary, Distribution, Search
from llmbench.store import RunDir, replace_file
from llmbench.value_types import nearest
from llmbench.verdict.gate.samples.fingerprints import fingerprint
from llmbench.verdict.judging import JudgedCell, judged_cells

FORMAT = "llmbench baseline"
VERSION = 2
"""Version 2 has `counts` and a longer fingerprint than 1 (pytest-llmbench 0.1.0)."""
READABLE = (1, VERSION)

SERVERS_OWN = frozenset({"error_rate", "no_success", "output_length", "resent"})
"""The rules that the server breaks; a repeat that only these make INVALID counts its faults."""

ADVISORY = ("ttft_p95", "ttft_p99", "time_per_token_p95", "time_per_token_p99")
"""The metrics that gate only if every repeat has enough requests to certify the percentile."""


class CellSample(Struct, frozen=True, forbid_unknown_fields=True):
    """The valid repeats of one cell; ``None`` in a list means that this repeat doesn't know it."""

    metrics: dict[str, list[float | None]]
    requests: int  # the fewest in a repeat's window
    repeats: int
    invalid: int = 0  # repeats left out
    why: str = ""  # what was wrong with them
    advisory: list[str] = []  # metrics that too few requests keep from gating
    overloaded: int = 0  # repeats that asked for more than the server could do
    counts: dict[str, list[int]] = {}  # of what went wrong: [how many, of how many]
    launches: list[int] = []  # of each repeat; empty (older versions): all are of one
    server: str = ""  # the model with its limits: cells that share it share its launches

    def launches_of(self, metric: str) -> list[int]:
        """The launch of each value of a metric; of a cold start each is of its own."""
        values = self.metrics.get(metric, [])
        if metric.startswith("cold_"):
            return list(range(len(values)))
        return self.launches[: len(values)] or [0] * len(values)


class Sample(Struct, frozen=True, forbid_unknown_fields=True):
    """A run, reduced to what the gate compares; stored in a file it is a baseline."""

    name: str
    created: str  # ISO, UTC
    git_commit: str | None
    simulated: bool
    fingerprint: dict[str, str]
    cells: dict[str, CellSample]
    format: str = FORMAT
    version: int = VERSION


def sample_of(run: RunDir, name: str = "") -> Sample:
    """The run as the gate compares it; INVALID repeats are left out and counted."""
    info = run.info()
    cells = judged_cells(run)
    compared_cells = [cell for cell in cells if not cell.runs[0].cell.is_trial]
    return Sample(
        name=name or run.path.name,
        created=f"{datetime.fromtimestamp(info.started_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}",
        git_commit=info.git_commit,
        simulated=any(r.summary.simulated for cell in cells for r in cell.results),
        fingerprint=fingerprint(info, [r for cell in compared_cells for r in cell.runs]),
        cells={cell.cell_id: _cell(cell) for cell in compared_cells} | _answers(run.searches()),
    )


def save_baseline(folder: Path, name: str, run: RunDir) -> Path:
    """Store a run as the baseline `name` in `folder` and return its path.

    `ConfigError` for a name that is not a file name and for a run with a cell that has no valid
    repeat: a baseline must be trusted.
    """
    return store_baseline(folder, sample_of(run, name))


def store_baseline(folder: Path, measured: Sample) -> Path:
    """Store a sample in `folder` under its name, as `save_baseline` does."""
    path = _path(folder, measured.name)
    bad = [f"{cell}: {m.why}" for cell, m in measured.cells.items() if m.repeats == 0]
    if bad or not measured.cells:
        reason = "\n".join(bad) or "the run has no cells"
        raise ConfigError(f"{path}: not stored, a baseline must be valid\n{reason}")
    replace_file(path, render(measured))
    return path


def load_baseline(folder: Path, name: str) -> Sample:
    """The baseline `name` of `folder`; `ConfigError` names those that exist."""
    path = _path(folder, name)
    if not path.is_file():
        there = sorted(p.stem for p in folder.glob("*.json"))
        hint = nearest(name, there) if there else "; make one with --llm-save-baseline"
        raise ConfigError(f"{path}: no such baseline{hint}")
    return read_baseline(path)


def read_baseline(path: Path) -> Sample:
    """The baseline in the file `path`; `ConfigError` where it is damaged, foreign or newer."""
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: damaged, not JSON: {error}; store it again") from error
    if not is_baseline(raw):
        raise ConfigError(f"{path}: not a baseline of pytest-llmbench; see --llm-save-baseline")
    if raw.get("version") not in READABLE:
        raise ConfigError(
            f"{path}: baseline of version {raw.get('version')}, this one reads up to {VERSION}: "
            "store it again with --llm-save-baseline"
        )
    try:
        return msgspec.convert(raw, Sample)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: damaged: {error}; store it again") from error


def is_baseline(raw: Any) -> bool:
    """Whether a decoded JSON file is a baseline, of whatever version."""
    return isinstance(raw, dict) and raw.get("format") == FORMAT


def render(measured: Sample) -> bytes:
    """The text of a baseline file, with sorted keys and each list of numbers on one line."""
    text = json.dumps(msgspec.to_builtins(measured), indent=2, sort_keys=True, ensure_ascii=False)
    lists = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")
    return (lists.sub(lambda m: f"[{' '.join(m[1].split())}]", text) + "\n").encode()


def _answers(searches: Sequence[Search]) -> dict[str, CellSample]:
    """The answer of each search: its trials are other cells in each run, and not compared."""
    found: dict[str, list[Search]] = {}
    for search in searches:
        found.setdefault(search.name, []).append(search)
    return {
        name: CellSample(
            {"highest_load": [_round(search.met) for search in several]},
            requests=0,
            repeats=len(several),
        )
        for name, several in found.items()
    }


def _cell(cell: JudgedCell) -> CellSample:
    sound = [(r, run) for r, run in zip(cell.results, cell.runs, strict=True) if r.valid]
    good = [r.summary for r, _ in sound]
    bad = [r for r in cell.results if not r.valid]
    fewest = min((s.in_window for s in good), default=0)
    repeats = [compared(r.summary) for r, _ in sound]
    cold = _cold([run for _, run in sound])
    names = dict.fromkeys(name for values in repeats for name in values)
    return CellSample(
        metrics={name: [_round(values.get(name)) for values in repeats] for name in names} | cold,
        requests=fewest,
        repeats=len(good),
        invalid=len(bad),
        why="; ".join(dict.fromkeys(r.why.replace("\n", "; ") for r in bad)),
        advisory=[n for n in ADVISORY if not certifiable(float(n.rpartition("_p")[2]), fewest)],
        overloaded=sum(summary.overloaded for summary in good),
        counts=_counts([r.summary for r in cell.results if _counted(r)]),
        launches=[run.launch for _, run in sound],
        server=cell.runs[0].cell.config_name,
    )


def _counted(result: CellResult) -> bool:
    """Whether what went wrong in a repeat was the server's doing."""
    return {problem.rule for problem in result.problems} <= SERVERS_OWN


def _counts(summaries: Sequence[CellSummary]) -> dict[str, list[int]]:
    """What went wrong, pooled over repeats, as [how many, of how many] for each of `COUNTS`."""
    asked = sum(s.requests for s in summaries)
    outputs = [(s.output_tokens, s.output_length_hit_rate or 0.0) for s in summaries]
    counted = [(tokens.n, hit) for tokens, hit in outputs if tokens is not None]
    return {
        "failed": [sum(s.failed for s in summaries), asked],
        "dropped": [sum(s.dropped for s in summaries), asked],
        "resent": [sum(min(s.resent, s.requests) for s in summaries), asked],
        "off_length": [sum(round(n * (1 - hit)) for n, hit in counted), sum(n for n, _ in counted)],
    }


def compared(summary: CellSummary) -> dict[str, float | None]:
    """The figures that are compared.

    In an open loop TTFT counts from the schedule, and the rate is not the server's. An overloaded
    server has only a rate (its capacity), since its times grow for as long as the load lasts.
    """
    if summary.overloaded:
        return {"throughput": summary.output_tokens_per_s}
    is_open = summary.cell.shape.is_open_loop
    ttft = summary.scheduled_ttft_ms if is_open else summary.ttft_ms
    token = summary.time_per_token_ms
    figures = {"ttft": _at(ttft, "p50"), "time_per_token": _at(token, "p50")}
    if not is_open:
        figures["throughput"] = summary.output_tokens_per_s
    if summary.computes_on_cpu and summary.cpu_per_token_ms is not None:
        figures["cpu_per_token"] = summary.cpu_per_token_ms
    for percentile in ("p95", "p99"):
        figures[f"ttft_{percentile}"] = _at(ttft, percentile)
        figures[f"time_per_token_{percentile}"] = _at(token, percentile)
    return figures


def _cold(runs: Sequence[CellRun]) -> dict[str, list[float | None]]:
    """Cold starts: seconds from create to healthy and to the first token, and peak memory.

    A replicate is a launch, so repeats that share a launch count once.
    """
    cold = [r for r in runs if r.cell.is_cold]
    launches = {run.endpoint.launch.started_ns: run.endpoint.launch for run in cold}.values()
    if not launches:
        return {}
    memory = [launch.peak_memory_bytes for launch in launches]
    return {
        "cold_healthy": [_round(launch.healthy_s) for launch in launches],
        "cold_first_token": [_round(launch.first_token_s) for launch in launches],
        "cold_peak_memory": [None if m is None else _round(m / 2**20) for m in memory],
    }


def _at(values: Distribution | None, percentile: str) -> float | None:
    return None if values is None else float(getattr(values, percentile))


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _path(folder: Path, name: str) -> Path:
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise ConfigError(
            f"baseline {name!r}: use letters, digits, dots, dashes and underscores only"
        )
    return folder / f"{name}.json"
