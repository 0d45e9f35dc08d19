"""Who waits at a replica: a queue that is linked by its requests."""

from llmbench.twin.fleet.compiled import compiled
from llmbench.twin.fleet.fleet_state import CACHED, NONE, PREEMPTIONS, FleetState


@compiled
def wait_last(f: FleetState, replica: int, request: int) -> None:
    """Let a request wait behind all others."""
    place = f.replicas[replica]
    f.requests[request].behind = NONE
    if place.tail == NONE:
        place.head = request
    else:
        f.requests[place.tail].behind = request
    place.tail = request


@compiled
def next_waiting(f: FleetState, replica: int) -> int:
    """Take the request that has waited for longest, and count what is cached of its prompt."""
    place = f.replicas[replica]
    request = place.head
    place.head = f.requests[request].behind
    if place.head == NONE:
        place.tail = NONE
    if f.requests[request].sent == 0:
        f.totals[CACHED] += f.requests[request].computed
    return request


@compiled
def preempt_last(f: FleetState, replica: int) -> int:
    """Let the sequence that came last wait again and be computed anew; the tokens it held."""
    place = f.replicas[replica]
    place.count -= 1
    last = f.running[replica * f.engine.most_sequences + place.count]
    row = f.requests[last]
    held = row.computed
    row.left += held
    row.computed = 0
    row.behind = place.head
    place.head = last
    if place.tail == NONE:
        place.tail = last
    f.totals[PREEMPTIONS] += 1
    return int(held)
