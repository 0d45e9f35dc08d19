"""From the kernel's wall-clock stamps to the monotonic clock."""

import struct
import tracemalloc

import pytest

from llmbench.apis import dialect
from llmbench.clock import Clock
from llmbench.load.decoding import Decoder, PlannedRequest
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.stamps import ended_ns, read_times
from tests.load.serving import DONE, event

OFFSET_NS = 1_700_000_000_000_000_000  # wall clock minus monotonic clock


def seen(*reads: tuple[int, int], drift_ns: int = 0, done_ns: int = 10_000_000) -> Exchange:
    """An exchange sent at 0 whose reads arrived and were read at the given moments.

    The wall clock gains `drift_ns` on the monotonic one by the end.
    """
    exchange = Exchange()
    exchange.sent_ns, exchange.done_ns = 1, done_ns
    exchange.offset_sent_ns, exchange.offset_done_ns = OFFSET_NS, OFFSET_NS + drift_ns
    for number, (arrived, read) in enumerate(reads, start=1):
        wall = arrived + OFFSET_NS + drift_ns * read // done_ns
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


def test_a_slewed_clock_is_interpolated() -> None:
    when = read_times(seen((2_000_000, 2_000_000), (9_000_000, 9_000_000), drift_ns=9_000))
    assert when.times_ns == pytest.approx([2_000_000, 9_000_000], abs=20)
    assert when.clock == "kernel"


@pytest.mark.parametrize("step_ns", [50_000_000, -50_000_000])
def test_a_stepped_clock_makes_the_readers_stamps_count(step_ns: int) -> None:
    when = read_times(seen((1000, 1500), (5000, 9000), drift_ns=step_ns))
    assert when == ([1500, 9000], None, "reader", step_ns)


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
    exchange = seen((1000, 1500), (5000, 9000), drift_ns=50_000_000)
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


def test_bounds_reach_from_the_last_empty_socket_to_the_stamp() -> None:
    exchange = seen((1000, 1500), (5000, 9000))
    exchange.status = 200
    exchange.chunks = [event("a"), event("b") + event("c") + DONE]
    reader = Decoder(dialect("openai-completions"), Clock(0), "cell", 1, 0)
    record = reader.record(PlannedRequest(1, 1, "measured", 0, 8, 8, 4, b""), exchange)
    assert record.event_ns == (999, 4999, 4999)
    assert record.bounded_events == ((1, 1499),)
    assert record.first_token_earliest_ns == record.first_token_ns == 1000


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
