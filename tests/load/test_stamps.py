"""From the kernel's wall-clock stamps to the monotonic clock."""

import struct
import tracemalloc

import pytest

from llmbench.apis import dialect
from llmbench.clock import Clock
from llmbench.load.decoding import Decoder
from llmbench.load.plan.planned_request import PlannedRequest
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.stamps import ended_ns, read_times
from llmbench.records import RequestRecord
from tests.load.serving import DONE, event

OFFSET_NS = 1_700_000_000_000_000_000  # wall clock minus monotonic clock


def seen(*reads: tuple[int, int], step_ns: int = 0, done_ns: int = 10_000_000) -> Exchange:
    """An exchange sent at 0 whose reads arrived and were read at the given moments.

    The wall clock is set by `step_ns` right after the sending.
    """
    exchange = Exchange()
    exchange.sent_ns, exchange.done_ns = 1, done_ns
    exchange.offset_sent_ns, exchange.offset_done_ns = OFFSET_NS, OFFSET_NS + step_ns
    for number, (arrived, read) in enumerate(reads, start=1):
        wall = arrived + OFFSET_NS + step_ns
        exchange.reads.append((struct.pack("qq", *divmod(wall, 10**9)), read, number))
    return exchange


def test_arrivals_are_the_kernels_and_the_lag_is_the_readers() -> None:
    when = read_times(seen((1000, 1500), (5000, 9000)))
    assert (when.times_ns, when.lag_ns, when.clock, when.step_ns) == (
        [1000, 5000],
        4000,
        "kernel",
        0,
    )


@pytest.mark.parametrize("seconds", [0.01, 1, 60, 600])
@pytest.mark.parametrize("step_ns", [50_000_000, -50_000_000, 200_000, -200_000])
def test_a_stepped_clock_makes_the_readers_stamps_count(step_ns: int, seconds: float) -> None:
    """Both clocks are slewed alike: the limit does not grow with the request's length."""
    done_ns = round(seconds * 1e9)
    when = read_times(seen((1000, 1500), (5000, 9000), step_ns=step_ns, done_ns=done_ns))
    assert when == ([1500, 9000], None, "reader", step_ns)


def test_the_offset_may_be_read_a_little_wrong() -> None:
    when = read_times(seen((1000, 60_000), step_ns=20_000))
    assert (when.times_ns, when.clock, when.step_ns) == ([21_000], "kernel", 0)


def test_without_kernel_stamps_the_readers_count() -> None:
    exchange = seen((1000, 1500))
    exchange.reads.append((b"", 2500, 2))
    assert read_times(exchange) == ([1500, 2500], None, "reader", 0)


def test_no_arrival_is_later_than_its_reading() -> None:
    when = read_times(seen((1200, 1000)))
    assert (when.times_ns, when.lag_ns) == ([1000], 0)


def test_the_end_is_the_last_arrival_unless_it_failed() -> None:
    exchange = seen((1000, 1500), (5000, 9000), done_ns=9100)
    assert ended_ns(exchange) == 5000
    exchange.failure = ("stalled", "")
    assert ended_ns(exchange) == 9100


def test_a_step_is_in_the_record() -> None:
    exchange = seen((1000, 1500), (5000, 9000), step_ns=50_000_000)
    exchange.status = 200
    exchange.chunks = [event("a"), event("b") + DONE]
    reader = Decoder(dialect("openai-completions"), Clock(0), "cell", 1, 0)
    record = reader.record(PlannedRequest(1, 1, "measured", 0, 8, 8, 4, b""), exchange)
    assert (record.clock, record.clock_step_ns, record.client_lag_ns) == (
        "reader",
        50_000_000,
        None,
    )
    assert record.event_ns == (1499, 8999)


def record_of(exchange: Exchange, *chunks: bytes, api: str = "openai-completions") -> RequestRecord:
    exchange.status, exchange.chunks = 200, list(chunks)
    reader = Decoder(dialect(api), Clock(0), "cell", 1, 0)
    return reader.record(PlannedRequest(1, 1, "measured", 0, 8, 8, 4, b""), exchange)


def test_bounds_reach_from_the_last_empty_socket_to_the_stamp() -> None:
    record = record_of(seen((1000, 1500), (5000, 9000)), event("a"), event("b") + event("c"))
    assert record.event_ns == (999, 4999, 4999)
    assert record.bounded_events == ((1, 1499),)
    assert record.first_token_earliest_ns == record.first_token_ns == 1000


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1}}\n\n'


@pytest.mark.parametrize(
    "later",
    [DONE, USAGE, b": keep-alive\n\n", b"data: [DO", b"d", event("b")],
    ids=["done", "usage", "comment", "part", "byte", "token"],
)
def test_whatever_follows_in_the_read_bounds_a_token(later: bytes) -> None:
    """A token at 50 ms, the rest at 350 ms, both in one read of a starved client."""
    record = record_of(seen((350_000_000, 351_000_000)), event("a") + later)
    assert (record.first_token_earliest_ns, record.first_token_ns) == (1, 350_000_000)
    assert record.bounded_events[0] == (0, 0)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n", b""])
def test_an_events_own_end_does_not_bound_it(end: bytes) -> None:
    alone = seen((1000, 1500), (5000, 9000))
    record = record_of(alone, event("a").rstrip() + end, DONE)
    assert record.bounded_events == ()


def test_the_end_of_a_chunked_message_bounds_what_came_with_it() -> None:
    """Triton's stream has no terminator: only HTTP's last chunk follows the last token."""
    exchange = seen((1000, 1500), (350_000_000, 351_000_000))
    token = b'data: {"text_output":"a"}\n\n'
    assert record_of(exchange, token, token, api="triton").bounded_events == ()
    exchange.headers = [(b"transfer-encoding", b"chunked")]
    assert record_of(exchange, token, token, api="triton").bounded_events == ((1, 1499),)


def test_a_look_at_the_empty_socket_is_a_bound_of_the_last_read() -> None:
    exchange = seen((350_000_000, 351_000_000))
    exchange.polled_ns = 349_000_000
    record = record_of(exchange, event("a") + DONE)
    assert record.first_token_earliest_ns == 349_000_000
    exchange.polled_ns = 350_500_000  # the kernel stamped before this look, the data came after
    assert record_of(exchange, event("a") + DONE).first_token_earliest_ns == 350_000_000


def test_what_is_kept_of_a_token_while_a_request_runs_is_under_a_kibibyte() -> None:
    """A vLLM-like event with continuous usage, its stamp and its bookkeeping."""
    data = (
        b'data: {"id":"cmpl-%d","object":"text_completion","created":1,"model":"m","choices":['
        b'{"index":0,"text":" token","logprobs":null,"finish_reason":null,"stop_reason":null}],'
        b'"usage":{"prompt_tokens":128,"total_tokens":%d,"completion_tokens":%d}}\n\n'
    )
    exchange = Exchange()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for token in range(1000):
        exchange.chunks.append(data % (token, token, token))
        stamp = struct.pack("qq", 1_700_000_000 + token, token)
        exchange.reads.append((stamp, 5_000_000_000_000 + token, 1000 + token))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / 1000 < 1024
