"""Records and runs with known times, for the tests of metrics and verdict."""

from typing import Any

from msgspec import structs

from llmbench.cells import Cell, Limits, Shape, Users
from llmbench.records import CellRun, Endpoint, Launch, RequestRecord

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000


def request(
    sent_ms: float = 0.0,
    *,
    ttft_ms: float = 50.0,
    tokens: int = 5,
    gap_ms: float = 20.0,
    user: int = 0,
    **fields: Any,
) -> RequestRecord:
    """A successful request of `tokens` events; `fields` replace what follows from the rest."""
    sent = START_NS + round(sent_ms * MS)
    events = tuple(round((ttft_ms + gap_ms * n) * MS) for n in range(tokens))
    record = RequestRecord(
        cell="m-in128-out5-users1",
        repeat=1,
        phase="measured",
        request=1,
        user=user,
        worker=0,
        scheduled_ns=sent,
        sent_ns=sent,
        done_ns=sent + events[-1],
        requested_input_tokens=128,
        requested_output_tokens=tokens,
        prompt_tokens=128,
        prompt_index=0,
        input_tokens=128,
        output_tokens=tokens,
        first_token_ns=sent + events[0],
        first_token_earliest_ns=sent + events[0],
        first_answer_ns=sent + events[0],
        last_token_ns=sent + events[-1],
        event_ns=events,
        events=tokens,
        finish_reason="length",
        http_status=200,
        client_lag_ns=100_000,
    )
    return structs.replace(record, **fields)


def failure(
    sent_ms: float = 0.0,
    *,
    kind: str = "http_5xx",
    took_ms: float = 1.0,
    user: int = 0,
    **fields: Any,
) -> RequestRecord:
    """A request that failed before its first token."""
    sent = START_NS + round(sent_ms * MS)
    nothing = dict.fromkeys(
        (
            "input_tokens",
            "output_tokens",
            "first_token_ns",
            "first_token_earliest_ns",
            "first_answer_ns",
            "last_token_ns",
            "finish_reason",
        )
    )
    gone: dict[str, Any] = {"event_ns": (), "events": 0, "error_kind": kind, **nothing}
    return request(sent_ms, user=user, done_ns=sent + round(took_ms * MS), **(gone | fields))


def back_to_back(
    count: int, *, user: int = 0, idle_ms: float = 0.0, start_ms: float = 0.0, **fields: Any
) -> list[RequestRecord]:
    """`count` equal requests of one user, each sent `idle_ms` after the one before ended."""
    one = request(0.0, **fields)
    assert one.sent_ns is not None
    cycle_ms = (one.done_ns - one.sent_ns) / MS + idle_ms
    return [
        request(start_ms + cycle_ms * n, user=user, request=n + 1, **fields) for n in range(count)
    ]


def single_file(rate_per_s: float, seconds: float, takes_ms: float = 500.0) -> list[RequestRecord]:
    """Constant arrivals at a server that answers one request at a time, each in `takes_ms`."""
    records, free_ms = [], 0.0
    for n in range(round(rate_per_s * seconds)):
        due_ms = 1e3 * n / rate_per_s
        free_ms = max(free_ms, due_ms) + takes_ms
        waits_ms = free_ms - takes_ms - due_ms
        records.append(request(due_ms, ttft_ms=waits_ms + takes_ms - 80.0))
    return records


def cell_run(shape: Shape | None = None, **fields: Any) -> CellRun:
    """The `CellRun` that `request`'s records belong to."""
    cell = Cell("m", 128, 5, shape or Users(1), fields.pop("limits", Limits()))
    endpoint = Endpoint(
        "http://127.0.0.1:1", "openai-completions", "m", simulated=False, launch=Launch("remote", 0)
    )
    run = CellRun(cell, "m-in128-out5-users1", 1, START_NS, START_NS, endpoint, 0, "sha")
    return structs.replace(run, **fields)
