"""Replays traffic on several replicas of a twin behind a router, in virtual time."""

from collections.abc import Sequence as Requests
from heapq import heappop, heappush
from typing import Literal

import numpy as np
from msgspec import Struct

from llmbench.simulator import EngineModel, Sequence
from llmbench.twin.cell_figures import Array
from llmbench.value_types import EngineSteps

Routing = Literal["round-robin", "least-requests"]

FILLING = 0.2
"""The share of the requests that come before what is measured: an empty fleet has to fill up."""


class TrafficRequest(Struct, frozen=True, gc=False):
    """A request of the traffic."""

    at_ms: float
    input_tokens: int
    output_tokens: int


class FleetTimes(Struct, frozen=True):
    """What a fleet made of the traffic: a value for each measured request, times in ms."""

    ttft_ms: Array
    time_per_token_ms: Array  # NaN for answers of one token
    latency_ms: Array
    input_tokens: int
    output_tokens: int
    span_ms: float  # in which they came
    drained_ms: float  # from the last arrival to the last token of all
    busy_share: float  # of the replicas' time, in which they compute, be it for one request


class Fleet:
    """Replicas with the same steps; `serve` replays traffic on them."""

    def __init__(self, steps: EngineSteps, replicas: int, routing: Routing) -> None:
        self._engines = [EngineModel(steps) for _ in range(replicas)]
        self._due: list[tuple[int, int]] = []  # ends of steps, and whose
        self._load = [0] * replicas  # requests under way
        self._busy_ns = 0
        self._done_ns: dict[Sequence, int] = {}
        self._routing, self._turn = routing, -1

    def serve(self, traffic: Requests[TrafficRequest]) -> FleetTimes:
        """Serve all requests, which are in the order of their arrival."""
        sequences = [Sequence(one.input_tokens, one.output_tokens) for one in traffic]
        for one, sequence in zip(traffic, sequences, strict=True):
            at_ns = round(one.at_ms * 1e6)
            self._advance(at_ns)
            self._submit(sequence, at_ns)
        busy_ms, end_ms = self._busy_ns / 1e6, traffic[-1].at_ms
        self._advance(None)
        first = round(FILLING * len(traffic))
        return self._served(traffic[first:], sequences[first:], busy_ms / end_ms)

    def _advance(self, until_ns: int | None) -> None:
        """End all steps that are due by a moment, or all there are."""
        due = self._due
        while due and (until_ns is None or due[0][0] <= until_ns):
            now_ns, number = heappop(due)
            engine = self._engines[number]
            if any(engine.work):
                self._busy_ns += now_ns - engine.began_ns
            for sequence, _ in engine.end_step():
                if sequence.is_done:
                    self._done_ns[sequence] = now_ns
                    self._load[number] -= 1
            if engine.due_ns is not None:
                heappush(due, (engine.due_ns, number))

    def _submit(self, sequence: Sequence, now_ns: int) -> None:
        number = self._route()
        engine = self._engines[number]
        idle = engine.due_ns is None
        engine.submit(sequence, now_ns)
        self._load[number] += 1
        if idle and engine.due_ns is not None:
            heappush(self._due, (engine.due_ns, number))

    def _route(self) -> int:
        if self._routing == "least-requests":
            return min(range(len(self._load)), key=self._load.__getitem__)
        self._turn = (self._turn + 1) % len(self._load)
        return self._turn

    def _served(
        self, traffic: Requests[TrafficRequest], sequences: Requests[Sequence], busy: float
    ) -> FleetTimes:
        sent = np.array([one.at_ms for one in traffic])
        first = np.array([one.first_ns for one in sequences], dtype=np.float64) / 1e6
        done = np.array([self._done_ns[one] for one in sequences]) / 1e6
        later = np.array([one.output_tokens - 1 for one in traffic], dtype=np.float64)
        later[later == 0] = np.nan
        return FleetTimes(
            first - sent,
            (done - first) / later,
            done - sent,
            sum(one.input_tokens for one in traffic),
            sum(one.output_tokens for one in traffic),
            float(sent[-1] - sent[0]),
            max(self._done_ns.values()) / 1e6 - float(sent[-1]),
            busy / len(self._engines),
        )
