"""Reduces a run to what is compared, the repeats of each cell's metrics; stored, it is a baseline.

A baseline file is meant to be committed and read in a review, so it is sorted and has a line of
six-digit numbers for each metric.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from llmbench.config import ConfigError
from llmbench.metrics import certifiable
from llmbench.records import CellRun
from llmbench.results import CellResult, CellSummary, ClassSummary, Search
from llmbench.store import RunDir, replace_file
from llmbench.value_types import nearest
from llmbench.verdict.gate.samples.compared_figures import (
    ADVISORY,
    class_of,
    classes_of,
    compared,
    compared_class,
    part_name,
)
from llmbench.verdict.gate.samples.fingerprints import fingerprint
from llmbench.verdict.judging import JudgedCell, judged_cells

FORMAT = "llmbench baseline"
VERSION = 2
"""Version 2 has `counts` and a longer fingerprint than 1 (pytest-llmbench 0.1.0)."""
READABLE = (1, VERSION)

SERVERS_OWN = frozenset({"error_rate", "no_success", "output_length", "resent"})
"""The rules that the server breaks; a repeat that only these make INVALID counts its faults."""


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
    part_of: str = ""  # the cell that it is a class of

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
        cells={name: part for cell in compared_cells for name, part in _parts(cell).items()}
        | _answers(run.searches()),
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


def _parts(cell: JudgedCell) -> dict[str, CellSample]:
    """The cell, and each class of a mix, which has figures and counts of its own."""
    whole, names = _cell(cell), [one.name for one in classes_of(cell.results)]
    if not names:
        return {cell.cell_id: whole}
    parts = {cell.cell_id: structs.replace(whole, counts={})}
    for name in names:
        of_class = [class_of(r.summary, name) for r in cell.results if _counted(r)]
        good = [class_of(r.summary, name) for r in cell.results if r.valid]
        fewest = min((one.in_window for one in good), default=0)
        repeats = [compared_class(r.summary, name) for r in cell.results if r.valid]
        parts[part_name(cell.cell_id, name)] = structs.replace(
            whole,
            metrics=_listed(repeats),
            requests=fewest,
            advisory=_advisory(fewest),
            counts=_counts(of_class),
            part_of=cell.cell_id,
        )
    return parts


def _listed(repeats: Sequence[Mapping[str, float | None]]) -> dict[str, list[float | None]]:
    """Each metric with its values, one for each repeat."""
    names = dict.fromkeys(name for values in repeats for name in values)
    return {name: [_round(values.get(name)) for values in repeats] for name in names}


def _advisory(fewest: int) -> list[str]:
    return [n for n in ADVISORY if not certifiable(float(n.rpartition("_p")[2]), fewest)]


def _cell(cell: JudgedCell) -> CellSample:
    sound = [(r, run) for r, run in zip(cell.results, cell.runs, strict=True) if r.valid]
    good = [r.summary for r, _ in sound]
    bad = [r for r in cell.results if not r.valid]
    fewest = min((s.in_window for s in good), default=0)
    cold = _cold([run for _, run in sound])
    return CellSample(
        metrics=_listed([compared(r.summary) for r, _ in sound]) | cold,
        requests=fewest,
        repeats=len(good),
        invalid=len(bad),
        why="; ".join(dict.fromkeys(r.why.replace("\n", "; ") for r in bad)),
        advisory=_advisory(fewest),
        overloaded=sum(summary.overloaded for summary in good),
        counts=_counts([r.summary for r in cell.results if _counted(r)]),
        launches=[run.launch for _, run in sound],
        server=cell.runs[0].cell.config_name,
    )


def _counted(result: CellResult) -> bool:
    """Whether what went wrong in a repeat was the server's doing."""
    return {problem.rule for problem in result.problems} <= SERVERS_OWN


def _counts(summaries: Sequence[CellSummary | ClassSummary]) -> dict[str, list[int]]:
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


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _path(folder: Path, name: str) -> Path:
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise ConfigError(
            f"baseline {name!r}: use letters, digits, dots, dashes and underscores only"
        )
    return folder / f"{name}.json"
