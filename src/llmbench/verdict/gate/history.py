"""Writes a row for each cell of each run, as CSV that Apache Otava can read."""

import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from llmbench.config import ConfigError
from llmbench.store import RunDir
from llmbench.verdict.gate.samples.baselines import Sample, sample_of
from llmbench.verdict.gate.tolerances import RATES

OF_TOKENS = ("ttft", "time_per_token", "throughput")
OF_INPUTS = ("latency", "inputs_per_s")
"""The gated metrics of answers that are made of tokens, and of those with a result for each input.
"""


def append_history(folder: Path, measured: Sample) -> list[Path]:
    """Append a run to ``<cell>.csv`` in `folder`, one file for each cell; return these files.

    Columns: time (ISO, UTC), commit, the median of the repeats of each gated metric (ms, ms,
    tokens/s; of answers without tokens ms, inputs/s), requests, repeats, simulated. A cell without
    a valid repeat gets no row. A file with other columns is a `ConfigError`.
    """
    written = []
    for cell, sample in measured.cells.items():
        if not sample.repeats:
            continue
        gating = OF_INPUTS if "inputs_per_s" in sample.metrics else OF_TOKENS
        row: dict[str, object] = {"time": measured.created, "commit": measured.git_commit or ""}
        row |= {name: _median(sample.metrics.get(name, [])) for name in gating}
        row |= {"requests": sample.requests, "repeats": sample.repeats}
        row |= {"simulated": measured.simulated}
        written.append(_append(folder / f"{cell}.csv", row))
    return written


def keep_history(folder: Path, run: RunDir) -> None:
    """Append a run to the history in `folder`, and write the ``otava.yaml`` that reads it."""
    append_history(folder, sample_of(run))
    cells = [path.stem for path in folder.glob("*.csv")]
    (folder / "otava.yaml").write_text(otava_config(folder, cells), encoding="utf-8")


def otava_config(folder: Path, cells: Iterable[str]) -> str:
    """The YAML with which Otava reads the history in `folder`; it has a test for each cell."""
    lines = ["tests:"]
    for cell in sorted(cells):
        lines += [
            f"  {cell}:",
            "    type: csv",
            f"    file: {folder / f'{cell}.csv'}",
            "    time_column: time",
            "    attributes: [commit]",
            "    metrics:",
        ]
        for name in _metrics_of(folder / f"{cell}.csv"):
            direction = 1 if name in RATES else -1
            lines += [
                f"      {name}:",
                f"        column: {name}",
                f"        direction: {direction}",
                "        scale: 1.0",
            ]
    return "\n".join(lines) + "\n"


def _metrics_of(path: Path) -> list[str]:
    """The gated metrics that a cell's file has columns for."""
    columns = _columns_of(path)
    return [name for name in (*OF_TOKENS, *OF_INPUTS) if name in columns]


def _columns_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


def _append(path: Path, row: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    if not fresh and (header := _columns_of(path)) != [*row]:
        raise ConfigError(f"{path}: not a history of this version: its columns are {header}")
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*row], lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
    return path


def _median(values: Iterable[float | None]) -> float | str:
    """The median of the repeats that know the value; empty where none does."""
    measured = [value for value in values if value is not None]
    return float(f"{median(measured):.6g}") if measured else ""
