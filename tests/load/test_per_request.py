"""What the client does for each request is short: what can be known before is not asked again."""

import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest

from llmbench.apis import dialect
from llmbench.cells import Cell, Users
from llmbench.clock import Clock
from llmbench.load.decoding import Decoder
from llmbench.load.plan.maker import Drawing
from llmbench.load.plan.requests import RequestMaker
from llmbench.load.wire.exchange import Exchange
from llmbench.load.wire.target import Target
from llmbench.records import Prompt
from tests.load.serving import DONE, endpoint, event


class Called:
    """Counts the Python functions that are called while it lasts, by their modules."""

    def __enter__(self) -> Counter[str]:
        self.by_module = Counter[str]()
        sys.setprofile(self._count)
        return self.by_module

    def __exit__(self, *exc: object) -> None:
        sys.setprofile(None)

    def _count(self, frame: FrameType, what: str, _: Any) -> None:
        if what == "call":
            self.by_module[frame.f_globals["__name__"]] += 1


@pytest.mark.parametrize("api", ["openai-completions", "openai-chat", "llama.cpp"])
def test_a_request_is_made_and_read_without_asking_a_protocol_what_the_dialect_is(
    api: str,
) -> None:
    target = Target(endpoint("http://127.0.0.1:1", api), dialect(api))
    drawing = Drawing(1, 1, "5a17", ())
    maker = RequestMaker(Cell("m", 8, 16, Users(1)), [Prompt("words", 8)], (target,), drawing)
    reader = Decoder(dialect(api), Clock(0), "cell", 1, 0)
    maker.make(0, user=1, request=0, phase="measured")  # the head of a request is made once

    with Called() as called:
        planned = maker.make(1, user=1, request=1, phase="measured")
        reader.record(planned, answered(event("a"), event("b"), DONE))

    assert called["llmbench.load.plan.requests"] and called["llmbench.load.decoding"]
    assert not called["typing"]  # where isinstance of a protocol takes 12 µs


def answered(*events: bytes) -> Exchange:
    exchange = Exchange()
    exchange.sent_ns, exchange.done_ns, exchange.status = 1_000, 9_000, 200
    exchange.chunks = list(events)
    exchange.reads = [(b"", 2_000 + number, number + 1) for number in range(len(events))]
    return exchange
