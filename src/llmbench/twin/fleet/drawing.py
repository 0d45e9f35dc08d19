"""Draws traffic: when requests come, how long they are, and what they have in common."""

from dataclasses import dataclass, field

import numpy as np
from msgspec import Struct

from llmbench.traffic import Conversations, SharedPrefix, Think
from llmbench.twin.fleet.fleet_state import NONE, Floats, Ints

LengthPairs = tuple[tuple[int, int], ...]
"""Input and output tokens of requests, of which the traffic is drawn."""

FILLING, EMPTYING = 0.2, 0.05
"""The shares of the time that come before and after what is measured, as a fleet has to fill up."""

_LIVES = 8
"""The time that is drawn at least, in lives of a conversation, so that filling takes longer."""


class PassingEvent(Struct, frozen=True):
    """Something that happens in the middle; what comes until twice its length is measured."""

    seconds: float
    factor: float = 1.0  # of the rate while it lasts


class Workload(Struct, frozen=True):
    """What is asked of a fleet: kinds of requests, and how many a second in the mean."""

    kind: LengthPairs | Conversations | SharedPrefix
    rate_per_s: float
    event: PassingEvent | None = None


@dataclass(frozen=True)
class DrawnTraffic:
    """Requests in rows; the turns of a conversation follow each other, and only the first is due.

    Later turns come `think_ns` after the answer before them.
    """

    at_ns: Floats  # infinite for later turns
    input_tokens: Ints
    output_tokens: Ints
    window_ns: tuple[float, float]  # of the arrivals that are measured
    event_ns: tuple[float, float] | None = None
    conversations: int = 0
    previous: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    following: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    think_ns: Floats = field(default_factory=lambda: np.zeros(0))
    group: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    group_tokens: Ints = field(default_factory=lambda: np.zeros(1, dtype=np.int32))


def draw(workload: Workload, requests: int, seed: int) -> DrawnTraffic:
    """Draw so many requests, or as many as the workload's event or conversations need."""
    random, kind = np.random.default_rng(seed), workload.kind
    seconds = max(requests / workload.rate_per_s, _least_seconds(workload))
    turns = kind.turns if isinstance(kind, Conversations) else 1
    at_ns, window_ns, event_ns = _arrivals(workload, seconds, turns, random)
    if isinstance(kind, Conversations):
        return _conversations(kind, at_ns, window_ns, event_ns, random)
    if isinstance(kind, SharedPrefix):
        return _shared_prefixes(kind, at_ns, window_ns, event_ns, random)
    pairs = np.array(kind, dtype=np.int32)
    if len(pairs) == 1:
        inputs, outputs = (np.full(len(at_ns), one, dtype=np.int32) for one in pairs[0])
    else:
        inputs, outputs = pairs[random.integers(len(pairs), size=len(at_ns))].T.copy()
    return DrawnTraffic(at_ns, inputs, outputs, window_ns, event_ns)


def _least_seconds(workload: Workload) -> float:
    """The shortest time in which a fleet fills up, and the event has come and gone."""
    kind, seconds = workload.kind, 0.0
    if isinstance(kind, Conversations):
        seconds = _LIVES * (kind.turns - 1) * kind.think.mean_s
    if workload.event is not None:
        seconds = max(seconds, 2 * workload.event.seconds / (1 - FILLING - EMPTYING))
    return seconds


def _arrivals(
    workload: Workload, seconds: float, turns: int, random: np.random.Generator
) -> tuple[Floats, tuple[float, float], tuple[float, float] | None]:
    """Poisson arrivals, the window in which they are measured, and when the event is."""
    start, stop, event_ns = FILLING * seconds, (1 - EMPTYING) * seconds, None
    marks_s, counts = [0.0, seconds], [0.0, seconds]  # the mean number that came by then
    if workload.event is not None:
        start = stop - 2 * workload.event.seconds
        end = start + workload.event.seconds
        event_ns, more = (start * 1e9, end * 1e9), workload.event.factor - 1
        marks_s = [0.0, start, end, seconds]
        extra = more * workload.event.seconds
        counts = [0.0, start, end + extra, seconds + extra]
    rate = workload.rate_per_s / turns
    count = max(2, random.poisson(rate * counts[-1]))
    uniform = np.sort(random.random(count))
    uniform *= counts[-1]
    at_ns = np.interp(uniform, counts, marks_s)
    at_ns *= 1e9
    return at_ns, (start * 1e9, stop * 1e9), event_ns


def _conversations(
    kind: Conversations,
    starts_ns: Floats,
    window_ns: tuple[float, float],
    event_ns: tuple[float, float] | None,
    random: np.random.Generator,
) -> DrawnTraffic:
    """Conversations in the order of their beginning; each turn repeats all that was said."""
    count, turns = len(starts_ns), kind.turns
    told = [kind.user_tokens[min(turn, len(kind.user_tokens) - 1)] for turn in range(turns)]
    said = kind.system_tokens + np.cumsum(told) + kind.output_tokens * np.arange(turns)
    rows = np.arange(count * turns, dtype=np.int32)
    turn = rows % turns
    at_ns = np.full(count * turns, np.inf)
    at_ns[::turns] = starts_ns
    return DrawnTraffic(
        at_ns,
        np.tile(said.astype(np.int32), count),
        np.full(count * turns, kind.output_tokens, dtype=np.int32),
        window_ns,
        event_ns,
        count,
        np.where(turn > 0, rows - 1, NONE).astype(np.int32),
        np.where(turn < turns - 1, rows + 1, NONE).astype(np.int32),
        _think_ns(kind.think, count * turns, random),
        np.zeros(1, dtype=np.int32),
        np.array([kind.system_tokens], dtype=np.int32),
    )


def _think_ns(think: Think, count: int, random: np.random.Generator) -> Floats:
    if think.distribution == "exponential":
        return random.exponential(think.mean_s * 1e9, count)
    if think.distribution == "lognormal":
        about = random.lognormal(-(think.sigma**2) / 2, think.sigma, count)
        return np.asarray(about * think.mean_s * 1e9)
    return np.full(count, think.mean_s * 1e9)


def _shared_prefixes(
    kind: SharedPrefix,
    at_ns: Floats,
    window_ns: tuple[float, float],
    event_ns: tuple[float, float] | None,
    random: np.random.Generator,
) -> DrawnTraffic:
    """Requests of groups, equally popular or by Zipf's law."""
    count, exponent = len(at_ns), kind.exponent if kind.popularity == "zipf" else 0.0
    weights = 1 / np.arange(1, kind.groups + 1) ** exponent
    return DrawnTraffic(
        at_ns,
        np.full(count, kind.prefix_tokens + kind.suffix_tokens, dtype=np.int32),
        np.full(count, kind.output_tokens, dtype=np.int32),
        window_ns,
        event_ns,
        group=random.choice(kind.groups, count, p=weights / weights.sum()).astype(np.int32),
        group_tokens=np.full(kind.groups, kind.prefix_tokens, dtype=np.int32),
    )
