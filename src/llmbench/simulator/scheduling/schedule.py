"""Decides when each token leaves, with slots, prefill, gaps and one heap of deadlines.

Deadlines are absolute, so a token that leaves late doesn't delay those after it.
"""

from collections import deque
from heapq import heappop, heappush, heapreplace
from itertools import count
from random import Random
from time import monotonic_ns
from typing import Protocol

from llmbench.config import SimulatedServer
from llmbench.simulator.scheduling.prefix_cache import prefix_cache
from llmbench.simulator.truth import Occupancy

LEAST_GAP = 0.1
"""A gap is never shorter than this share of the mean, however large the jitter."""


BURST_NS = 500_000
"""Tokens may keep the sockets waiting for 0.5 ms.

This doesn't falsify the receipt of a request, which the kernel stamps.
"""


class Stream(Protocol):
    """An answer under way as the schedule sees it."""

    prompt_tokens: int
    kv_tokens: int  # prompt and output, for which room is kept from the start
    tokens: int  # of its answer, as far as it goes
    sizes: list[int]  # the tokens of each step that speculates; empty: one each
    keys: tuple[int, ...]  # of the blocks of its prompt and its answer; empty: nothing is cached
    step: int  # gaps between two writes
    held: int  # gaps before the first write; an answer that is not streamed leaves at its end

    def started(self, started_ns: int, first_ns: int, cached_tokens: int | None) -> None:
        """Hear when it got its slot, when its first token is due and what was cached, before it."""

    def emit(self, due_ns: int, now_ns: int) -> bool:
        """Send what was due at `due_ns`; return whether nothing is left to send."""


class Scheduler(Protocol):
    """Decides when streams send their tokens, in real time."""

    @property
    def running(self) -> int:
        """The number of streams that have been started and have not ended."""

    @property
    def waiting(self) -> int:
        """The number of streams that wait to be started."""

    @property
    def preemptions(self) -> int:
        """How often a stream had to give its memory back."""

    @property
    def occupancy(self) -> Occupancy:
        """The truth about all these over time."""

    def admit(self, stream: Stream, received_ns: int) -> None:
        """Take a stream whose request came at `received_ns`."""

    def tick(self) -> int | None:
        """Send what is due and return the next deadline."""


class Schedule:
    """Grants slots and keeps the deadlines of all streams, each of which has its own gaps."""

    def __init__(self, config: SimulatedServer, seed: int) -> None:
        self._config = config
        self._random = Random(f"{seed}/gaps")
        self._heap: list[tuple[int, int, Stream]] = []
        self._numbers = count()
        self._waiting: deque[tuple[int, Stream]] = deque()  # when it came, and who
        self._even = not (config.jitter or config.max_batch_slowdown)
        self._even_gap_ns = round(config.ms_per_token * 1e6)
        self._kv_tokens = 0
        self._cache = prefix_cache(config.prefix_cache)
        self.running = 0
        self.preemptions = 0  # a slot is kept to the end
        self.occupancy = Occupancy()

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a slot."""
        return len(self._waiting)

    def admit(self, stream: Stream, received_ns: int) -> None:
        """Give a request a slot: now, or once one is free and no earlier request waits for it."""
        if self.running < self._config.slots:
            self._start(stream, received_ns)
        else:
            self._waiting.append((received_ns, stream))
        self._changed()

    def tick(self) -> int | None:
        """Send what is due, for `BURST_NS` at most, and return the next deadline."""
        heap = self._heap
        now_ns = monotonic_ns()
        end_ns = now_ns + BURST_NS
        while heap:
            due_ns, number, stream = heap[0]
            if due_ns > now_ns or now_ns > end_ns:
                return due_ns
            if stream.emit(due_ns, now_ns):
                heappop(heap)
                self._release(stream, due_ns)
            else:
                heapreplace(heap, (due_ns + self._gaps_ns(stream.step), number, stream))
            now_ns = monotonic_ns()
        return None

    def _start(self, stream: Stream, now_ns: int) -> None:
        self.running += 1
        self._kv_tokens += stream.kv_tokens
        rate = self._config.prefill_tokens_per_s
        cached = self._cached(stream, now_ns)
        computed = stream.prompt_tokens - (cached or 0)
        prefill_ms = 0.0 if rate is None else computed / rate * 1e3
        first_ns = now_ns + round((self._config.ttft_ms + prefill_ms) * 1e6)
        stream.started(now_ns, first_ns, cached)
        if self._cache is not None:
            self._cache.keep(stream.keys, first_ns, stream.prompt_tokens)
        heappush(self._heap, (first_ns + self._gaps_ns(stream.held), next(self._numbers), stream))

    def _cached(self, stream: Stream, now_ns: int) -> int | None:
        """The tokens of a prompt that needn't be computed; None without a prefix cache."""
        if self._cache is None:
            return None
        return self._cache.take(stream.keys, stream.prompt_tokens, now_ns)

    def _release(self, stream: Stream, now_ns: int) -> None:
        if self._cache is not None:
            self._cache.keep(stream.keys, now_ns)
        self.running -= 1
        self._kv_tokens -= stream.kv_tokens
        if self._waiting:
            received_ns, stream = self._waiting.popleft()
            self._start(stream, max(now_ns, received_ns))  # a slot may be freed late
        self._changed()

    def _changed(self) -> None:
        self.occupancy.changed(self.running, self.waiting, self._kv_tokens)

    def _gap_ns(self) -> float:
        """The mean time between two tokens of a stream at the present number of streams."""
        gap_ns = self._config.ms_per_token * 1e6
        if self._config.max_batch_slowdown and self._config.slots > 1:
            busy = (self.running - 1) / (self._config.slots - 1)
            gap_ns *= 1 + self._config.max_batch_slowdown * busy
        return gap_ns

    def _jittered_ns(self) -> float:
        gap_ns = self._gap_ns()
        if not self._config.jitter:
            return gap_ns
        return gap_ns * max(LEAST_GAP, self._random.gauss(1.0, self._config.jitter))

    def _gaps_ns(self, tokens: int) -> int:
        """The time that `tokens` more tokens take."""
        if self._even:
            return self._even_gap_ns * tokens
        return round(sum(self._jittered_ns() for _ in range(tokens)))


class Beat(Schedule):
    """Sends the tokens of all streams together, once a step, as continuous batching does."""

    def __init__(self, config: SimulatedServer, seed: int) -> None:
        super().__init__(config, seed)
        self._beat_ns: int | None = None

    def tick(self) -> int | None:
        """Send the tokens of a beat that is due, and return the next beat."""
        if self._beat_ns is None:
            self._beat_ns = self._heap[0][0] if self._heap else None
        if self._beat_ns is None or monotonic_ns() < self._beat_ns:
            return self._beat_ns
        self._send_beat(self._beat_ns)
        self._beat_ns = self._beat_ns + round(self._jittered_ns()) if self._heap else None
        return self._beat_ns

    def _send_beat(self, beat_ns: int) -> None:
        """Send what each stream has for this beat, once."""
        heap = self._heap
        for _ in range(len(heap)):
            due_ns, number, stream = heap[0]
            if due_ns > beat_ns:
                return
            if stream.emit(beat_ns, monotonic_ns()):
                heappop(heap)
                self._release(stream, beat_ns)
            else:
                heapreplace(heap, (beat_ns + self._gaps_ns(stream.step), number, stream))

    def _gaps_ns(self, tokens: int) -> int:
        """The time until midway between the beat of the last of `tokens` and the beat before it."""
        return tokens if tokens <= 1 else round((tokens - 0.5) * self._gap_ns())


def schedule(config: SimulatedServer, seed: int) -> Schedule:
    """The schedule that ``server.batching`` names."""
    return Beat(config, seed) if config.batching == "beat" else Schedule(config, seed)
