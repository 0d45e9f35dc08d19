"""Which replica a request goes to, as a router decides it that knows what it has sent."""

from typing import Literal, get_args

from llmbench.twin.fleet.compiled import compiled
from llmbench.twin.fleet.fleet_state import LOST, NONE, TURN, UNDER_WAY, FleetState
from llmbench.twin.fleet.prefix_segments import cached_blocks
from llmbench.twin.fleet.trees import least_leaf

Routing = Literal["round-robin", "least-requests", "prefix-affinity"]
ROUTINGS: tuple[Routing, ...] = get_args(Routing)

_UNEVEN = 1.25
"""How much more than the mean a replica may have under way and still be chosen for its cache.

Consistent hashing with bounded loads (Mirrokni et al., 2018) has this factor in HAProxy and KubeAI.
"""


@compiled
def route(f: FleetState, routing: int, request: int) -> int:
    """The replica of a request, by the place of a routing in `ROUTINGS`."""
    if routing == 0:
        return _in_turn(f)
    if routing == 1:
        return least_leaf(f.load)
    return _with_most_cached(f, request)


@compiled
def _in_turn(f: FleetState) -> int:
    load, replicas = f.load, len(f.replicas)
    turn = (f.totals[TURN] + 1) % replicas
    while load[len(load) // 2 + turn] >= LOST:
        turn = (turn + 1) % replicas
    f.totals[TURN] = turn
    return int(turn)


@compiled
def _with_most_cached(f: FleetState, request: int) -> int:
    """The replica that holds most of a prompt, of those that don't have too much to do.

    Among equals it is that with the fewest requests under way, then the emptiest cache.
    """
    load, replicas = f.load, len(f.replicas)
    leaves, there = len(load) // 2, 0
    for replica in range(replicas):
        if load[leaves + replica] < LOST:
            there += 1
    bound = _UNEVEN * (f.totals[UNDER_WAY] + 1) / there
    best, most = NONE, 0
    for replica in range(replicas):
        under_way = load[leaves + replica]
        if under_way >= bound:  # one more is at most the bound, rounded up
            continue
        cached = 0
        if f.engine.block_tokens:
            shared, own = cached_blocks(f, replica, request)
            cached = shared + own
        if best != NONE:
            if cached < most:
                continue
            best_load = load[leaves + best]
            fuller = f.replicas[replica].blocks >= f.replicas[best].blocks
            if cached == most and (under_way > best_load or (under_way == best_load and fuller)):
                continue
        best, most = replica, cached
    return best
