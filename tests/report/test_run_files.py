"""The CSV files and the Parquet file."""

import csv
from pathlib import Path

import msgspec
import pytest
from pyarrow import parquet

from llmbench.cells import Arrivals, Cell, Ramp, Users
from llmbench.gauges import GaugeSample
from llmbench.journal import Journal
from llmbench.metrics import table
from llmbench.records import GpuSample, RequestRecord, ResourceSample
from llmbench.report.read import resources_of
from llmbench.report.tables import run_files as files
from llmbench.report.write import write_report
from llmbench.store import RunDir
from llmbench.verdict import judge_anew, judged_cells, undigested
from tests.report.synthetic import START_NS, cell_run, grid, model, write_run

DECK = (
    "request,start_time,end_time,input_tokens,output_tokens,latency(ms),"
    "throughput(tokens/second),time_per_token(ms/tokens),TTFT(ms)"
)


def record(cell: Cell, **changes: object) -> RequestRecord:
    values: dict[str, object] = {
        "cell": cell.id,
        "repeat": 1,
        "phase": "measured",
        "request": 1,
        "user": 0,
        "worker": 0,
        "scheduled_ns": START_NS,
        "sent_ns": START_NS + 2_000_000,
        "done_ns": START_NS + 1_102_000_000,
        "requested_input_tokens": 128,
        "requested_output_tokens": 51,
        "prompt_tokens": 130,
        "prompt_index": 3,
        "input_tokens": 131,
        "output_tokens": 51,
        "first_token_ns": START_NS + 102_000_000,
        "first_token_earliest_ns": START_NS + 102_000_000,
        "last_token_ns": START_NS + 1_002_000_000,
        "first_event_tokens": 1,
        "event_ns": tuple(range(100_000_000, 1_000_000_001, 18_000_000)),
        "finish_reason": "length",
    }
    return RequestRecord(**(values | changes))  # type: ignore[arg-type]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def one(run_path: Path) -> tuple[RunDir, Cell]:
    run = write_run(run_path, [], configs=[model()])
    return run, Cell("tiny", 128, 51, Users(1))


def written(run: RunDir, cell: Cell, *records: RequestRecord) -> list[dict[str, str]]:
    run.append_cell_start(cell_run(cell, 1, START_NS, START_NS, model(), None))
    with Journal(run.journal_file(cell.id, 1)) as journal:
        for item in records:
            journal.append(item)
    files.write_judged_anew(run)
    return rows(run.requests_file(cell.id))


def test_the_first_columns_are_spelt_as_in_the_deck(one: tuple[RunDir, Cell]) -> None:
    run, cell = one
    written(run, cell, record(cell))
    head = run.requests_file(cell.id).read_text().splitlines()[0]
    assert head.startswith(DECK + ",status,error_kind,")


def test_a_request_has_the_deck_s_numbers(one: tuple[RunDir, Cell]) -> None:
    (row,) = written(*one, record(one[1]))
    assert row["request"] == "1"
    assert row["start_time"] == "2026-09-21 14:13:20.002000"
    assert row["end_time"] == "2026-09-21 14:13:21.002000"
    assert float(row["latency(ms)"]) == 1000.0
    assert float(row["TTFT(ms)"]) == 100.0
    assert float(row["time_per_token(ms/tokens)"]) == 18.0
    assert float(row["throughput(tokens/second)"]) == 182.0
    assert float(row["scheduled_delay(ms)"]) == 2.0


def test_a_failed_request_has_a_kind_and_no_latency(one: tuple[RunDir, Cell]) -> None:
    failed = record(
        one[1],
        error_kind="cut",
        error='he said "no",\nand left',
        output_tokens=None,
        first_token_ns=None,
        last_token_ns=None,
    )
    (row,) = written(*one, failed)
    assert (row["status"], row["error_kind"]) == ("failed", "cut")
    assert row["error"] == 'he said "no",\nand left'
    assert (row["latency(ms)"], row["TTFT(ms)"], row["output_tokens"]) == ("", "", "")
    assert row["end_time"] == "2026-09-21 14:13:21.102000"


def test_one_output_token_leaves_the_time_per_token_empty(one: tuple[RunDir, Cell]) -> None:
    (row,) = written(*one, record(one[1], output_tokens=1))
    assert row["time_per_token(ms/tokens)"] == ""


def test_a_request_that_was_never_sent_has_no_start(one: tuple[RunDir, Cell]) -> None:
    (row,) = written(*one, record(one[1], sent_ns=None, error_kind="dropped"))
    assert (row["start_time"], row["status"]) == ("", "failed")


def test_warm_up_is_in_the_parquet_file_only(one: tuple[RunDir, Cell]) -> None:
    run, cell = one
    assert len(written(run, cell, record(cell, phase="warmup"), record(cell))) == 1
    files.write_parquet(run)
    assert parquet.read_table(run.parquet_file)["phase"].to_pylist() == ["warmup", "measured"]


def test_the_parquet_file_keeps_every_stamp(one: tuple[RunDir, Cell]) -> None:
    run, cell = one
    sent = record(cell, bounded_events=((2, 5), (3, 7)))
    written(run, cell, sent)
    files.write_parquet(run)
    (kept,) = parquet.read_table(run.parquet_file).to_pylist()
    assert tuple(kept["event_ns"]) == sent.event_ns
    assert kept["bounded_events"] == [[2, 5], [3, 7]]
    assert kept["first_token_ns"] == sent.first_token_ns


def test_requests_are_numbered_in_the_order_they_were_sent(one: tuple[RunDir, Cell]) -> None:
    late, early = record(one[1], user=1, sent_ns=START_NS + 9), record(one[1], sent_ns=START_NS)
    found = written(*one, late, early)
    assert [(row["request"], row["user"]) for row in found] == [("1", "0"), ("2", "1")]


def test_a_line_that_a_crash_cut_off_is_left_out(run_path: Path) -> None:
    cells = grid(users=(4,))
    run = write_run(run_path, cells, killed=True)
    files.write_parquet(run)
    assert parquet.read_table(run.parquet_file).num_rows == 12


def test_cells_csv_grows_by_a_row_for_each_repeat(run_path: Path) -> None:
    cells = grid(users=(1, 4))
    run = write_run(run_path, cells, repeats=2)
    for cell in judged_cells(run):
        files.append_cells(run, cell.results)
    found = [(row["cell"], row["repeat"], row["stamp"]) for row in rows(run.cells_file)]
    one, four = (cell.id for cell in cells)
    assert found == [(c, r, "SIMULATED") for c in (one, four) for r in ("1", "2")]


def test_repeats_are_numbered_on_in_one_file(one: tuple[RunDir, Cell]) -> None:
    run, cell = one
    file = files.RequestsCsv(run.requests_file(cell.id))
    for repeat in (1, 2):
        file.add(repeat, table([record(cell, repeat=repeat), record(cell, repeat=repeat)]))
    found = [(row["request"], row["repeat"]) for row in rows(run.requests_file(cell.id))]
    assert found == [("1", "1"), ("2", "1"), ("3", "2"), ("4", "2")]


def test_a_repeat_that_comes_again_takes_its_place(one: tuple[RunDir, Cell]) -> None:
    run, cell = one
    file = files.RequestsCsv(run.requests_file(cell.id))
    for repeat, requests in ((1, 3), (2, 1), (1, 1), (2, 2)):
        file.add(repeat, table([record(cell, repeat=repeat)] * requests))
    found = [(row["request"], row["repeat"]) for row in rows(run.requests_file(cell.id))]
    assert found == [("1", "1"), ("2", "2"), ("3", "2")]


def test_a_cell_without_requests_has_a_file_with_its_header(one: tuple[RunDir, Cell]) -> None:
    assert written(*one) == []


def test_a_digest_of_any_shape_of_load_is_read_as_it_was_written(run_path: Path) -> None:
    shapes = (Users(2), Users(1, 1, cold=True), Ramp((1, 2), 4.0), Arrivals(64.0, duration_s=4))
    run = write_run(run_path, [Cell("tiny", 128, 32, shape) for shape in shapes], failure=0.2)
    judged = [digest for digest, _ in judge_anew(run)]
    files.write_judged_anew(run)
    assert undigested(run) == []
    assert [digest for cell in judged_cells(run) for digest in cell.repeats] == judged


def test_resources_csv_has_wall_clock_and_cell(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1,)))
    files.write_resources(run, resources_of(run))
    first = rows(run.resources_file)[0]
    assert first["time"] == "2026-09-21 14:13:30.000000"
    assert (first["cell"], first["memory_bytes"]) == ("tiny-in128-out32-users1", "335544320")


def test_what_servers_told_is_written_anew_from_the_journal(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(8,)), tells=True, killed=True)
    write_report(run, anew=True)
    told = parquet.read_table(run.server_metrics_file).to_pylist()
    assert list(told[0]) == list(GaugeSample.__struct_fields__)
    assert (told[0]["cell"], told[0]["repeat"], told[0]["waiting"]) == (
        "tiny-in128-out32-users8",
        1,
        4.0,
    )
    assert [(row["error"], row["running"]) for row in told if row["error"]] == [
        ("no answer within 1 s", None)
    ]
    assert {row["cache_hits"] for row in told} == {None}
    (summary,) = rows(run.cells_file)
    assert (summary["server_waiting_mean"], summary["server_readings_failed"]) == ("4.0", "1")
    assert "readings of the server's /metrics failed: server_metrics.parquet" in summary["notes"]
    assert summary["server_cache_hits"] == ""


def test_servers_that_tell_nothing_have_no_file(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1,)))
    write_report(run)
    assert not run.server_metrics_file.exists()


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t"])
def test_a_server_s_words_are_no_formula_in_a_spreadsheet(
    one: tuple[RunDir, Cell], begin: str
) -> None:
    run, cell = one
    words = f"{begin}HYPERLINK(1)"
    ran = cell_run(cell, 1, START_NS, START_NS + 2_000_000_000, model(), None)
    run.append_cell_run(msgspec.structs.replace(ran, notes=(words,)))
    bad = record(cell, error_kind="error_event", error=words, finish_reason=words)
    failed, well = written(run, cell, bad, record(cell, request=2))
    assert failed["error"] == failed["finish_reason"] == f"'{words}"
    assert (well["error"], well["finish_reason"]) == ("", "length")
    files.append_cells(run, [result for each in judged_cells(run) for result in each.results])
    (summary,) = rows(run.cells_file)
    assert summary["notes"].startswith(f"'{words}")


def test_instances_by_mig_have_columns_of_their_own(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1,)))
    parts = [GpuSample(0, f"MIG-{gi}", memory_bytes=gi, mig=f"{gi}/0") for gi in (10, 2)]
    run.append_samples([ResourceSample(START_NS, "tiny", None, None, 1.0, 1, gpus=tuple(parts))])
    files.write_resources(run, resources_of(run))
    *_, last = rows(run.resources_file)
    names = [name for name in last if name.endswith("_memory_bytes") and name != "memory_bytes"]
    assert names == ["gpu_memory_bytes", "gpu0.2.0_memory_bytes", "gpu0.10.0_memory_bytes"]
    assert (last["gpu0.10.0_memory_bytes"], last["gpu0.2.0_percent"]) == ("10.0", "")


def test_each_gpu_has_columns_of_its_own_in_resources_csv(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1,)))
    now = ResourceSample(START_NS, "tiny", None, None, 1.0, 1)
    told = GpuSample(
        10, "GPU-kk", 95.0, 7, power_w=650.5, slowed_by=("power cap", "heat"), energy_j=12.0
    )
    gpus = (GpuSample(2, "GPU-cc", slowed_by=()), told)
    run.append_samples([msgspec.structs.replace(now, gpus=gpus), now])
    files.write_resources(run, resources_of(run))
    *_, one, other = rows(run.resources_file)
    names = [name for name in one if name.startswith("gpu") and name[3].isdigit()]
    assert names[0] == "gpu2_uuid"
    assert names[len(names) // 2] == "gpu10_uuid"
    assert (one["gpu10_percent"], one["gpu10_power_w"]) == ("95.0", "650.5")
    assert (one["gpu10_slowed_by"], one["gpu10_energy_j"]) == ("power cap, heat", "12.0")
    assert (one["gpu2_percent"], one["gpu2_slowed_by"], other["gpu10_percent"]) == ("", "", "")
