"""Cutting a body into events."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmbench.apis.framing import _events, frames


def cut(body: bytes) -> list[bytes]:
    return [data for data, _ in frames(body, "sse")]


@pytest.mark.parametrize(
    ("newline", "space", "last"), list(product([b"\n", b"\r\n", b"\r"], [b" ", b""], [0, 1, 2]))
)
def test_line_ends_spaces_and_missing_blank_lines(newline: bytes, space: bytes, last: int) -> None:
    body = newline.join([b"data:" + space + b"one", b"", b"data:" + space + b"two"])
    assert cut(body + newline * last) == [b"one", b"two"]


def test_comments_names_and_ids_are_no_data() -> None:
    body = b": ping\n\nevent: message\nid: 7\nretry: 10\ndata: one\n\n:\n\ndata: two\n\n"
    assert cut(body) == [b"one", b"two"]


def test_data_of_several_lines_is_one_event() -> None:
    assert cut(b'data: {"a":\ndata: 1}\n\ndata: two\n\n') == [b'{"a":\n1}', b"two"]


def test_a_field_between_two_lines_of_data_does_not_part_them() -> None:
    assert cut(b"data: a\nid: 1\ndata: b\n\n") == [b"a\nb"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert cut(b"\xef\xbb\xbfdata: one\n\n") == [b"one"]


def test_the_field_error_counts_as_data() -> None:
    assert cut(b'error: {"code":500}\n\n') == [b'{"code":500}']


def test_data_may_hold_the_word_data() -> None:
    assert cut(b'data: {"text":"\\ndata: x"}\n\n') == [b'{"text":"\\ndata: x"}']


def test_an_event_ends_where_its_data_does() -> None:
    body = b"data: one\n\ndata:two\n\n"
    assert [body[:end] for _, end in frames(body, "sse")] == [
        b"data: one",
        b"data: one\n\ndata:two",
    ]
    windows = body.replace(b"\n", b"\r\n")
    assert [windows[:end][-3:] for _, end in frames(windows, "sse")] == [b"one", b"two"]


def test_lines_of_json() -> None:
    body = b'{"a":1}\n{"a":2}\r\n\n{"a":3}'
    assert list(frames(body, "ndjson")) == [
        (b'{"a":1}', 7),
        (b'{"a":2}', 15),
        (b'{"a":3}', 25),
    ]


def test_nothing_has_no_events() -> None:
    assert cut(b"") == cut(b"\n\n") == cut(b"data:\n\n") == []


LINES = [
    b"data: x",
    b"data:y",
    b"data: ",
    b"data:",
    b"data",
    b"error: z",
    b": comment",
    b"event: e",
    b"\n",
    b"\n\n",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=30))
def test_the_short_way_finds_what_the_long_one_does(parts: list[bytes]) -> None:
    body = b"".join(parts)
    assert list(frames(body, "sse")) == list(_events(body))
