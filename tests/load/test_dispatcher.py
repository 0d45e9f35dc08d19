"""Closed and open loops on one worker, as they run."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmbench.apis import dialect
from llmbench.cells import Arrivals, Ramp, Trace, Users
from llmbench.load.loops import dispatcher as dispatching
from llmbench.load.progress import Progress
from llmbench.load.wire.target import Target
from llmbench.metrics import summarise, table
from llmbench.records import RequestRecord
from tests.load.serving import ANSWER, PROMPTS, Load, Scripted, endpoint, read_request
from tests.processes import running_python


def test_warmup_is_each_users_own_first_requests(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator), Users(3, 2), warmup_per_user=2)
    assert [(r.user, r.request, r.phase) for r in records] == [
        (user, request, "warmup" if request <= 2 else "measured")
        for user in (1, 2, 3)
        for request in (1, 2, 3, 4)
    ]


def test_every_request_has_a_prompt_of_its_own(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator), Users(5, 10))
    assert sorted(record.prompt_index for record in records) == list(range(50))
    assert load.cell_run is not None and load.cell_run.notes == ()


def test_repeated_prompts_are_noted(simulator: str, load: Load) -> None:
    load(endpoint(simulator), Users(6, 10))
    assert load.cell_run is not None
    assert load.cell_run.notes == ("prompts repeat: 60 requests were made from 50 prompts",)


def test_repeats_and_neighbours_send_other_prompts_while_there_are_some(
    simulator: str, load: Load
) -> None:
    seen: set[str] = set()
    shapes = (Users(4, 5), Users(4, 5), Users(1, 15))
    sent = [load(endpoint(simulator, "openai-completions-plain"), s, seen=seen) for s in shapes]
    first, repeated, neighbour = [{record.prompt_index for record in each} for each in sent]
    assert len(first) == len(repeated) == 20
    assert not first & repeated
    assert len(neighbour & (first | repeated)) == 5  # 50 prompts, 10 were left
    assert load.cell_run is not None
    assert (load.cell_run.prompts_sent, load.cell_run.prompts_reused) == (15, 5)
    assert load.cell_run.notes == (
        "5 of 15 prompts were sent before to this server; "
        "nothing in a request keeps it from its prompt cache",
    )


def test_a_prompt_that_is_sent_again_is_noted_also_where_caches_keep_it_apart(
    simulator: str, load: Load
) -> None:
    load(endpoint(simulator), Users(1, 1), seen={prompt.text for prompt in PROMPTS})
    assert load.cell_run is not None
    assert load.cell_run.notes == ("1 of 1 prompts were sent before to this server",)


def test_a_user_sends_when_its_last_request_has_ended(simulator: str, load: Load) -> None:
    for before, after in pairwise(load(endpoint(simulator), Users(1, 10))):
        assert after.sent_ns is not None
        assert before.done_ns <= after.sent_ns
        assert abs(after.scheduled_ns - before.done_ns) < 50_000


def test_a_duration_ends_a_closed_loop(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator), Users(2, None, duration_s=0.5), warmup_per_user=1)
    measured = [record for record in records if record.phase == "measured"]
    first = min(record.sent_ns or 0 for record in measured)
    last = max(record.sent_ns or 0 for record in measured)
    assert 0.3e9 < last - first <= 0.5e9


def test_spawned_users_begin_at_the_spawn_rate(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator), Users(4, 1, spawn_rate_per_s=20))
    starts = [record.scheduled_ns for record in records]
    assert [b - a for a, b in pairwise(starts)] == pytest.approx([5e7] * 3, abs=1000)
    assert all((record.sent_ns or 0) >= record.scheduled_ns for record in records)


def test_a_ramp_climbs_its_steps(simulator: str, load: Load) -> None:
    load(endpoint(simulator), Ramp((1, 2, 4), step_s=0.2, stop_when_flat=False))
    assert load.cell_run is not None
    assert [users for users, _ in load.cell_run.step_ends_ns] == [1, 2, 4]
    ends = [at - load.cell_run.started_ns for _, at in load.cell_run.step_ends_ns]
    assert ends == pytest.approx([0.2e9, 0.4e9, 0.6e9], abs=0.1e9)


def test_a_ramp_stops_when_requests_per_second_do(load: Load, slow_simulator: str) -> None:
    load(endpoint(slow_simulator), Ramp((1, 2, 3, 4, 5, 6, 7, 8), step_s=0.4))
    assert load.cell_run is not None
    assert [users for users, _ in load.cell_run.step_ends_ns][:3] == [1, 2, 3]
    assert len(load.cell_run.step_ends_ns) < 8
    assert "stopped: requests/s stopped rising" in load.cell_run.notes


def test_an_open_loop_sends_at_its_deadlines(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator), Arrivals(100.0, "constant", requests=40))
    assert [record.error for record in records] == [None] * 40
    scheduled = [record.scheduled_ns for record in records]
    assert {b - a for a, b in pairwise(scheduled)} == {10_000_000}
    late = sorted((record.sent_ns or 0) - record.scheduled_ns for record in records)
    assert late[0] >= 0
    assert late[10] < 1_000_000  # of the others some may have waited for the CPU


def test_a_connection_that_the_server_closed_is_open_again_before_the_next_deadline(
    load: Load,
) -> None:
    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.4):  # shorter than the time between requests
                await read_request(reader)
                writer.write(ANSWER)
                await reader.read()

    with Scripted(impatient) as server:
        records = load(endpoint(server.url), Arrivals(2.0, "constant", requests=4))
    assert [record.error for record in records] == [None] * 4
    assert [record.connect_ns for record in records] == [None] * 4  # nobody waited for one
    assert server.connections > 8  # those of the beginning were closed


def test_what_finds_too_many_in_flight_is_dropped_and_counted(simulator: str, load: Load) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": "no-first-token"})
    where = endpoint(simulator, headers=where.client.headers, first_token_timeout_s=0.5)
    shape = Arrivals(100.0, "constant", requests=10, max_in_flight=3)
    records = load(where, shape)
    kinds = [record.error_kind for record in records]
    assert kinds == ["first_token_timeout"] * 3 + ["dropped"] * 7
    assert records[5].error == "3 requests were in flight"
    assert records[5].sent_ns is None
    assert load.cell_run is not None and load.cell_run.dropped == 7


def test_the_warmup_of_an_open_loop_is_over_before_it_begins(simulator: str, load: Load) -> None:
    records = load(endpoint(simulator), Arrivals(50.0, requests=5), warmup_per_user=3)
    warm = [record for record in records if record.phase == "warmup"]
    assert len(warm) == 3
    assert load.cell_run is not None
    assert max(record.done_ns for record in warm) <= load.cell_run.started_ns


def test_a_trace_is_replayed_with_its_lengths(simulator: str, load: Load, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    rows = [{"timestamp": 100 * n, "input_length": 8, "output_length": 2 + n} for n in range(4)]
    path.write_text("\n".join(map(json.dumps, rows)))
    records = load(endpoint(simulator), Trace(str(path), speedup=4.0))
    assert [record.output_tokens for record in records] == [2, 3, 4, 5]
    gaps = [b.scheduled_ns - a.scheduled_ns for a, b in pairwise(records)]
    assert gaps == pytest.approx([25_000_000] * 3, abs=1)


def test_a_dead_server_ends_the_cell_at_once(load: Load, simulator: str) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": "no-first-token"})
    began = time.monotonic()
    records = load(where, Users(3, 5), died=lambda: "the container was OOM-killed")
    assert time.monotonic() - began < 10
    assert [(r.error_kind, r.error) for r in records] == [
        ("server_died", "the container was OOM-killed")
    ] * 3
    assert load.cell_run is not None
    assert load.cell_run.server_died == "the container was OOM-killed"


def test_progress_counts_up_to_the_end(simulator: str, load: Load) -> None:
    seen: list[Progress] = []
    load(endpoint(simulator), Users(2, 3), progress=seen.append, warmup_per_user=1)
    last = seen[-1]
    assert (last.sent, last.done, last.failed, last.total) == (8, 8, 0, 8)
    assert (last.output_tokens, last.in_flight, last.users) == (64, 0, 0)


def test_users_that_find_nobody_do_not_spin(load: Load) -> None:
    shape = Users(1, None, duration_s=0.5)
    records = load(endpoint("http://127.0.0.1:1"), shape)
    assert {record.error_kind for record in records} == {"refused"}
    assert len(records) == 3  # at 0, 0.1 and 0.3 s


@pytest.mark.parametrize(("waiting", "done"), [(64, 1), (128, 5), (640, 512)])
def test_decoding_gets_as_much_of_a_turn_as_keeps_the_backlog_bounded(
    waiting: int, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job takes a millisecond; without a lane it is behind from 64 on, and 128 may wait."""
    spent_ms: list[int] = []
    monkeypatch.setattr(dispatching, "monotonic_ns", lambda: len(spent_ms) * 1_000_000)
    nothing: Any = None

    async def one_turn() -> int:
        target = Target(endpoint("http://127.0.0.1:1"), dialect("openai-completions"))
        dispatcher = dispatching.Dispatcher([target], nothing, nothing, nothing)
        for job in range(waiting):
            dispatcher.later(spent_ms.append, job)
        await asyncio.sleep(0)
        return len(spent_ms)

    assert asyncio.run(one_turn()) == done


def test_memory_stays_flat_over_many_requests(simulator: str, load: Load) -> None:
    load.keep(endpoint(simulator), Users(8, 200), output_tokens=1)
    before = peak_kib()
    load.keep(endpoint(simulator), Users(8, 1500), output_tokens=1)
    assert peak_kib() - before < 1024


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


INTERRUPTED = """
import sys
from pathlib import Path
from llmbench.cells import Cell, Users
from llmbench.load import run_cell
from llmbench.store import RunDir
from tests.load.serving import PROMPTS, endpoint

def say(progress):
    print(progress.done, flush=True)

if __name__ == "__main__":
    run_cell(Cell("m", 8, 8, Users(4, None, duration_s=60)), endpoint(sys.argv[1]), PROMPTS,
             run=RunDir(Path(sys.argv[2])), repeat=1, seed=1, prompts_sha256="x", progress=say,
             workers=int(sys.argv[3]))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_a_whole_journal_and_no_process(
    workers: int, simulator: str, tmp_path: Path
) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    command = [str(script), simulator, str(tmp_path), str(workers)]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with running_python(*command, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < 20:
            pass
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode != 0
        assert errors.rstrip().endswith("KeyboardInterrupt")
        wait_until_gone(process.pid)
    records = journal(tmp_path)
    assert len(records) >= 20
    assert all(record["error_kind"] is None for record in records)


def wait_until_gone(group: int) -> None:
    """Python's own helper process goes a moment after the others."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail("a process was left behind")


def journal(folder: Path) -> list[dict[str, object]]:
    lines = [
        line
        for path in folder.glob("journal/requests/*/*.jsonl")
        for line in path.read_text().splitlines()
    ]
    return [json.loads(line) for line in lines]


def offsets(record: RequestRecord) -> list[int]:
    return [b - a for a, b in pairwise(record.event_ns)]


def test_the_gaps_are_those_of_the_server(simulator: str, load: Load) -> None:
    """The simulator sends a token each millisecond, if it gets the CPU; kernel stamps say when."""
    httpx.post(f"{simulator}/stats/reset")
    (record,) = load(endpoint(simulator), output_tokens=101)
    truly_ms = httpx.get(f"{simulator}/stats").json()["itl_ms"]["p50"]
    assert record.clock == "kernel"
    gaps = sorted(offsets(record))
    assert gaps[50] == pytest.approx(truly_ms * 1e6, abs=1e5)
    assert record.client_lag_ns is not None and record.client_lag_ns >= 0


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_in_flight_is_cancelled_when_enough_is_known(
    workers: int, load: Load, simulator: str
) -> None:
    flying = threading.Event()

    def look(progress: Progress) -> None:
        if progress.in_flight:
            flying.set()

    records = load(
        endpoint(simulator),
        Arrivals(20.0, "constant", duration_s=60),
        output_tokens=2000,
        workers=workers,
        progress=look,
        enough=lambda: "the SLO is lost" if flying.is_set() else None,
    )
    assert load.cell_run is not None
    assert load.cell_run.cut_short == "the SLO is lost"
    cancelled = [record for record in records if record.error_kind == "cancelled"]
    assert cancelled
    assert {record.error for record in cancelled} == {"the SLO is lost"}
    summary = summarise(load.cell_run, table(records))
    assert (summary.cancelled, summary.failed) == (len(cancelled), 0)
