"""What the compiled loops of a fleet work on: numbers, rows and arrays, times in ns.

A request is the number of its row, a replica that of its own. `NONE` is no one. Rows are those of
structured arrays where loops are compiled, else objects in a list.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar, cast, get_type_hints

import numpy as np
from numpy.typing import NDArray

from llmbench.twin.fleet.compiled import IS_COMPILED
from llmbench.value_types import EngineSteps, PrefixCacheSize

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]

NONE = -1
LOST = 1 << 40
"""Added to the requests under way of a replica that is lost, so that nobody chooses it."""


class FleetEngine(NamedTuple):
    """The costs of a step in ns, and the limits of all replicas."""

    batch: Floats  # by the number of sequences, from 0
    context: float
    prompt: float
    mixed: bool
    token_budget: int
    most_sequences: int
    kv_tokens: int
    served_ratio: float
    most_waiting_steps: int
    gather: float
    block_tokens: int  # of the prefix cache; 0: there is none
    most_blocks: int


class RequestRow:
    """What a request asks, and what has been done of it."""

    at: float  # infinite until the turn before it has been answered
    first: float = -1.0
    done: float = -1.0
    input_tokens: int
    output_tokens: int
    computed: int  # tokens whose keys and values are in memory
    left: int  # tokens to be computed before the next one comes
    sent: int
    behind: int  # the next one that waits


class KinRow:
    """What a request has in common with others, and its segment: blocks that were used together.

    Groups have such rows too, one at each replica, behind those of all requests.
    """

    think: float  # from the answer before it
    previous: int = NONE  # the turn before it
    following: int = NONE  # the turn after it
    group: int  # of those whose prompts begin alike
    replica: int = NONE  # that has the segment
    blocks: int
    older: int = NONE
    newer: int = NONE


class ReplicaRow:
    """Who waits at a replica, and what is under way: a single step, or a leap of several.

    The first step of a leap lasts `first_step` and each further one `growth` longer.
    """

    began: float
    first_step: float
    growth: float
    idle_since: float  # NONE while it computes
    idle: float  # within the window
    count: int  # of those that run
    head: int = NONE  # of those that wait
    tail: int = NONE
    steps: int
    alone: int  # steps since a prompt was taken
    blocks: int  # in the prefix cache
    oldest: int = NONE  # segment there
    newest: int = NONE


class SoonRow:
    """A turn to come."""

    at: float
    request: int


class FleetState(NamedTuple):
    """All of it; `totals` has a place for each of those named below."""

    engine: FleetEngine
    requests: list[RequestRow]
    kin: list[KinRow]  # a single row where no request has any
    replicas: list[ReplicaRow]
    running: Ints  # `most_sequences` places for each replica
    planned: Ints  # prompt tokens in the step under way; 0: decodes; NONE: rests
    due: Floats  # a tree of the ends of what is under way
    load: Longs  # a tree of the requests that wait or run
    group_blocks: Ints  # of each group's prefix
    soon: list[SoonRow]  # a heap
    totals: Longs
    window: Floats  # from and to, in which idle time counts


PREEMPTIONS, TURN, TO_COME, UNDER_WAY, CACHED = range(5)
"""Sequences that gave memory back; the last replica in turn; turns and requests; cached tokens."""


def engine_of(steps: EngineSteps, cache: PrefixCacheSize | None) -> FleetEngine:
    """The engine of a twin's steps; what binary fractions add to whole ns is taken off."""

    def nanoseconds(ms: float) -> float:
        return round(ms * 1e6, 6)

    return FleetEngine(
        listed(np.array([nanoseconds(steps.batch_ms(n)) for n in range(steps.most_sequences + 1)])),
        nanoseconds(steps.ms_per_context_token),
        nanoseconds(steps.ms_per_prompt_token),
        steps.policy == "mixed",
        steps.token_budget,
        steps.most_sequences,
        steps.kv_tokens,
        steps.waiting_served_ratio,
        steps.most_waiting_steps,
        nanoseconds(steps.gather_ms),
        cache.block_tokens if cache else 0,
        cache.tokens // cache.block_tokens if cache else 0,
    )


def trees_of(replicas: int) -> tuple[Floats, Longs]:
    """The trees of idle replicas, for what is due and what is under way."""
    leaves = 1 << (replicas - 1).bit_length()
    load = np.full(2 * leaves, 2 * LOST, dtype=np.int64)
    load[leaves : leaves + replicas] = 0
    for place in range(leaves - 1, 0, -1):
        load[place] = min(load[2 * place], load[2 * place + 1])
    return listed(np.full(2 * leaves, np.inf)), listed(load)


Row = TypeVar("Row")


def rows(kind: type[Row], count: int, **columns: NDArray[Any]) -> list[Row]:
    """Rows of a kind: with these columns, else its defaults, else 0."""
    fields = get_type_hints(kind)
    table = np.zeros(count, dtype=[(name, _DTYPES[fields[name]]) for name in fields])
    for name in fields:
        table[name] = columns.get(name, getattr(kind, name, 0))
    if IS_COMPILED:
        return cast("list[Row]", table)
    return [
        cast("Row", SimpleNamespace(**dict(zip(fields, row, strict=True))))
        for row in table.tolist()
    ]


_DTYPES = {float: np.float64, int: np.int32}


def column(table: list[Row], name: str) -> Floats:
    """A column of rows."""
    if isinstance(table, np.ndarray):
        return table[name]
    return np.array([getattr(row, name) for row in table], dtype=np.float64)


def listed(array: NDArray[Any]) -> Any:
    """The array, or its list, which is faster where loops are interpreted."""
    return array if IS_COMPILED else array.tolist()
