"""The rest between polls: only where many slow streams flow, and never before an answer's end."""

import asyncio
import socket
import time

import pytest

from llmbench.load.loops.lane import Lane
from llmbench.load.loops.pacing import FEWEST_READS, REST_S, Pacing, gap_s
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.polling import Poller, PollingLoop
from tests.test_store import record


def stream(gap_ms: float, reads: int = 20, stamp: bytes = b"kernel") -> Exchange:
    exchange = Exchange()
    exchange.reads = [(stamp, round(n * gap_ms * 1e6), n) for n in range(reads)]
    return exchange


def lanes_with(exchanges: list[Exchange]) -> list[Lane]:
    lanes = [Lane.__new__(Lane) for _ in exchanges]
    for lane, exchange in zip(lanes, exchanges, strict=True):
        lane.exchange = exchange
    return lanes


@pytest.fixture
def poller() -> Poller:
    return Poller()


@pytest.fixture
def pacing(poller: Poller, monkeypatch: pytest.MonkeyPatch) -> Pacing:
    monkeypatch.setattr("llmbench.load.loops.pacing.poller_of", lambda loop: poller)
    loop = asyncio.new_event_loop()
    made = Pacing(loop)
    loop.close()
    return made


@pytest.mark.parametrize(
    ("exchanges", "rest_s"),
    [
        ([stream(20)] * 40, REST_S),
        ([stream(10)] * 40, REST_S),
        ([stream(9)] * 40, 0.0),  # two tokens might meet in one read
        ([stream(20)] * 31, 0.0),  # few streams
        ([stream(20)] * 31 + [stream(20, reads=FEWEST_READS - 1)] * 9, 0.0),
        ([stream(20, stamp=b"")] * 40, 0.0),  # stamped by the reader: a rest would be its lag
        ([stream(20)] * 36 + [stream(2)] * 4, 0.0),
        ([stream(20)] * 99 + [stream(2)], REST_S),  # one stream that may be bounded
    ],
)
def test_when_there_is_a_rest(
    exchanges: list[Exchange], rest_s: float, pacing: Pacing, poller: Poller
) -> None:
    pacing.look(lanes_with(exchanges))
    assert poller.rest_s == rest_s


def test_there_is_no_rest_where_stamps_come_to_be_bounded(pacing: Pacing, poller: Poller) -> None:
    lanes = lanes_with([stream(20)] * 40)
    pacing.count(record(1))  # one of its two events shared a read
    pacing.look(lanes)
    assert poller.rest_s == 0.0


def test_on_another_loop_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.new_event_loop()
    Pacing(loop).look(lanes_with([stream(20)] * 40))
    loop.close()
    assert gap_s(stream(20)) == pytest.approx(0.02)


def watched(loop: PollingLoop) -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair()

    def read() -> None:
        near.recv(10)

    loop.poller.add_socket(near.fileno(), read)
    return near, far


@pytest.mark.parametrize("hurried", [True, False])
def test_a_rest_lasts_unless_what_is_urgent_comes(hurried: bool) -> None:
    loop = PollingLoop()
    near, far = watched(loop)
    loop.poller.rest_s = 0.2
    if hurried:
        loop.poller.hurry(near.fileno())
    far.send(b"x")
    began = time.monotonic()
    loop.poller.select(1.0)
    took = time.monotonic() - began
    assert took < 0.1 if hurried else took >= 0.2
    loop.poller.unhurry(near.fileno())
    loop.poller.remove_socket(near.fileno())
    near.close()
    far.close()
    loop.close()


def test_what_asyncio_waits_for_ends_a_rest_too() -> None:
    loop = PollingLoop()
    near, far = watched(loop)
    loop.poller.rest_s = 5.0
    loop.call_soon_threadsafe(lambda: None)
    began = time.monotonic()
    loop.poller.select(10.0)
    assert time.monotonic() - began < 1.0
    loop.poller.remove_socket(near.fileno())
    near.close()
    far.close()
    loop.close()
