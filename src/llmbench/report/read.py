"""Everything that the report shows of a run, read once: tables small enough for any chart."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from llmbench.cells import Cell, Ramp
from llmbench.records import CellRun
from llmbench.report.tables import run_files as files
from llmbench.results import CellResult
from llmbench.store import RunDir, RunInfo

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = ("ttft_ms", "time_per_token_ms", "latency_ms")
MOST_QUANTILES = 101
BINS = 40
RAMP_BINS = 120
LEAST_IN_BIN = 8


class FailureKind(Struct, frozen=True):
    """Failures of one kind in a cell, with one of their messages."""

    kind: str
    count: int
    example: str


class RunData(Struct, frozen=True):
    """A run as tables. `unfinished` names cells with requests but no end (a killed run)."""

    run: RunDir
    info: RunInfo
    results: tuple[CellResult, ...]
    cell_runs: tuple[CellRun, ...]
    cells: Any  # DataFrame, a row for each repeat of each cell (`cells_table.frame`)
    merged: Any  # DataFrame, a row for each cell (`cells_table.by_cell`)
    quantiles: Any  # DataFrame: cell, quantity, share, value, n
    timeline: Any  # DataFrame: cell, config, repeat, time_s, requests_per_s, p50_ms, p95_ms, …
    resources: Any  # DataFrame: as resources.csv, with time_s since the run began
    failures: dict[str, tuple[FailureKind, ...]]
    unfinished: dict[str, int]
    ramps: tuple[tuple[Cell, Any], ...] = ()  # of each repeat of a ramp: its steps as Points

    @property
    def killed(self) -> bool:
        """Whether the run did not end by itself."""
        return self.info.ended_ns is None


def write_and_read(run: RunDir) -> RunData:
    """Write the CSV files of a run from its journal, and keep what the charts and page need.

    Reads one cell at a time, so that memory holds the requests of one cell only.
    """
    import pandas as pd

    from llmbench.metrics import ramp_curve
    from llmbench.report.tables.cell_rows import by_cell
    from llmbench.verdict import judged_cells

    info = run.info()
    results: list[CellResult] = []
    quantiles, timelines = [_no_quantiles()], [_no_timeline()]
    failures, unfinished, ramps = {}, {}, []
    for cell in judged_cells(run):
        files.write_requests(run, cell.cell_id, cell.requests)
        results += cell.results
        failures[cell.cell_id] = failures_of(cell.requests)
        if any(p.rule == "did_not_end" for result in cell.results for p in result.problems):
            unfinished[cell.cell_id] = len(cell.requests)
        quantiles += [p for p in quantiles_of(cell.requests, list(cell.results)) if len(p)]
        for ramp in (r for r in cell.runs if isinstance(r.cell.shape, Ramp)):
            ramps.append((ramp.cell, tuple(ramp_curve(ramp, cell.requests))))
        timelines += list(_timelines(cell.requests, list(cell.results), info.started_ns))
        del cell  # its requests, before those of the next are read
    cells = files.write_cells(run, results)
    resources = files.write_resources(run)
    resources["time_s"] = (resources["time_ns"] - info.started_ns) / 1e9
    return RunData(
        run,
        info,
        tuple(results),
        tuple(run.cell_runs()),
        cells,
        by_cell(cells),
        pd.concat(quantiles, ignore_index=True),
        pd.concat(timelines, ignore_index=True),
        resources,
        failures,
        unfinished,
        tuple(ramps),
    )


def _no_quantiles() -> "pd.DataFrame":
    import pandas as pd

    kinds: dict[str, Any] = {
        "cell": "str",
        "quantity": "str",
        "share": float,
        "value": float,
        "n": int,
    }
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _no_timeline() -> "pd.DataFrame":
    import pandas as pd

    kinds: dict[str, Any] = dict.fromkeys(
        ("time_s", "requests_per_s", "failures_per_s", "p50_ms", "p95_ms", "in_flight"), float
    )
    texts: dict[str, Any] = {"cell": "str", "config": "str", "repeat": int}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in (texts | kinds).items()})


def in_window(table: "pd.DataFrame", result: CellResult) -> "pd.DataFrame":
    """The successful measured requests of one repeat that were sent in its steady window."""
    summary = result.summary
    picked = table[(table["repeat"] == summary.repeat) & (table["phase"] == "measured")]
    picked = picked[picked["ok"]]
    if summary.window_start_ns is None or summary.window_end_ns is None:
        return picked
    sent = picked["sent_ns"]
    return picked[(sent >= summary.window_start_ns) & (sent <= summary.window_end_ns)]


def quantiles_of(table: "pd.DataFrame", results: list[CellResult]) -> "list[pd.DataFrame]":
    """The distribution of each quantity over a cell's steady windows, as at most 101 points.

    `value` is the smallest sample with at least `share` of all at or below it (an ECDF's step).
    """
    import numpy as np
    import pandas as pd

    if not results:
        return []
    valid = [result for result in results if result.valid] or results
    rows = pd.concat([in_window(table, result) for result in valid])
    parts = []
    for quantity in QUANTITIES:
        values = np.sort(rows[quantity].dropna().to_numpy(np.float64))
        n = len(values)
        points = min(n, MOST_QUANTILES)
        ranks = np.unique(np.linspace(1, n, points).round().astype(int)) if n else np.array([], int)
        parts.append(
            pd.DataFrame(
                {
                    "cell": results[0].summary.cell_id,
                    "quantity": quantity,
                    "share": ranks / max(1, n),
                    "value": values[ranks - 1],
                    "n": n,
                }
            )
        )
    return parts


def failures_of(table: "pd.DataFrame") -> tuple[FailureKind, ...]:
    """The failures of a cell's measured requests by kind, the most frequent first."""
    failed = table[(table["phase"] == "measured") & ~table["ok"]]
    groups = failed.groupby("error_kind", sort=True)["error"]
    kinds = [
        FailureKind(
            str(kind), len(texts), str(texts.dropna().iloc[0]) if texts.notna().any() else ""
        )
        for kind, texts in groups
    ]
    return tuple(sorted(kinds, key=lambda failure: -failure.count))


def _timelines(
    table: "pd.DataFrame", results: list[CellResult], started_ns: int
) -> "Iterator[pd.DataFrame]":

    for result in results:
        cell, summary = result.summary.cell, result.summary
        bins = RAMP_BINS if isinstance(cell.shape, Ramp) else BINS
        part = timeline_of(table[table["repeat"] == summary.repeat], started_ns, bins)
        if len(part):
            part.insert(0, "cell", summary.cell_id)
            part.insert(1, "config", cell.config_name)
            part.insert(2, "repeat", summary.repeat)
            yield part


def timeline_of(table: "pd.DataFrame", started_ns: int, bins: int) -> "pd.DataFrame":
    """One repeat over time, in at most `bins` slots, wide enough for some eight requests each.

    A request counts, with its latency, in the slot in which it ended; `in_flight` is the number
    under way at the slot's middle. `time_s` is that middle, in seconds since `started_ns`.
    """
    import numpy as np
    import pandas as pd

    sent_only = table[table["sent_ns"].notna()]
    sent = sent_only["sent_ns"].to_numpy(np.int64)
    done = sent_only["done_ns"].to_numpy(np.int64)
    if not len(sent):
        return pd.DataFrame()
    bins = min(bins, max(4, len(sent) // LEAST_IN_BIN))
    width = max(250_000_000, -(-int(done.max() - sent.min() + 1) // bins))
    slots = -(-int(done.max() - sent.min() + 1) // width)
    slot = (done - sent.min()) // width
    ok = sent_only["ok"].to_numpy(bool)
    good = np.bincount(slot[ok], minlength=slots) / (width / 1e9)
    bad = np.bincount(slot[~ok], minlength=slots) / (width / 1e9)
    middle = sent.min() + width * np.arange(slots) + width // 2
    under_way = np.searchsorted(np.sort(sent), middle, "right") - np.searchsorted(
        np.sort(done), middle, "right"
    )
    latency = pd.Series(sent_only["latency_ms"].to_numpy(np.float64)).groupby(slot)
    return pd.DataFrame(
        {
            "time_s": (middle - started_ns) / 1e9,
            "requests_per_s": good,
            "failures_per_s": bad,
            "p50_ms": latency.quantile(0.5).reindex(range(slots)).to_numpy(),
            "p95_ms": latency.quantile(0.95).reindex(range(slots)).to_numpy(),
            "in_flight": under_way.astype(float),
        }
    )
