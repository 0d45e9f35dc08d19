"""Runs an engine in virtual time: hours of load in seconds, since nobody sleeps."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from llmbench.simulator.scheduling.engine_model import EngineModel, Sequence


class VirtualTime:
    """Calls back at the moments of a load and of the engine's steps, in their order.

    `brought` is called with a sequence and its new tokens at the end of each step that has some.
    """

    def __init__(self, engine: EngineModel, brought: Callable[[Sequence, int], None]) -> None:
        self.now_ns = 0
        self._engine, self._brought = engine, brought
        self._calls: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, time_ns: int, call: Callable[[], None]) -> None:
        """Call `call` at a moment that has not passed."""
        heappush(self._calls, (time_ns, next(self._numbers), call))

    def submit(self, sequence: Sequence) -> None:
        """Give the engine a sequence now."""
        self._engine.submit(sequence, self.now_ns)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Go on until nothing is left to happen, or `until` says so; what is due comes first."""
        while not until():
            due_ns = self._engine.due_ns
            if self._calls and (due_ns is None or self._calls[0][0] < due_ns):
                self.now_ns, _, call = heappop(self._calls)
                call()
            elif due_ns is not None:
                self.now_ns = due_ns
                for sequence, tokens in self._engine.end_step():
                    self._brought(sequence, tokens)
            else:
                return
