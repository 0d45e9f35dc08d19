import zlib
from random import Random

import msgspec
import pytest

from llmbench.simulator import encoding as wire
from llmbench.simulator.faults import manner_of
from llmbench.simulator.manner import Manner

EVENT = b'{"a":1,"b":"x"}'


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("none", b'data: {"a":1,"b":"x"}\n\n'),
        ("no-space", b'data:{"a":1,"b":"x"}\n\n'),
        ("crlf", b'data: {"a":1,"b":"x"}\r\n\r\n'),
        ("cr", b'data: {"a":1,"b":"x"}\r\r'),
        ("comments", b': keep-alive\n\ndata: {"a":1,"b":"x"}\n\n'),
        ("named-events", b'event: message\nid: 1\ndata: {"a":1,"b":"x"}\n\n'),
        ("multiline-data", b'data: {\ndata:  "a": 1,\ndata:  "b": "x"\ndata: }\n\n'),
    ],
)
def test_an_event_on_the_wire(fault: str, expected: bytes) -> None:
    assert wire.framed(EVENT, "sse", manner_of(fault)) == expected


def test_only_the_last_event_lacks_its_blank_line() -> None:
    manner = manner_of("no-final-newline")
    assert wire.framed(EVENT, "sse", manner).endswith(b"\n\n")
    assert wire.framed(EVENT, "sse", manner, final=True) == b"data: " + EVENT
    assert wire.framed(EVENT, "ndjson", manner, final=True) == EVENT


def test_a_line_of_json() -> None:
    assert wire.framed(EVENT, "ndjson", Manner()) == EVENT + b"\n"


def test_a_chunked_body() -> None:
    body = wire.Body(Manner())
    assert body.part(b"0123456789abcdef") + body.end() == b"10\r\n0123456789abcdef\r\n0\r\n\r\n"


def test_a_body_that_ends_with_the_connection() -> None:
    body = wire.Body(manner_of("close-delimited"))
    assert body.part(b"abc") + body.end() == b"abc"


def test_a_compressed_body_can_be_read_event_by_event() -> None:
    body = wire.Body(msgspec.structs.replace(manner_of("gzip"), body="close"))
    reader = zlib.decompressobj(wbits=31)
    assert reader.decompress(body.part(b"one")) == b"one"
    assert reader.decompress(body.part(b"two")) == b"two"
    reader.decompress(body.end())
    assert reader.eof


def test_pieces_add_up_and_cut_a_character() -> None:
    data = wire.framed('{"text":" 日本"}'.encode(), "sse", Manner())
    pieces = wire.cut_anywhere(data, Random(1))
    assert b"".join(pieces) == data
    assert 2 <= len(pieces) <= 5
    assert any(piece[:1] and piece[0] & 0xC0 == 0x80 for piece in pieces)


def test_even_pieces() -> None:
    assert wire.cut_evenly(b"abcdefg", 3) == [b"abc", b"def", b"g"]


def test_a_page_tells_its_length() -> None:
    assert wire.page(404, b"{}") == (
        b"HTTP/1.1 404 Not Found\r\nserver: llmbench-simulator\r\n"
        b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
