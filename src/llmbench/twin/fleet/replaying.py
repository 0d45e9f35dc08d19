"""Replays traffic on the replicas of a twin: arrivals, ends of steps and losses in their order."""

import numpy as np
from msgspec import Struct

from llmbench.twin.cell_figures import Array
from llmbench.twin.fleet.compiled import compiled, compiled_and_kept
from llmbench.twin.fleet.drawing import DrawnTraffic
from llmbench.twin.fleet.fleet_state import (
    CACHED,
    LOST,
    NONE,
    PREEMPTIONS,
    TO_COME,
    TURN,
    UNDER_WAY,
    FleetEngine,
    FleetState,
    Floats,
    Ints,
    KinRow,
    ReplicaRow,
    RequestRow,
    SoonRow,
    column,
    engine_of,
    listed,
    rows,
    trees_of,
)
from llmbench.twin.fleet.prefix_segments import forget_all
from llmbench.twin.fleet.routing import ROUTINGS, Routing, route
from llmbench.twin.fleet.stepping import INFINITY, end, end_idling, submit
from llmbench.twin.fleet.trees import least_leaf, pop, set_leaf
from llmbench.value_types import EngineSteps, PrefixCacheSize


class Loss(Struct, frozen=True):
    """Replicas that are lost for a while; what they have under way is sent to others anew."""

    replicas: int
    from_ms: float
    to_ms: float


class Replicated(Struct, frozen=True):
    """So many replicas of an engine, and how requests are dealt to them."""

    steps: EngineSteps
    replicas: int
    routing: Routing = "least-requests"
    cache: PrefixCacheSize | None = None  # of each


class FleetTimes(Struct, frozen=True):
    """What a fleet made of the traffic: a value for each measured request, times in ms."""

    ttft_ms: Array
    time_per_token_ms: Array  # NaN for answers of one token
    latency_ms: Array
    input_tokens: int
    output_tokens: int
    cached_tokens: int  # of the prompts of all requests, when they were first taken
    prompt_tokens: int  # of all requests
    span_ms: float  # in which the measured ones came
    busy_share: float  # of the replicas' time in it, in which they compute, be it for one request
    preemptions: int


def serve(fleet: Replicated, drawn: DrawnTraffic, loss: Loss | None = None) -> FleetTimes:
    """Serve all requests, and measure those that come within the traffic's window."""
    return _times(replay(fleet, drawn, loss), drawn)


def replay(fleet: Replicated, drawn: DrawnTraffic, loss: Loss | None = None) -> FleetState:
    """Serve all requests; what became of each."""
    engine = engine_of(fleet.steps, fleet.cache)
    most = min(engine.most_sequences, len(drawn.at_ns))
    state = _state(engine._replace(most_sequences=most), fleet.replicas, drawn)
    known = np.flatnonzero(np.isfinite(drawn.at_ns))
    order = known[np.argsort(drawn.at_ns[known], kind="stable")].astype(np.int32)
    lost, times_ns = 0, np.array((np.inf, np.inf))
    if loss is not None:
        lost, times_ns = loss.replicas, np.array((loss.from_ms, loss.to_ms)) * 1e6
    _replay(state, listed(order), ROUTINGS.index(fleet.routing), lost, listed(times_ns))
    return state


def _state(engine: FleetEngine, replicas: int, drawn: DrawnTraffic) -> FleetState:
    """An idle fleet, and requests of which nothing has been done."""
    count, groups = len(drawn.at_ns), len(drawn.group_tokens)
    block = engine.block_tokens
    requests = rows(
        RequestRow,
        count,
        at=drawn.at_ns,
        input_tokens=drawn.input_tokens,
        output_tokens=drawn.output_tokens,
        left=drawn.input_tokens,
    )
    due, load = trees_of(replicas)
    places = replicas * engine.most_sequences
    totals = np.zeros(5, dtype=np.int64)
    totals[TURN] = NONE
    return FleetState(
        engine,
        requests,
        _kin(drawn, replicas * groups if block else 0),
        rows(ReplicaRow, replicas),
        listed(np.zeros(places, dtype=np.int32)),
        listed(np.zeros(places, dtype=np.int32)),
        due,
        load,
        listed(drawn.group_tokens // block if block else drawn.group_tokens),
        rows(SoonRow, max(1, drawn.conversations)),
        listed(totals),
        listed(np.array(drawn.window_ns)),
    )


def _kin(drawn: DrawnTraffic, groups: int) -> list[KinRow]:
    """What requests have in common, with so many rows for groups behind them, where it matters."""
    if not groups and not drawn.conversations:
        return rows(KinRow, 1)
    count = len(drawn.at_ns) + groups
    known = {
        name: np.resize(getattr(drawn, attribute), count)
        for name, attribute in (
            ("previous", "previous"),
            ("following", "following"),
            ("think", "think_ns"),
            ("group", "group"),
        )
        if len(getattr(drawn, attribute))
    }
    return rows(KinRow, count, **known)


@compiled_and_kept
def _replay(f: FleetState, order: Ints, routing: int, lost: int, loss: Floats) -> None:
    """Let everything happen: at one moment ends of steps come first, then losses, then arrivals."""
    position, losing = 0, 0
    while True:
        due, next_loss = f.due[1], INFINITY
        at, fixed = INFINITY, position < len(order)
        if fixed:
            at = f.requests[order[position]].at
        if f.totals[TO_COME] and f.soon[0].at < at:
            at, fixed = f.soon[0].at, False
        if losing < 2:
            next_loss = loss[losing]
        if due <= min(at, next_loss):
            if due == INFINITY:
                return
            end(f, least_leaf(f.due))
        elif next_loss <= at:
            _lose_or_return(f, routing, lost, next_loss, losing == 0)
            losing += 1
        else:
            if fixed:
                request = order[position]
                position += 1
            else:
                request = pop(f.soon, f.totals[TO_COME])
                f.totals[TO_COME] -= 1
                f.requests[request].at = at
            submit(f, route(f, routing, request), request, at)


@compiled
def _lose_or_return(f: FleetState, routing: int, lost: int, now: float, is_lost: bool) -> None:
    """Lose the first replicas, and send what they had under way to the others; or return them."""
    for replica in range(lost):
        set_leaf(f.load, replica, LOST if is_lost else 0)
    for replica in range(lost if is_lost else 0):
        place, begun = f.replicas[replica], replica * f.engine.most_sequences
        request = place.head
        for slot in range(begun + place.count - 1, begun - 1, -1):
            f.requests[f.running[slot]].behind = request
            request = f.running[slot]
        if place.idle_since < 0:
            place.idle_since = now
        place.count = 0
        place.head = NONE
        place.tail = NONE
        set_leaf(f.due, replica, INFINITY)
        if f.engine.block_tokens:
            forget_all(f, replica)
        while request != NONE:
            row = f.requests[request]
            again = request
            request = row.behind
            row.computed = 0
            row.left = row.input_tokens
            row.sent = 0
            row.first = -1.0
            f.totals[UNDER_WAY] -= 1
            submit(f, route(f, routing, again), again, now)


def _times(f: FleetState, drawn: DrawnTraffic) -> FleetTimes:
    """What the measured requests show, in the order of their arrival."""
    for replica in range(len(f.replicas)):
        end_idling(f, replica, INFINITY)
    start, stop = drawn.window_ns
    at, first, done = (column(f.requests, name) for name in ("at", "first", "done"))
    inside = np.flatnonzero((at >= start) & (at <= stop))
    if drawn.conversations:
        inside = inside[np.argsort(at[inside], kind="stable")]
    sent, first, done = at[inside] / 1e6, first[inside] / 1e6, done[inside] / 1e6
    outputs = drawn.output_tokens[inside]
    idle = float(column(f.replicas, "idle").sum()) / (len(f.replicas) * (stop - start))
    return FleetTimes(
        first - sent,
        (done - first) / np.where(outputs > 1, outputs - 1.0, np.nan),
        done - sent,
        int(drawn.input_tokens[inside].sum()),
        int(outputs.sum()),
        int(f.totals[CACHED]),
        int(drawn.input_tokens.sum()),
        (stop - start) / 1e6,
        1 - idle,
        int(f.totals[PREEMPTIONS]),
    )
