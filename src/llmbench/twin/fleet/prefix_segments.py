"""The prefix caches of a fleet, as `llmbench.simulator`'s, without a key for each block.

What is cached of a conversation is always its beginning: a use touches the first blocks, the last
of them first, so that the deepest are the oldest and give way before the others. So it is enough to
know how many blocks were used together, and in which order: a segment for each request.
"""

from llmbench.twin.fleet.compiled import compiled
from llmbench.twin.fleet.fleet_state import NONE, FleetState


@compiled
def cached_blocks(f: FleetState, replica: int, request: int) -> tuple[int, int]:
    """The blocks of a prompt that a replica holds: of its group's prefix, and of its own.

    The last token of a prompt is always computed, as the first of the answer comes from it.
    """
    most = (f.requests[request].input_tokens - 1) // f.engine.block_tokens
    group = f.kin[request].group
    shared = min(most, f.kin[group_segment(f, replica, group)].blocks)
    if shared < f.group_blocks[group]:
        return shared, 0
    own, turn = 0, request
    while turn != NONE:
        if f.kin[turn].replica == replica:
            own += f.kin[turn].blocks
        turn = f.kin[turn].previous
    return shared, min(own, most - shared)


@compiled
def group_segment(f: FleetState, replica: int, group: int) -> int:
    """The number of a group's segment at a replica."""
    return len(f.requests) + replica * len(f.group_blocks) + group


@compiled
def look_up(f: FleetState, replica: int, request: int) -> None:
    """Find in the prefix cache what needn't be computed of a prompt that waits."""
    if not f.engine.block_tokens:
        return
    f.kin[request].replica = replica
    shared, own = cached_blocks(f, replica, request)
    _use_own(f, replica, request, own)
    _use_shared(f, replica, request, shared)
    found = (shared + own) * f.engine.block_tokens
    f.requests[request].left += f.requests[request].computed - found
    f.requests[request].computed = found


@compiled
def keep(f: FleetState, replica: int, request: int, tokens: int) -> None:
    """Hold the blocks of the first `tokens` tokens of a request's prompt and answer."""
    if not f.engine.block_tokens:
        return
    blocks = tokens // f.engine.block_tokens
    shared = min(blocks, f.group_blocks[f.kin[request].group])
    _use_own(f, replica, request, blocks - shared)
    _use_shared(f, replica, request, shared)
    _give_way(f, replica)


@compiled
def forget_all(f: FleetState, replica: int) -> None:
    """Empty the prefix cache of a replica."""
    segment = f.replicas[replica].oldest
    while segment != NONE:
        f.kin[segment].blocks = 0
        segment = f.kin[segment].newer
    f.replicas[replica].oldest = NONE
    f.replicas[replica].newest = NONE
    f.replicas[replica].blocks = 0


@compiled
def _use_own(f: FleetState, replica: int, request: int, blocks: int) -> None:
    """Make the first blocks of a conversation the most recently used, out of earlier turns'."""
    if blocks <= 0:
        return
    taken, turn = 0, request
    while turn != NONE and taken < blocks:
        kin = f.kin[turn]
        if kin.replica == replica and kin.blocks:
            own = kin.blocks if turn == request else min(kin.blocks, blocks - taken)
            taken += own
            if own == kin.blocks:
                _unlink(f, replica, turn)
            kin.blocks -= own
        turn = kin.previous
    kept = max(blocks, taken)
    f.kin[request].blocks = kept
    f.replicas[replica].blocks += kept - taken
    _link_newest(f, replica, request)


@compiled
def _use_shared(f: FleetState, replica: int, request: int, blocks: int) -> None:
    """Make the first blocks of a group's prefix the most recently used."""
    if blocks <= 0:
        return
    segment = group_segment(f, replica, f.kin[request].group)
    before = f.kin[segment].blocks
    if before:
        _unlink(f, replica, segment)
    f.kin[segment].blocks = max(before, blocks)
    f.replicas[replica].blocks += f.kin[segment].blocks - before
    _link_newest(f, replica, segment)


@compiled
def _give_way(f: FleetState, replica: int) -> None:
    """Forget the blocks that were not used for longest, until the others fit."""
    while f.replicas[replica].blocks > f.engine.most_blocks:
        segment = f.replicas[replica].oldest
        size = f.kin[segment].blocks
        less = min(size, f.replicas[replica].blocks - f.engine.most_blocks)
        if less == size:
            _unlink(f, replica, segment)
        f.kin[segment].blocks = size - less
        f.replicas[replica].blocks -= less


@compiled
def _link_newest(f: FleetState, replica: int, segment: int) -> None:
    before = f.replicas[replica].newest
    f.kin[segment].older = before
    f.kin[segment].newer = NONE
    if before == NONE:
        f.replicas[replica].oldest = segment
    else:
        f.kin[before].newer = segment
    f.replicas[replica].newest = segment


@compiled
def _unlink(f: FleetState, replica: int, segment: int) -> None:
    older, newer = f.kin[segment].older, f.kin[segment].newer
    if older == NONE:
        f.replicas[replica].oldest = newer
    else:
        f.kin[older].newer = newer
    if newer == NONE:
        f.replicas[replica].newest = older
    else:
        f.kin[newer].older = older
