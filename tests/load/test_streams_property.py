"""Random streams of every dialect, sound and damaged: no exception, and one record for all cuts."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmbench.apis import GENERATING, dialect
from llmbench.apis.protocol import Ask
from llmbench.clock import Clock
from llmbench.load.decoding import Decoder
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.wire.exchange import Exchange
from llmbench.metrics import table
from llmbench.records import RequestRecord
from llmbench.simulator.asked import read_ask
from llmbench.simulator.completion_job import CompletionJob
from llmbench.simulator.completions import Streamed
from llmbench.simulator.faults import FAULTS, manner_of
from llmbench.simulator.manner import Manner
from llmbench.simulator.truth import Truth


def is_of_the_stream(manner: Manner) -> bool:
    """Whether a fault shows in the bytes of the stream, and not in HTTP or in time."""
    elsewhere = manner.gzip or manner.cut or manner.byte_by_byte or manner.ending == "die"
    return manner.status == 200 and manner.garbage in ("none", "event") and not elsewhere


STREAMS = sorted(name for name in FAULTS if is_of_the_stream(manner_of(name)))
SPLICES = (
    *(b"\n", b"\n\n", b"\r", b"{", b"}", b'"', b"\\", b"\xff", b"\\ud83d", b"null", b"NaN", b"-"),
    *(
        b"[" * 3000,
        b"1e999",
        b"9" * 40,
        b"event: error\n",
        b'{"error":',
        b"<html>",
        b": ",
        b"[DONE]",
    ),
)
"""What is put into a stream to damage it."""


class Page:
    """The client's end of a simulated connection, that keeps what it is sent."""

    gone = False

    def __init__(self) -> None:
        self.sent = b""

    def send(self, data: bytes) -> None:
        self.sent += data

    def dribble(self, pieces: list[bytes], gap_ns: int) -> None:
        self.sent += b"".join(pieces)

    def close(self) -> None: ...

    def reset(self) -> None: ...

    def answered(self) -> None: ...


def stream(api: str, fault: str, tokens: int) -> bytes:
    """The body that the simulator streams in a dialect, under a fault."""
    speaks = dialect(api)
    ask = Ask("x" * 40, tokens, "m")
    asked = read_ask(speaks.path(ask), msgspec.json.encode(speaks.body(ask)), "m")
    manner = msgspec.structs.replace(manner_of(fault), body="close")
    page = Page()
    streamed = Streamed(CompletionJob(asked, manner, page, Truth(), 0, "seed"))
    streamed.begin()
    while not streamed.emit(0, 0):
        pass
    return page.sent.partition(b"\r\n\r\n")[2]


def record_of(api: str, body: bytes, cuts: list[float]) -> RequestRecord:
    """The record of a body that arrived in the pieces that `cuts` make."""
    places = sorted({0, len(body), *(int(place * len(body)) for place in cuts)})
    exchange = Exchange()
    exchange.status, exchange.sent_ns, exchange.done_ns = 200, 1, 10**9
    exchange.chunks = [body[a:b] for a, b in pairwise(places)]
    exchange.reads = [(b"", 1000 * n, n) for n in range(1, len(exchange.chunks) + 1)]
    decoder = Decoder(dialect(api), Clock(0), "cell", 1, 0)
    decoder.last_token_ns(exchange)  # as the sweep for time-outs does in the middle of a stream
    return decoder.record(PlannedRequest(1, 1, "measured", 0, 10, 10, 6, b""), exchange)


def timeless(record: RequestRecord) -> tuple[object, ...]:
    """All that must not depend on where the stream was cut."""
    return (
        *(record.error_kind, record.error, record.finish_reason, record.counted_by),
        *(record.input_tokens, record.output_tokens, record.cached_tokens),
        *(record.events, len(record.event_ns), record.event_tokens, record.first_event_tokens),
    )


CUTS = st.lists(st.floats(0, 1), max_size=30)


def check(api: str, body: bytes, cuts: list[float]) -> RequestRecord:
    """One record however the body is cut, fit for the journal and for every table."""
    whole = record_of(api, body, [])
    pieces = record_of(api, body, cuts)
    assert timeless(pieces) == timeless(whole)
    assert all(a <= b for a, b in pairwise(pieces.event_ns))
    for index, earliest in pieces.bounded_events:
        assert earliest <= pieces.event_ns[index]
    assert pieces.ok == (pieces.error is None)
    again = msgspec.json.decode(msgspec.json.encode(pieces), type=RequestRecord)
    assert again == pieces
    return pieces


@pytest.mark.parametrize("api", GENERATING)
@settings(deadline=None, max_examples=60)
@given(st.sampled_from([*STREAMS, "none"]), st.integers(1, 9), CUTS)
def test_every_stream_gives_one_record_however_it_is_cut(
    api: str, fault: str, tokens: int, cuts: list[float]
) -> None:
    record = check(api, stream(api, fault, tokens), cuts)
    if fault == "none":
        assert (record.ok, record.output_tokens, len(record.event_ns)) == (True, tokens, tokens)


@pytest.mark.parametrize("api", GENERATING)
@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from([*STREAMS, "none"]),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 6), st.sampled_from(SPLICES)),
        min_size=1,
        max_size=4,
    ),
    CUTS,
)
@example("none", [(0.5, 0, b"[" * 3000)], [0.5])
@example("none", [(0.4, 1, b"9" * 40)], [])
def test_no_damage_raises_anything(
    api: str, fault: str, splices: list[tuple[float, int, bytes]], cuts: list[float]
) -> None:
    body = stream(api, fault, 6)
    for place, gone, new in splices:
        at = int(place * len(body))
        body = body[:at] + new + body[at + gone :]
    table([check(api, body, cuts)])


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(GENERATING), st.binary(max_size=200), CUTS)
@example("ollama", b'{"error":"no \\ud83d"}', [])
@example("openai-chat", b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n', [])
@example("sglang", b'data: {"meta_info":{"finish_reason":{"type":"\\ud83d"}}}\n\n', [])
def test_no_bytes_at_all_raise_anything(api: str, body: bytes, cuts: list[float]) -> None:
    check(api, body, cuts)
