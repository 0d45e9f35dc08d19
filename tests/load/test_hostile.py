"""What becomes of every fault that the simulator knows: the right numbers or the right failure."""

import statistics

import pytest

from llmbench.apis import NAMES
from llmbench.cells import Users
from llmbench.simulator.faults import FAULTS
from tests.load.serving import Load, endpoint

WELL = {
    "cut-anywhere",
    "byte-by-byte",
    "many-tokens-per-event",
    "several-events-per-write",
    "no-space",
    "crlf",
    "cr",
    "comments",
    "named-events",
    "multiline-data",
    "no-final-newline",
    "early-role",
    "no-usage",
    "reasoning",
    "incremental",
    "tgi-0.9.4",
    "short",
    "content-length",
    "close-delimited",
    "gzip",
    "interim",
    "slow-headers",
    "idle-close",
}
FAILS = {
    "error-event": "error_event",
    "error-first": "error_event",
    "empty": "empty",
    "no-terminator": "cut",
    "cut": "cut",
    "reset": "reset",
    "reset-first": "reset",
    "stall": "stalled",
    "no-first-token": "first_token_timeout",
    "malformed-event": "malformed",
    "malformed-http": "malformed",
    "http-400": "http_4xx",
    "http-401": "http_4xx",
    "http-404": "http_4xx",
    "http-422": "http_4xx",
    "http-429": "http_4xx",
    "http-500": "http_5xx",
    "http-503": "http_5xx",
    "http-400-empty": "http_4xx",
    "http-500-empty": "http_5xx",
    "redirect": "redirect",
}
QUICK = {"first_token_timeout_s": 0.3, "between_tokens_timeout_s": 0.2, "request_timeout_s": 5.0}


def test_every_fault_of_the_simulator_has_its_place_here() -> None:
    refusals = {name for name in FAULTS if name.startswith("refuses-")}  # of the server, at launch
    assert WELL | set(FAILS) | {"die"} | refusals == set(FAULTS)


@pytest.mark.parametrize("fault", sorted(WELL))
def test_right_numbers_from(fault: str, simulator: str, load: Load) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": fault})
    (record,) = load(where)
    assert (record.error_kind, record.error) == (None, None)
    tokens = {"no-usage": None, "short": 4}.get(fault, 8)
    assert record.output_tokens == tokens
    events = {"short": 4, "many-tokens-per-event": 3}.get(fault, 8)
    assert len(record.event_ns) == events
    assert record.sent_ns is not None and record.first_token_ns is not None
    assert record.first_token_ns - record.sent_ns >= 5_000_000


@pytest.mark.parametrize("fault", sorted(FAILS))
def test_right_failure_from(fault: str, simulator: str, load: Load) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": fault}, **QUICK)
    (record,) = load(where)
    assert record.error_kind == FAILS[fault]
    assert record.error


@pytest.mark.parametrize("api", NAMES)
def test_every_dialect_counts_the_tokens(api: str, simulator: str, load: Load) -> None:
    (record,) = load(endpoint(simulator, api))
    assert (record.error_kind, record.error) == (None, None)
    assert record.output_tokens == (None if api == "triton" else 8)
    assert len(record.event_ns) == 8


@pytest.mark.parametrize("api", NAMES)
def test_time_to_the_first_token_is_unknown_without_streaming(
    api: str, simulator: str, load: Load
) -> None:
    (record,) = load(endpoint(simulator, api, stream=False))
    assert (record.error_kind, record.error) == (None, None)
    assert record.first_token_ns is None
    assert record.last_token_ns == record.done_ns
    assert record.output_tokens == (None if api == "triton" else 8)


@pytest.mark.parametrize("api", NAMES)
@pytest.mark.parametrize("fault", ["error-event", "cut", "http-500", "malformed-event", "empty"])
def test_no_dialect_takes_a_failure_for_a_success(
    fault: str, api: str, simulator: str, load: Load
) -> None:
    (record,) = load(endpoint(simulator, api, headers={"x-llmbench-fault": fault}))
    assert record.error_kind == FAILS[fault]


def test_events_that_anything_follows_in_their_read_are_bounded(simulator: str, load: Load) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": "several-events-per-write"})
    (record,) = load(where)
    assert [index for index, _ in record.bounded_events] == [0, 1, 2, 4, 5, 6, 7]
    assert record.first_token_earliest_ns is not None and record.first_token_ns is not None
    assert record.first_token_earliest_ns < record.first_token_ns


def test_an_answer_in_one_read_is_bounded_within_a_few_milliseconds(
    simulator: str, load: Load
) -> None:
    """One token, and the stream's end with it: nothing but looking tells when it came."""
    records = load(endpoint(simulator), Users(1, 9), output_tokens=1)
    assert all(record.bounded_events for record in records)
    widths = [r.first_token_ns - r.first_token_earliest_ns for r in records]  # type: ignore
    assert 0 < statistics.median(widths) < 3_000_000


def test_reasoning_tokens_come_before_the_first_answer(simulator: str, load: Load) -> None:
    where = endpoint(simulator, "openai-chat", headers={"x-llmbench-fault": "reasoning"})
    (record,) = load(where)
    assert record.first_answer_ns is not None and record.sent_ns is not None
    assert record.first_answer_ns - record.sent_ns == record.event_ns[4]


def test_an_early_role_is_no_first_token(simulator: str, load: Load) -> None:
    where = endpoint(simulator, "openai-chat", headers={"x-llmbench-fault": "early-role"})
    (record,) = load(where)
    assert record.events > len(record.event_ns) == 8
    assert record.first_token_ns is not None and record.sent_ns is not None
    assert record.first_token_ns - record.sent_ns >= 5_000_000


def test_many_tokens_in_an_event_are_counted_where_the_server_says(
    simulator: str, load: Load
) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": "many-tokens-per-event"})
    (record,) = load(where)
    assert (record.first_event_tokens, record.event_tokens) == (3, (3, 3, 2))
