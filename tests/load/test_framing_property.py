"""However a stream is cut and merged on its way, the same record comes of it."""

import asyncio
import gzip
import random
import socket
from itertools import pairwise

import httptools
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmbench.apis import dialect
from llmbench.clock import Clock
from llmbench.load.decoding import Decoder
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.wire.connection import Connection
from llmbench.load.wire.exchange import Exchange
from llmbench.records import RequestRecord
from tests.load.serving import DONE, chunk

USAGE = (
    b'data: {"choices":[{"text":"","finish_reason":"length"}],'
    b'"usage":{"prompt_tokens":7,"completion_tokens":4}}'
)
TEXTS = [rb"a", "é".encode(), "日本".encode(), rb"\"quoted\"\n"]


def stream(newline: bytes, space: bytes, *, comments: bool, final: bool) -> bytes:
    """Four tokens, usage, and the end."""
    lines: list[bytes] = []
    for text in TEXTS:
        lines += [b": ping", b""] if comments else []
        lines += [b'data:%b{"choices":[{"text":"%b"}]}' % (space, text), b""]
    lines += [USAGE, b"", b"data:%b[DONE]" % space]
    return newline.join(lines) + (newline * 2 if final else b"")


def messages(body: bytes) -> list[bytes]:
    """`body` in each of HTTP's framings."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    zipped = gzip.compress(body, mtime=0)
    halves = b"".join(chunk(part) for part in (body[:31], body[31:90], body[90:], b""))
    zipped_chunks = b"".join(chunk(part) for part in (zipped[:40], zipped[40:], b""))
    return [
        head + b"content-length: %d\r\n\r\n" % len(body) + body,
        head + b"transfer-encoding: chunked\r\n\r\n" + halves,
        head + b"transfer-encoding: chunked\r\ncontent-encoding: gzip\r\n\r\n" + zipped_chunks,
    ]


async def receive(pieces: list[bytes]) -> Exchange:
    """What a `Connection` saw when each of `pieces` was a read of its own."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)
    over = loop.create_future()
    connection = Connection(loop, near, None, 0, over.set_result)
    connection.send(b"x", Exchange())
    for piece in pieces:
        far.send(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    exchange: Exchange = await asyncio.wait_for(over, 5)
    connection.close()
    far.close()
    return exchange


def record_of(exchange: Exchange) -> RequestRecord:
    reader = Decoder(dialect("openai-completions"), Clock(0), "cell", 1, 0)
    return reader.record(PlannedRequest(1, 1, "measured", 0, 8, 8, 4, b""), exchange)


def timeless(record: RequestRecord) -> tuple[object, ...]:
    """All that must not depend on where the stream was cut."""
    return (
        record.error_kind,
        record.input_tokens,
        record.output_tokens,
        record.finish_reason,
        record.events,
        len(record.event_ns),
        record.event_tokens,
        record.first_event_tokens,
    )


def cut(message: bytes, cuts: list[float]) -> list[bytes]:
    places = sorted({0, len(message), *(int(place * len(message)) for place in cuts)})
    return [message[a:b] for a, b in pairwise(places)]


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b" ", b""]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
    st.lists(st.floats(0, 1), max_size=40),
)
@example(b"\n", b" ", False, True, 0, [place / 400 for place in range(400)])
def test_the_same_record_however_it_was_cut(
    newline: bytes, space: bytes, comments: bool, final: bool, framing: int, cuts: list[float]
) -> None:
    body = stream(newline, space, comments=comments, final=final)
    exchange = asyncio.run(receive(cut(messages(body)[framing], cuts)))
    record = record_of(exchange)
    assert timeless(record) == (None, 7, 4, "length", 6, 4, (), None)
    assert all(a <= b for a, b in pairwise(record.event_ns))
    for index, earliest in record.bounded_events:
        assert 0 <= earliest <= record.event_ns[index]


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000), st.lists(st.floats(0, 1), max_size=10))
def test_a_cut_short_stream_is_never_a_success(where: int, cuts: list[float]) -> None:
    """Whatever is missing of a message, unless its answer was already whole, it's a failure."""
    body = stream(b"\n", b" ", comments=True, final=True)
    message = messages(body)[0]
    kept = message[: where % message.index(b'"finish_reason":"length"')]

    async def receive_and_close() -> Exchange:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        near.setblocking(False)
        over = loop.create_future()
        connection = Connection(loop, near, None, 0, over.set_result)
        connection.send(b"x", Exchange())
        for piece in cut(kept, cuts):
            far.send(piece)
            await asyncio.sleep(0)
        far.recv(10)
        far.close()
        return await asyncio.wait_for(over, 5)

    assert record_of(asyncio.run(receive_and_close())).error_kind == "cut"


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_at_all_break_the_reader(garbage: bytes) -> None:
    exchange = Exchange()
    exchange.status = 200
    exchange.sent_ns, exchange.done_ns = 1, 5
    exchange.chunks = [garbage]
    exchange.reads = [(b"", 3, 1)]
    record = record_of(exchange)
    assert record.error_kind in ("malformed", "cut", "empty", "error_event")


def test_mutated_streams_never_break_the_reader() -> None:
    whole = stream(b"\n", b" ", comments=True, final=True) + DONE
    draw = random.Random(4)
    for _ in range(2000):
        body = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        exchange = Exchange()
        exchange.status, exchange.sent_ns, exchange.done_ns = 200, 1, 5
        exchange.chunks, exchange.reads = [bytes(body)], [(b"", 3, 1)]
        record = record_of(exchange)
        assert record.ok == (record.error is None)


def test_the_parser_calls_the_body_without_a_python_frame() -> None:
    """`list.append` itself is the callback: nothing of ours runs for each chunk."""
    near, far = socket.socketpair()
    loop = asyncio.new_event_loop()
    connection = Connection(loop, near, None, 0, lambda exchange: None)
    assert type(connection.on_body).__name__ == "builtin_function_or_method"
    assert httptools.HttpResponseParser(connection) is not None
    connection.close()
    far.close()
    loop.close()
