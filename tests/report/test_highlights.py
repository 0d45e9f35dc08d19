"""What a session's end shows beyond its cells."""

from pathlib import Path

import msgspec
from rich.console import Console

from llmbench.cells import Arrivals, Cell, Limits, Ramp, Users
from llmbench.journal import Journal
from llmbench.records import Launch, ServerSums, Sum
from llmbench.report import highlights
from llmbench.results import Search
from llmbench.store import RunDir
from tests.report.synthetic import grid, write_run


def shown(run: RunDir) -> list[str]:
    """The lines, runs of spaces made one."""
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        for part in highlights(run):
            console.print(part, highlight=False)
    return [" ".join(line.split()) for line in capture.get().splitlines() if line.strip()]


def test_a_grid_has_none(run_path: Path) -> None:
    assert shown(write_run(run_path, grid(users=(1, 4)))) == []


def test_a_ramp_shows_its_steps_and_what_they_mean(run_path: Path) -> None:
    lines = shown(write_run(run_path, [Cell("tiny", 128, 32, Ramp((1, 2, 4, 8), 10.0))]))
    assert lines[0] == "tiny-in128-out32-ramp8"
    assert [line.split()[0] for line in lines[3:7]] == ["1", "2", "4", "8"]
    told = [line.partition(":")[0] for line in lines[7:]]
    assert told == [
        "best latency",
        "max RPS without significant deterioration",
        "knee (Kneedle)",
        "peak",
    ]
    assert lines[7].endswith("with 1 user")


def test_the_highest_rate_that_meets_the_slo_is_named(run_path: Path) -> None:
    cells = [Cell("tiny", 128, 32, Arrivals(rate, duration_s=20)) for rate in (1.0, 2.0, 64.0)]
    run = write_run(run_path, cells, requests_per_user=40)
    (line,) = shown(run)
    assert line.startswith("tiny-in128-out32: highest rate that meets the SLO: ")
    assert line.endswith("(of 3 tried)")


def test_a_search_tells_its_bound_and_what_makes_it_one(run_path: Path) -> None:
    cells = grid(users=(1,))
    run = write_run(run_path, cells)
    name, ids = "tiny-in128-out32-highest-rate", (cells[0].id,) * 3
    searches = [
        Search(name, "requests/s", 4.46, 4.68, ids),
        Search(name, "requests/s", 4.46, 4.68, ids, capacity=4.4321),
        Search(name, "requests/s", None, 0.5, ids[:1], capacity=0.25),
        Search(name, "requests/s", None, None, ids[:1]),
    ]
    for search in searches:
        run.append_search(search)
    which = f"{name}: highest rate that meets the SLO:"
    met = "its trial met it, but overloaded the server did"
    assert shown(run) == [
        f"{which} 4.46 requests/s (missed at 4.68), by 3 trials",
        f"{which} 4.46 requests/s (missed at 4.68: {met} 4.43/s), by 3 trials",
        f"{which} none (missed at 0.5: {met} 0.25/s), by 1 trial",
        f"{which} none, by 1 trial",
    ]


def test_sizes_are_compared_and_the_cheapest_feasible_is_ideal(run_path: Path) -> None:
    limits = [Limits(cores, 2**29) for cores in (0.5, 1.0, 2.0)]
    lines = shown(write_run(run_path, grid(users=(1,), limits=limits), requests_per_user=20))
    assert lines[0] == "tiny"
    rows = {line.split()[0]: line for line in lines if line.split()[0] in {"0.5", "1", "2"}}
    assert set(rows) == {"0.5", "1", "2"}
    ideal = [cores for cores, line in rows.items() if line.endswith("IDEAL")]
    assert len(ideal) == 1
    cores = "1 core" if ideal == ["1"] else f"{ideal[0]} cores"
    assert f"ideal: {cores}, 512 MiB (valid, fits and meets the SLO" in " ".join(lines)


def test_cold_starts_have_a_table_of_their_own(run_path: Path) -> None:
    cell = Cell("tiny", 128, 32, Users(1, 1, cold=True))
    run = write_run(run_path, [cell], repeats=2)
    journal = run.path / "journal" / "cells.jsonl"
    runs = run.cell_runs()
    journal.unlink()
    for seconds, ended in zip((1.0, 3.0), runs, strict=True):
        launch = Launch(
            kind="process",
            started_ns=1,
            healthy_s=seconds,
            first_token_s=seconds + 1,
            peak_memory_bytes=2**30,
            file_cache_bytes=2**29,
        )
        endpoint = msgspec.structs.replace(ended.endpoint, launch=launch)
        run.append_cell_run(msgspec.structs.replace(ended, endpoint=endpoint))
    lines = shown(run)
    assert lines[0] == "cold starts"
    assert lines[-1] == "tiny-in128-out32-cold 2 2.00 3.00 1.00 GiB 512 MiB"


def test_where_both_views_differ_the_worst_cell_is_named(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1, 2, 4)))
    journal = run.path / "journal" / "cells.jsonl"
    runs = run.cell_runs()
    journal.unlink()
    for ended, share in zip(runs, (1.0, 0.5, 0.8), strict=True):
        told = [r for r in run.requests(ended.cell_id) if r.first_token_ns and r.sent_ns]
        total_ms = sum((r.first_token_ns or 0) - (r.sent_ns or 0) for r in told) / 1e6
        sums = ServerSums(ttft=Sum(len(told), share * total_ms))
        run.append_cell_run(msgspec.structs.replace(ended, server_sums=sums))
    line = " ".join(shown(run))
    assert line.startswith("the server's own view: tiny-in128-out32-users2: TTFT (mean): ")
    assert line.endswith("the network, or a proxy (and 1 more cell: see their notes)")


def test_a_wrong_clock_splits_no_time(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1,)))
    (cell_id,) = {ended.cell_id for ended in run.cell_runs()}
    journal = run.journal_file(cell_id, 1)
    records = [r for r in run.requests(cell_id) if r.repeat == 1]
    journal.unlink()
    with Journal(journal) as out:
        for record in records:
            out.append(msgspec.structs.replace(record, server_prompt_ms=500.0))
    assert not [line for line in shown(run) if line.startswith("where the time went")]


def test_where_the_server_tells_it_the_time_is_split(run_path: Path) -> None:
    run = write_run(run_path, grid(users=(1, 4)))
    for cell_id, queue in (("tiny-in128-out32-users1", 1.0), ("tiny-in128-out32-users4", 1.0)):
        journal = run.journal_file(cell_id, 1)
        records = [r for r in run.requests(cell_id) if r.repeat == 1]
        journal.unlink()
        with Journal(journal) as out:
            for record in records:
                parts = {"server_queue_ms": queue, "server_prompt_ms": 5.0}
                out.append(msgspec.structs.replace(record, **parts))
    line = " ".join(shown(run))
    assert line.startswith(
        "where the time went: tiny-in128-out32-users1: mean TTFT 60.2 ms: 2 % queue"
    )
    assert " % queue, " in line and " % prefill, " in line and line.endswith(" % unaccounted")
