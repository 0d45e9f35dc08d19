"""Writes the CSV files of a run, and its requests with every time stamp as Parquet."""

from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmbench.journal import writing
from llmbench.report.tables import journal_slices as journal
from llmbench.results import CellResult
from llmbench.store import RunDir, replacing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DECK = (
    "request",
    "start_time",
    "end_time",
    "input_tokens",
    "output_tokens",
    "latency(ms)",
    "throughput(tokens/second)",
    "time_per_token(ms/tokens)",
    "TTFT(ms)",
)
"""The columns of the EchoSwift deck, spelt and ordered as there."""

_OURS = {
    "status": "status",
    "error_kind": "error_kind",
    "error": "error",
    "http_status": "http_status",
    "finish_reason": "finish_reason",
    "user": "user",
    "user_request": "request",
    "worker": "worker",
    "repeat": "repeat",
    "requested_input_tokens": "requested_input_tokens",
    "requested_output_tokens": "requested_output_tokens",
    "prompt_tokens": "prompt_tokens",
    "prompt_index": "prompt_index",
    "cached_tokens": "cached_tokens",
    "events": "events",
    "bounded_events": "bounded",
    "TTFT_uncertainty(ms)": "ttft_uncertainty_ms",
    "answer_TTFT(ms)": "answer_ttft_ms",
    "scheduled_delay(ms)": "schedule_delay_ms",
    "scheduled_latency(ms)": "scheduled_latency_ms",
    "client_lag(ms)": "client_lag_ms",
    "connect(ms)": "connect_ms",
    "resent": "resent",
    "server_queue(ms)": "server_queue_ms",
    "server_prefill(ms)": "server_prompt_ms",
    "server_decode(ms)": "server_decode_ms",
    "TTFT_unaccounted(ms)": "ttft_unaccounted_ms",
    "unaccounted(ms)": "unaccounted_ms",
    "server_total(ms)": "server_total_ms",
    "drafted_tokens": "drafted_tokens",
    "accepted_tokens": "accepted_tokens",
    "replica": "replica",
    "traffic": "traffic",
    "class": "traffic_class",
    "conversation": "conversation",
    "turn": "turn",
    "prefix_tokens": "prefix_tokens",
    "think(ms)": "think_ms",
    "conversation_end": "conversation_end",
    "inputs": "inputs",
    "images": "images",
}
"""Our own columns, which follow those of the EchoSwift deck, each with the field it comes from."""

COLUMNS = (*DECK, *_OURS)

_FORMULA = r"^([=+\-@\t\r])"
"""How a text begins that a spreadsheet would carry out; a server's words may begin so."""


class RequestsCsv:
    """``requests/<cell>.csv``, of which each repeat is written as soon as it is there.

    A repeat that comes again takes its own place, and what stood behind it goes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows, self._bytes = 0, 0
        self._starts: dict[int, tuple[int, int]] = {}  # repeat -> rows and bytes before it

    def add(self, repeat: int, requests: "pd.DataFrame") -> None:
        """Append the requests of a repeat (`llmbench.metrics.table`), numbered on."""
        self._rows, self._bytes = self._starts.get(repeat, (self._rows, self._bytes))
        before = {k: start for k, start in self._starts.items() if k < repeat}
        self._starts = before | {repeat: (self._rows, self._bytes)}
        measured = requests[requests["phase"] == "measured"].sort_values("sent_ns", kind="stable")
        rows = deck_table(measured, self._rows + 1)
        self._bytes = _write_rows(self._path, rows, self._bytes)
        self._rows += len(measured)


def write_judged_anew(run: RunDir, cell_ids: Collection[str] | None = None) -> None:
    """Make requests files and digests of all cells, or of some, again from the run's journal."""
    from llmbench.verdict import judge_anew, keep_digest

    repeats = judge_anew(run, cell_ids)
    for cell_id, of_cell in groupby(repeats, key=lambda judged: judged[0].run.cell_id):
        with replacing(run.requests_file(cell_id)) as part:
            file = RequestsCsv(part)
            for digest, requests in of_cell:
                file.add(digest.run.repeat, requests)
                keep_digest(run, digest)
                del requests  # before those of the next repeat are read


def write_parquet(run: RunDir) -> None:
    """Write ``requests.parquet``: every request with every stamp, warm-up included."""
    from pyarrow import parquet

    with (
        replacing(run.parquet_file) as part,
        parquet.ParquetWriter(part, journal.schema(), compression="zstd") as writer,
    ):
        for cell_id in journal.cell_ids(run):
            for path in journal.files_of(run, cell_id):
                for rows in journal.slices(run, path):
                    writer.write_table(rows)


def deck_table(measured: "pd.DataFrame", first: int = 1) -> "pa.Table":
    """Measured requests, in the order in which they were sent, in the columns of the CSV file.

    They are numbered from `first`. `end_time` is where `latency` ends: the last token, or the
    end of a failed request.
    """
    import numpy as np
    import pyarrow as pa

    from llmbench.metrics import input_tokens

    failed, hung_up = ~measured["ok"], measured["error_kind"] == "hung_up"
    end = measured["last_token_ns"].where(~failed).fillna(measured["done_ns"])
    columns: dict[str, Any] = {
        "request": np.arange(first, first + len(measured)),
        "start_time": _wall_clock(measured["sent_ns"]),
        "end_time": _wall_clock(end),
        "input_tokens": input_tokens(measured),
        "output_tokens": measured["output_tokens"],
        "latency(ms)": measured["latency_ms"],
        "throughput(tokens/second)": measured["throughput_tokens_per_s"],
        "time_per_token(ms/tokens)": measured["time_per_token_ms"],
        "TTFT(ms)": measured["ttft_ms"],
        "status": np.where(hung_up, "hung_up", np.where(failed, "failed", "ok")),
        "connect(ms)": measured["connect_ns"].astype("Float64") / 1e6,
        "think(ms)": measured["think_ns"].astype("Float64") / 1e6,
    }
    for name, field in _OURS.items():
        columns.setdefault(name, measured.get(field))
    return pa.table({name: pa.array(columns[name], from_pandas=True) for name in COLUMNS})


def _wall_clock(instants_ns: "pd.Series[int]") -> Any:
    """UTC as the EchoSwift deck writes it: ``1970-01-08 17:25:27.448310``."""
    import pyarrow as pa

    microseconds = pa.array(instants_ns // 1000, type=pa.int64(), from_pandas=True)
    return microseconds.cast(pa.timestamp("us"))


def _write_rows(path: Path, table: "pa.Table", at: int) -> int:
    """Write `table` into `path` behind its first `at` bytes; where it ends then.

    The header is plain, and fields are quoted only where CSV needs it.
    """
    import pyarrow as pa
    from pyarrow import compute, csv

    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = compute.replace_substring_regex(table[place], _FORMULA, r"'\1")
            table = table.set_column(place, field, column)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with writing(path), path.open("r+b") as file:
        file.truncate(at)
        file.seek(at)
        if at == 0:
            file.write(",".join(table.column_names).encode() + b"\n")
        csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style="needed"))
        return file.tell()


def write_cells(run: RunDir, cells: "pd.DataFrame") -> None:
    """Write ``cells.csv`` anew: a row for each repeat of each cell (`cell_rows.frame`)."""
    with replacing(run.cells_file) as part:
        _no_formulas(cells).to_csv(part, index=False, lineterminator="\n")


def _no_formulas(table: "pd.DataFrame") -> "pd.DataFrame":
    """`table` with a ``'`` before each text that a spreadsheet would carry out."""
    return table.replace(_FORMULA, r"'\1", regex=True)


def append_cells(run: RunDir, results: Sequence[CellResult]) -> None:
    """Add rows to ``cells.csv``; they survive if the next cell ends the session."""
    from llmbench.report.tables.cell_rows import frame

    new = not run.cells_file.is_file()
    with run.cells_file.open("a", encoding="utf-8", newline="") as file:
        _no_formulas(frame(results)).to_csv(file, index=False, header=new, lineterminator="\n")


def write_resources(run: RunDir, resources: "pd.DataFrame") -> None:
    """Write ``resources.csv``: a row for each sample (`resources_of`), wall clock UTC first."""
    import pandas as pd

    times = pd.to_datetime(resources["time_ns"], unit="ns").dt.strftime("%Y-%m-%d %H:%M:%S.%f")
    table = pd.concat([times.rename("time"), resources], axis=1)
    with replacing(run.resources_file) as part:
        _no_formulas(table).to_csv(part, index=False, lineterminator="\n")


def write_server_metrics(run: RunDir, gauges: "pd.DataFrame") -> None:
    """Write ``server_metrics.parquet``: a row for each reading (`gauges_of`); nothing for none."""
    if len(gauges):
        with replacing(run.server_metrics_file) as part:
            gauges.to_parquet(part, index=False, compression="zstd")
