"""What becomes of every fault that the simulator knows: the right numbers or the right failure."""

import statistics

import pytest

from llmbench.apis import GENERATING
from llmbench.cells import Users
from llmbench.metrics import table
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
    "tokens-told-at-end",
    "small-context",
    "null-choices",
    "usage-in-choice",
    "empty-error",
    "half-surrogate",
    "unreadable-text",
    "zero-usage",
    "finish-unheard-of",
    "proxy-holds-all",
    "proxy-holds-eight",
    "gateway-40ms",
    "fast-clock",
    "ignores-hang-ups",
}
OF_CHAT = {"content-parts", "refusal", "function-call"}
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
    "busy": "http_5xx",
    "finish-abort": "error_event",
    "finish-error": "error_event",
    "finish-cancelled": "error_event",
    "impossible-count": "malformed",
    "error-named-comment": "error_event",
    "error-named-message": "error_event",
    "error-unframed": "error_event",
    "json-page": "malformed",
    "html-page": "malformed",
    "error-page": "error_event",
}
OF_RESULTS = {
    "missing-result": "1 vectors for 2 inputs",
    "doubled-result": "the vectors are not for each input once: indexes [0, 0]",
    "empty-result": "a vector is empty",
    "not-a-number": "a vector holds what is not a finite number",
}
EVENTS = {"short": 4, "many-tokens-per-event": 3, "tokens-told-at-end": 2, "unreadable-text": 7}
QUICK = {"first_token_timeout_s": 0.3, "between_tokens_timeout_s": 0.2, "request_timeout_s": 5.0}


def test_every_fault_of_the_simulator_has_its_place_here() -> None:
    refusals = {name for name in FAULTS if name.startswith("refuses-")}  # of the server, at launch
    known = WELL | OF_CHAT | set(FAILS) | set(OF_RESULTS)
    assert known | {"die"} | refusals == set(FAULTS)


@pytest.mark.parametrize("fault", sorted(WELL))
def test_right_numbers_from(fault: str, simulator: str, load: Load) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": fault})
    (record,) = load(where)
    assert (record.error_kind, record.error) == (None, None)
    assert record.output_tokens == {"short": 4}.get(fault, 8)
    assert record.counted_by == ("events" if fault == "no-usage" else "server")
    events = EVENTS.get(fault, 8)
    assert len(record.event_ns) == events
    assert record.sent_ns is not None and record.first_token_ns is not None
    assert record.first_token_ns - record.sent_ns >= 5_000_000


@pytest.mark.parametrize("fault", sorted(OF_CHAT | {"usage-in-choice", "null-choices"}))
def test_right_numbers_from_a_chat_with(fault: str, simulator: str, load: Load) -> None:
    (record,) = load(endpoint(simulator, "openai-chat", headers={"x-llmbench-fault": fault}))
    assert (record.error_kind, record.error) == (None, None)
    assert (record.output_tokens, len(record.event_ns)) == (8, 8)


@pytest.mark.parametrize("api", GENERATING)
@pytest.mark.parametrize("fault", ["empty-error", "half-surrogate", "unreadable-text"])
def test_what_cannot_be_read_in_an_event_costs_at_most_its_text(
    fault: str, api: str, simulator: str, load: Load
) -> None:
    (record,) = load(endpoint(simulator, api, headers={"x-llmbench-fault": fault}))
    assert (record.error_kind, record.error) == (None, None)
    assert len(record.event_ns) in (7, 8)


@pytest.mark.parametrize(("fault", "words"), OF_RESULTS.items())
def test_a_result_that_is_none_is_malformed(
    fault: str, words: str, simulator: str, load: Load
) -> None:
    where = endpoint(simulator, "openai-embeddings", headers={"x-llmbench-fault": fault})
    (record,) = load(where, output_tokens=0, inputs=2)
    assert (record.error_kind, record.error) == ("malformed", words)


@pytest.mark.parametrize("api", ["openai-embeddings", "rerank"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("empty", "empty"),
        ("error-first", "http_5xx"),
        ("http-422", "http_4xx"),
        ("http-503", "http_5xx"),
        ("reset", "reset"),
        ("cut", "cut"),
        ("stall", "timeout"),
        ("html-page", "malformed"),
        ("error-page", "error_event"),
    ],
)
def test_embeddings_and_scores_fail_as_strictly(
    fault: str, kind: str, api: str, simulator: str, load: Load
) -> None:
    client = {"headers": {"x-llmbench-fault": fault}, "request_timeout_s": 0.5}
    (record,) = load(endpoint(simulator, api, **client), output_tokens=0)
    assert record.error_kind == kind


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("error-named-comment", "simulated failure"),
        ("error-named-message", "simulated failure"),
        ("error-unframed", "simulated failure"),
        ("finish-abort", "the server ended the answer with finish reason 'abort'"),
        ("html-page", "a page where a stream was asked for: Sign in Who are you?"),
        ("error-page", "simulated failure"),
    ],
)
def test_the_servers_own_words_are_the_error(
    fault: str, words: str, simulator: str, load: Load
) -> None:
    (record,) = load(endpoint(simulator, headers={"x-llmbench-fault": fault}))
    assert record.error == words


def test_one_in_three_that_fail_is_one_in_three(simulator: str, load: Load) -> None:
    """Errors that begin as a stream, and end with ``[DONE]`` and status 200."""
    good, bad = (
        load(endpoint(simulator, headers={"x-llmbench-fault": fault}), Users(1, count))
        for fault, count in (("none", 6), ("error-named-comment", 3))
    )
    assert sum(not record.ok for record in good + bad) / len(good + bad) == 1 / 3


def test_a_server_that_tells_a_sum_only_has_a_first_event_of_several_tokens(
    simulator: str, load: Load
) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": "tokens-told-at-end"})
    frame = table(load(where))
    assert frame["first_tokens"].tolist() == [4.0]
    assert frame["time_per_token_ms"].iloc[0] == pytest.approx(1.0, abs=0.4)


@pytest.mark.parametrize("fault", sorted(FAILS))
def test_right_failure_from(fault: str, simulator: str, load: Load) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": fault}, **QUICK)
    (record,) = load(where)
    assert record.error_kind == FAILS[fault]
    assert record.error


@pytest.mark.parametrize("api", GENERATING)
def test_every_dialect_counts_the_tokens(api: str, simulator: str, load: Load) -> None:
    (record,) = load(endpoint(simulator, api))
    assert (record.error_kind, record.error) == (None, None)
    assert record.output_tokens == 8
    assert record.counted_by == ("events" if api == "triton" else "server")
    assert len(record.event_ns) == 8


@pytest.mark.parametrize("api", GENERATING)
def test_time_to_the_first_token_is_unknown_without_streaming(
    api: str, simulator: str, load: Load
) -> None:
    (record,) = load(endpoint(simulator, api, stream=False))
    assert (record.error_kind, record.error) == (None, None)
    assert record.first_token_ns is None
    assert record.last_token_ns == record.done_ns
    assert record.output_tokens == (None if api == "triton" else 8)


@pytest.mark.parametrize("api", GENERATING)
@pytest.mark.parametrize(
    "fault",
    [
        *("error-event", "cut", "http-500", "malformed-event", "empty"),
        *("finish-abort", "html-page", "error-page", "error-unframed", "error-named-comment"),
    ],
)
def test_no_dialect_takes_a_failure_for_a_success(
    fault: str, api: str, simulator: str, load: Load
) -> None:
    if (api, fault) in {("triton", "finish-abort"), ("ollama", "error-named-comment")}:
        pytest.skip("the dialect has no finish reasons, or no named events")
    (record,) = load(endpoint(simulator, api, headers={"x-llmbench-fault": fault}))
    assert record.error_kind == FAILS[fault]


def test_events_that_anything_follows_in_their_read_are_bounded(simulator: str, load: Load) -> None:
    where = endpoint(simulator, headers={"x-llmbench-fault": "several-events-per-write"})
    records = load(where, Users(1, 5))
    bounded = [[index for index, _ in record.bounded_events] for record in records]
    assert [0, 1, 2, 4, 5, 6, 7] in bounded  # a client that is held up reads both writes at once
    assert all({0, 1, 2, 4, 5, 6, 7} <= set(indexes) for indexes in bounded)
    for record in records:
        assert record.first_token_earliest_ns is not None and record.first_token_ns is not None
        assert record.first_token_earliest_ns < record.first_token_ns


def test_an_answer_in_one_read_is_bounded_within_a_few_milliseconds(
    simulator: str, load: Load
) -> None:
    """One token, and the stream's end with it: nothing but looking tells when it came."""
    records = load(endpoint(simulator), Users(1, 21), output_tokens=1)
    assert all(record.bounded_events for record in records)
    widths = [r.first_token_ns - r.first_token_earliest_ns for r in records]  # type: ignore
    lower_quartile, *_ = statistics.quantiles(widths)  # others may have waited for the CPU
    assert 0 < lower_quartile < 3_000_000


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
