"""Print how fast request records become a table, and a summary. Usage: table_rate.py [REQUESTS]."""

import resource
import sys
import time
from collections.abc import Iterator

from llmbench.cells import Cell, Users
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.records import CellRun, Endpoint, Launch, RequestRecord

USERS, TOKENS, GAP_NS = 64, 64, 20_000_000


def records(count: int) -> Iterator[RequestRecord]:
    """`count` requests of 64 users, 64 tokens each, back to back."""
    events = tuple(50_000_000 + GAP_NS * n for n in range(TOKENS))
    for index in range(count):
        user, number = index % USERS, index // USERS
        sent = 1_700_000_000_000_000_000 + number * 1_311_000_000
        yield RequestRecord(
            cell="sim-in128-out64-users64",
            repeat=1,
            phase="measured",
            request=number + 1,
            user=user,
            worker=0,
            scheduled_ns=sent,
            sent_ns=sent,
            done_ns=sent + events[-1] + 1000,
            requested_input_tokens=128,
            requested_output_tokens=64,
            prompt_tokens=128,
            prompt_index=index % 1000,
            input_tokens=128,
            output_tokens=TOKENS,
            first_token_ns=sent + events[0],
            first_token_earliest_ns=sent + events[0],
            first_answer_ns=sent + events[0],
            last_token_ns=sent + events[-1],
            event_ns=events,
            events=TOKENS,
            finish_reason="length",
            http_status=200,
            client_lag_ns=100_000,
        )


def main() -> None:
    """Time the table and the summary of as many requests as asked."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    cell = Cell("sim", 128, 64, Users(USERS, count // USERS))
    endpoint = Endpoint("", "", "", simulated=True, launch=Launch("simulated", 0))
    run = CellRun(cell, "sim-in128-out64-users64", 1, 0, 0, endpoint, 0, "")
    start = time.perf_counter()
    made = sum(1 for _ in records(count))
    bare = time.perf_counter() - start
    start = time.perf_counter()
    frame = table(records(count))
    took = time.perf_counter() - start - bare
    start = time.perf_counter()
    summarise(run, frame)
    summary = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{made} requests of {TOKENS} events: table {took:.1f} s, summary {summary:.1f} s, ", end=""
    )
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
