"""Writes the CSV files of a run, and its requests with every time stamp as Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    "server_queue(ms)": "server_queue_ms",
    "server_prefill(ms)": "server_prompt_ms",
    "server_decode(ms)": "server_decode_ms",
    "TTFT_unaccounted(ms)": "ttft_unaccounted_ms",
    "unaccounted(ms)": "unaccounted_ms",
}
"""Our own columns, which follow those of the EchoSwift deck, each with the field it comes from."""

COLUMNS = (*DECK, *_OURS)


def write_cell(run: RunDir, cell_id: str, results: Sequence[CellResult]) -> None:
    """Write the cell's requests as CSV and put its rows into ``cells.csv``."""
    from llmbench.verdict import judged_cells

    for cell in judged_cells(run, cell_id):
        write_requests(run, cell_id, cell.requests)
    append_cells(run, [result for result in results if result.summary.cell_id == cell_id])


def write_requests(run: RunDir, cell_id: str, table: "pd.DataFrame") -> None:
    """Write ``requests/<cell>.csv`` from the cell's requests (`llmbench.metrics.table`)."""
    measured = table[table["phase"] == "measured"].sort_values(["repeat", "sent_ns"], kind="stable")
    _write_csv(run.requests_file(cell_id), deck_table(measured))


def write_parquet(run: RunDir) -> None:
    """Write ``requests.parquet``: every request with every stamp, warm-up included."""
    from pyarrow import parquet

    with (
        replacing(run.parquet_file) as part,
        parquet.ParquetWriter(part, journal.schema(), compression="zstd") as writer,
    ):
        for cell_id in journal.cell_ids(run):
            for path in journal.files_of(run, cell_id):
                for rows in journal.slices(path):
                    writer.write_table(rows)


def deck_table(measured: "pd.DataFrame") -> "pa.Table":
    """Measured requests, in the order in which they were sent, in the columns of the CSV file.

    `end_time` is where `latency` ends: the last token, or the end of a failed request.
    """
    import numpy as np
    import pyarrow as pa

    from llmbench.metrics import input_tokens

    failed = ~measured["ok"]
    end = measured["last_token_ns"].where(~failed).fillna(measured["done_ns"])
    columns: dict[str, Any] = {
        "request": np.arange(1, len(measured) + 1),
        "start_time": _wall_clock(measured["sent_ns"]),
        "end_time": _wall_clock(end),
        "input_tokens": input_tokens(measured),
        "output_tokens": measured["output_tokens"],
        "latency(ms)": measured["latency_ms"],
        "throughput(tokens/second)": measured["throughput_tokens_per_s"],
        "time_per_token(ms/tokens)": measured["time_per_token_ms"],
        "TTFT(ms)": measured["ttft_ms"],
        "status": np.where(failed, "failed", "ok"),
        "connect(ms)": measured["connect_ns"].astype("Float64") / 1e6,
    }
    for name, field in _OURS.items():
        columns.setdefault(name, measured.get(field))
    return pa.table({name: pa.array(columns[name], from_pandas=True) for name in COLUMNS})


def _wall_clock(instants_ns: "pd.Series[int]") -> Any:
    """UTC as the EchoSwift deck writes it: ``1970-01-08 17:25:27.448310``."""
    import pyarrow as pa

    microseconds = pa.array(instants_ns // 1000, type=pa.int64(), from_pandas=True)
    return microseconds.cast(pa.timestamp("us"))


def _write_csv(path: Path, table: "pa.Table") -> None:
    """`table` with a plain header; replaced as a whole, quoted only where CSV needs it."""
    from pyarrow import csv

    with replacing(path) as part, part.open("wb") as file:
        file.write(",".join(table.column_names).encode() + b"\n")
        csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style="needed"))


def write_cells(run: RunDir, results: Sequence[CellResult]) -> "pd.DataFrame":
    """Write ``cells.csv`` anew: a row for each repeat of each cell."""
    from llmbench.report.tables.cell_rows import frame

    table = frame(results)
    with replacing(run.cells_file) as part:
        table.to_csv(part, index=False, lineterminator="\n")
    return table


def append_cells(run: RunDir, results: Sequence[CellResult]) -> None:
    """Add rows to ``cells.csv``; they survive if the next cell ends the session."""
    from llmbench.report.tables.cell_rows import frame

    new = not run.cells_file.is_file()
    with run.cells_file.open("a", encoding="utf-8", newline="") as file:
        frame(results).to_csv(file, index=False, header=new, lineterminator="\n")


def write_resources(run: RunDir) -> "pd.DataFrame":
    """Write ``resources.csv``: a row for each sample, with wall clock UTC first."""
    import msgspec
    import pandas as pd

    from llmbench.records import ResourceSample

    fields = ResourceSample.__struct_fields__
    rows = [msgspec.structs.asdict(sample) for sample in run.samples()]
    table = pd.DataFrame(rows, columns=list(fields))
    times = pd.to_datetime(table["time_ns"], unit="ns").dt.strftime("%Y-%m-%d %H:%M:%S.%f")
    with replacing(run.resources_file) as part:
        shown = pd.concat([times.rename("time"), table], axis=1)
        shown.to_csv(part, index=False, lineterminator="\n")
    return table
