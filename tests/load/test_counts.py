"""What a server counts: what is taken of it, and what can't be a count."""

import json

import pytest

from llmbench.metrics import table
from llmbench.records import RequestRecord
from tests.load.serving import DONE, Load, Scripted, answering, endpoint, event, response


def usage(**counts: int) -> bytes:
    return b"data: " + json.dumps({"choices": [], "usage": counts}).encode() + b"\n\n"


def answered(load: Load, *events: bytes, api: str = "openai-completions") -> RequestRecord:
    with Scripted(answering(response(b"".join(events)))) as server:
        (record,) = load(endpoint(server.url, api))
    return record


@pytest.mark.parametrize("name", ["completion_tokens", "prompt_tokens"])
@pytest.mark.parametrize("count", [10**20, 2**31, -1])
def test_a_request_with_an_impossible_count_is_malformed(load: Load, name: str, count: int) -> None:
    record = answered(load, event("a"), usage(**{name: count}), DONE)
    what = "output tokens" if name == "completion_tokens" else "input tokens"
    assert (record.error_kind, record.error) == (
        "malformed",
        f"the server counted {what} {count}",
    )
    assert (record.input_tokens, record.output_tokens) == (None, None)
    table([record])  # which every report makes


def test_the_largest_count_that_can_be(load: Load) -> None:
    assert answered(load, event("a"), usage(prompt_tokens=2**31 - 1), DONE).ok


def test_an_impossible_duration_is_not_known(load: Load) -> None:
    timings = (
        b'data: {"choices":[],"timings":{"prompt_ms":-3042.5,"predicted_ms":1e300,"cache_n":1}}\n\n'
    )
    record = answered(load, event("a"), timings, DONE)
    assert record.ok
    assert record.cached_tokens == 1
    assert (record.server_prompt_ms, record.server_decode_ms) == (None, None)


@pytest.mark.parametrize("strange", [10**20, -7])
def test_an_impossible_count_on_the_way_is_not_that_events(load: Load, strange: int) -> None:
    text = b'data: {"choices":[{"text":"a"}],"usage":{"prompt_tokens":1,"completion_tokens":%d}}'
    events = [text % count + b"\n\n" for count in (1, strange, 3)]
    record = answered(load, *events, DONE)
    assert (record.ok, record.output_tokens, record.event_tokens) == (True, 3, ())


def test_a_usage_of_0_until_the_end_is_no_count(load: Load) -> None:
    text = b'data: {"choices":[{"text":"a"}],"usage":{"prompt_tokens":1,"completion_tokens":0}}\n\n'
    record = answered(load, text, text, text, usage(prompt_tokens=1, completion_tokens=3), DONE)
    assert (record.output_tokens, record.first_event_tokens, record.event_tokens) == (3, None, ())
    assert len(record.event_ns) == 3


def test_sglangs_text_counts_although_its_count_is_0_until_the_end(load: Load) -> None:
    page = '{"text":"%s","meta_info":{"completion_tokens":%d,"finish_reason":%s}}'
    events = [("a", 0, "null"), ("a b", 0, "null"), ("a b c", 3, '{"type":"length"}')]
    lines = [f"data: {page % values}\n\n".encode() for values in events]
    record = answered(load, *lines, b"data: [DONE]\n\n", api="sglang")
    assert (record.ok, record.output_tokens, len(record.event_ns)) == (True, 3, 3)
