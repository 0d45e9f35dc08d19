"""A fleet of the simulator's own engines, step by step: what compiled fleets are held to."""

import numpy as np

from llmbench.simulator import EngineModel, Sequence
from llmbench.simulator.scheduling.prefix_cache import PrefixCache, prefix_cache
from llmbench.twin.fleet.drawing import DrawnTraffic
from llmbench.twin.fleet.replaying import Loss, Replicated

_UNEVEN = 1.25
_LOSS, _RETURN, _ARRIVAL = range(3)


class SteppedFleet:
    """Engines that are stepped one by one; `first_ns` and `done_ns` are what came of requests."""

    def __init__(self, fleet: Replicated, drawn: DrawnTraffic) -> None:
        self._fleet, self._drawn = fleet, drawn
        self._caches: list[PrefixCache | None] = [
            prefix_cache(fleet.cache) for _ in range(fleet.replicas)
        ]
        self._engines = [EngineModel(fleet.steps, cache=cache) for cache in self._caches]
        self._under_way: list[dict[Sequence, int]] = [{} for _ in self._engines]
        self._lost: set[int] = set()
        self._turn = -1
        self._events: list[tuple[float, int, int]] = []
        self._preempted = 0
        self.at_ns = [float(at) for at in drawn.at_ns]
        self.first_ns = [-1] * len(drawn.at_ns)
        self.done_ns = [-1] * len(drawn.at_ns)

    def serve(self, loss: Loss | None = None) -> None:
        known = enumerate(self.at_ns)
        self._events = [(at, _ARRIVAL, row) for row, at in known if np.isfinite(at)]
        if loss is not None:
            self._events.append((loss.from_ms * 1e6, _LOSS, loss.replicas))
            self._events.append((loss.to_ms * 1e6, _RETURN, loss.replicas))
        while True:
            at, kind, number = min(self._events, default=(np.inf, 0, 0))
            due, engine = min((one.due_ns or np.inf, n) for n, one in enumerate(self._engines))
            if due <= at:
                if due == np.inf:
                    return
                self._end_step(engine)
                continue
            self._events.remove((at, kind, number))
            if kind == _LOSS:
                self._lose(number, round(at))
            elif kind == _RETURN:
                self._lost -= set(range(number))
            else:
                self.at_ns[number] = at
                self._submit(number, round(at))

    @property
    def preemptions(self) -> int:
        return self._preempted + sum(engine.preemptions for engine in self._engines)

    def _end_step(self, number: int) -> None:
        engine, now_ns = self._engines[number], self._engines[number].due_ns
        assert now_ns is not None
        for sequence, _ in engine.end_step():
            row = self._under_way[number][sequence]
            if sequence.place == 1:
                self.first_ns[row] = now_ns
            if sequence.is_done:
                self.done_ns[row] = now_ns
                del self._under_way[number][sequence]
                following = self._following(row)
                if following >= 0:
                    at = now_ns + float(self._drawn.think_ns[following])
                    self._events.append((at, _ARRIVAL, following))

    def _following(self, row: int) -> int:
        return int(self._drawn.following[row]) if self._drawn.conversations else -1

    def _submit(self, row: int, now_ns: int) -> None:
        number = self._route(row)
        sequence = Sequence(*self._lengths(row), keys=self._keys(row))
        self._under_way[number][sequence] = row
        self._engines[number].submit(sequence, now_ns)

    def _lengths(self, row: int) -> tuple[int, int]:
        return int(self._drawn.input_tokens[row]), int(self._drawn.output_tokens[row])

    def _keys(self, row: int) -> tuple[int, ...]:
        """Blocks of a group's prefix have its keys, all others those of the conversation."""
        if self._fleet.cache is None:
            return ()
        block = self._fleet.cache.block_tokens
        group = int(self._drawn.group[row]) if len(self._drawn.group) > row else 0
        shared = int(self._drawn.group_tokens[group]) // block
        first = row
        while self._drawn.conversations and self._drawn.previous[first] >= 0:
            first = int(self._drawn.previous[first])
        return tuple(
            hash(("group", group, n) if n < shared else ("own", first, n))
            for n in range(sum(self._lengths(row)) // block)
        )

    def _route(self, row: int) -> int:
        there = [n for n in range(len(self._engines)) if n not in self._lost]
        load = {n: len(self._under_way[n]) for n in there}
        if self._fleet.routing == "least-requests":
            return min(there, key=lambda n: load[n])
        if self._fleet.routing == "round-robin":
            self._turn = next(
                turn
                for k in range(1, len(self._engines) + 1)
                if (turn := (self._turn + k) % len(self._engines)) in there
            )
            return self._turn
        bound = _UNEVEN * (sum(load.values()) + 1) / len(there)
        free = [n for n in there if load[n] < bound]
        return min(free, key=lambda n: (-self._held(n, row), load[n], self._size(n)))

    def _size(self, number: int) -> int:
        cache = self._caches[number]
        return 0 if cache is None else len(cache)

    def _held(self, number: int, row: int) -> int:
        """The blocks of a prompt that a replica's cache has."""
        cache = self._caches[number]
        if cache is None:
            return 0
        most = (self._lengths(row)[0] - 1) // cache.block_tokens
        keys = self._keys(row)[:most]
        return next((n for n, key in enumerate(keys) if key not in cache._ready_ns), len(keys))

    def _lose(self, replicas: int, now_ns: int) -> None:
        self._lost |= set(range(replicas))
        for number in range(replicas):
            engine, rows = self._engines[number], self._under_way[number]
            again = [rows[one] for one in (*engine.running, *engine.waiting)]
            self._preempted += engine.preemptions
            self._caches[number] = prefix_cache(self._fleet.cache)
            self._engines[number] = EngineModel(self._fleet.steps, cache=self._caches[number])
            self._under_way[number] = {}
            for row in again:
                self._submit(row, now_ns)
