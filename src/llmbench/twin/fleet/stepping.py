"""The scheduler of `llmbench.simulator`'s `EngineModel` for many replicas at once, compiled.

Between arrivals, prompts and ends of answers a batch stays what it is, and each step takes as much
longer than the one before it as the context grows. So these steps are one leap, whose length has a
closed form; an arrival cuts it off at the end of the step under way. tests/twin hold the two
schedulers to the same times.
"""

from llmbench.twin.fleet.compiled import compiled
from llmbench.twin.fleet.fleet_state import (
    NONE,
    PREEMPTIONS,
    TO_COME,
    UNDER_WAY,
    FleetState,
)
from llmbench.twin.fleet.prefix_segments import keep, look_up
from llmbench.twin.fleet.queueing import next_waiting, preempt_last, wait_last
from llmbench.twin.fleet.trees import push, set_leaf

INFINITY = float("inf")
MANY = 1 << 40


@compiled
def submit(f: FleetState, replica: int, request: int, now: float) -> None:
    """Let a request wait at a replica; an idle one begins a step, or first gathers what comes."""
    place, leaf = f.replicas[replica], len(f.due) // 2 + replica
    wait_last(f, replica, request)
    set_leaf(f.load, replica, f.load[leaf] + 1)
    f.totals[UNDER_WAY] += 1
    if f.due[leaf] < INFINITY:
        if place.steps > 1:
            _cut(f, replica, now)
    elif f.engine.gather > 0:
        place.began = now
        place.steps = 0
        set_leaf(f.due, replica, now + f.engine.gather)
    else:
        begin(f, replica, now)


@compiled
def end(f: FleetState, replica: int) -> None:
    """End the steps that are due at a replica, and begin the next."""
    place, now = f.replicas[replica], f.due[len(f.due) // 2 + replica]
    begun = replica * f.engine.most_sequences
    steps, decodes, kept = place.steps, True, begun
    for slot in range(begun, begun + place.count):
        tokens, row = f.planned[slot], f.requests[f.running[slot]]
        if tokens > 0:
            decodes = False
            row.computed += tokens
            row.left -= tokens
            if row.left == 0:
                keep(f, replica, f.running[slot], row.input_tokens)
                row.sent += 1
                if row.first < 0:
                    row.first = now
        elif tokens == 0:
            row.computed += steps
            row.sent += steps
    for slot in range(begun, begun + place.count):
        request = f.running[slot]
        if f.requests[request].sent < f.requests[request].output_tokens:
            f.running[kept] = request
            kept += 1
        else:
            _finish(f, replica, request, now)
    if decodes:
        place.alone += steps
    place.count = kept - begun
    begin(f, replica, now)


@compiled
def _finish(f: FleetState, replica: int, request: int, now: float) -> None:
    """Note that a request is done; its user begins to think about the answer."""
    row, leaf = f.requests[request], len(f.load) // 2 + replica
    keep(f, replica, request, row.input_tokens + row.output_tokens)
    row.done = now
    set_leaf(f.load, replica, f.load[leaf] - 1)
    f.totals[UNDER_WAY] -= 1
    if len(f.kin) > 1 and f.kin[request].following != NONE:
        following = f.kin[request].following
        push(f.soon, f.totals[TO_COME], now + f.kin[following].think, following)
        f.totals[TO_COME] += 1


@compiled
def begin(f: FleetState, replica: int, now: float) -> None:
    """Begin a step or a leap at a replica that has none under way."""
    engine, place = f.engine, f.replicas[replica]
    steps = _fill_mixed(f, replica) if engine.mixed else _fill_prefill_first(f, replica)
    if not place.count:
        if place.idle_since < 0:
            place.idle_since = now
        set_leaf(f.due, replica, INFINITY)
        return
    end_idling(f, replica, now)
    begun, resting, decoding, context, prompt = replica * engine.most_sequences, 0, 0, 0, 0
    for slot in range(begun, begun + place.count):
        tokens = f.planned[slot]
        if tokens > 0:
            prompt += tokens
        elif tokens == 0:
            decoding += 1
            context += f.requests[f.running[slot]].computed
        else:
            resting += 1
    place.began = now
    batch = engine.batch[place.count - resting]
    place.first_step = batch + engine.context * context + engine.prompt * prompt
    place.growth = engine.context * decoding
    place.steps = steps
    set_leaf(f.due, replica, now + _lasts(place.first_step, place.growth, steps))


@compiled
def end_idling(f: FleetState, replica: int, now: float) -> None:
    """Count the time for which a replica was idle, as far as it lies in the window."""
    place = f.replicas[replica]
    if place.idle_since >= 0:
        place.idle += max(0.0, min(now, f.window[1]) - max(place.idle_since, f.window[0]))
        place.idle_since = -1.0


@compiled
def _lasts(first_step: float, growth: float, steps: int) -> float:
    """How long so many steps last, of which each takes longer by `growth` than the one before."""
    return first_step * steps + growth * (steps * (steps - 1) // 2)


@compiled
def _cut(f: FleetState, replica: int, now: float) -> None:
    """Let a leap end with the step that is under way at `now`."""
    place = f.replicas[replica]
    past, first_step, growth, most = now - place.began, place.first_step, place.growth, place.steps
    # the root of `_lasts` = past, in the form that loses no digits
    half = first_step - growth / 2
    steps = min(int(2 * past / (half + (half * half + 2 * growth * past) ** 0.5)) + 1, most)
    while steps > 1 and _lasts(first_step, growth, steps - 1) > past:
        steps -= 1
    while steps < most and _lasts(first_step, growth, steps) <= past:
        steps += 1
    place.steps = steps
    set_leaf(f.due, replica, place.began + _lasts(first_step, growth, steps))


@compiled
def _steps_to_the_next_end(f: FleetState, replica: int) -> int:
    """After so many steps that only decode, the first of the answers is complete."""
    begun, steps = replica * f.engine.most_sequences, MANY
    for slot in range(begun, begun + f.replicas[replica].count):
        row = f.requests[f.running[slot]]
        steps = min(steps, row.output_tokens - row.sent)
    return steps


# whole prompts in steps of their own, as TGI 0.9.4 does


@compiled
def _fill_prefill_first(f: FleetState, replica: int) -> int:
    """Take waiting prompts into a step of their own, else decode; how many such steps follow."""
    place, begun = f.replicas[replica], replica * f.engine.most_sequences
    count, patience = place.count, f.engine.most_waiting_steps - place.alone
    taken = _whole_prompts(f, replica)
    least = int(count * f.engine.served_ratio) if count and patience > 0 else 1
    if taken and taken >= least:
        for slot in range(begun, begun + count):
            f.planned[slot] = NONE
        for slot in range(begun + count, begun + count + taken):
            request = next_waiting(f, replica)
            f.running[slot] = request
            f.planned[slot] = f.requests[request].left
        place.count = count + taken
        place.alone = 0
        return 1
    for slot in range(begun, begun + count):
        f.planned[slot] = 0
    steps = _steps_to_the_next_end(f, replica)
    return min(steps, patience) if taken else steps


@compiled
def _whole_prompts(f: FleetState, replica: int) -> int:
    """How many of those that wait fit, as far as budget, sequences and memory reach."""
    engine, place = f.engine, f.replicas[replica]
    begun, request, taken = replica * engine.most_sequences, place.head, 0
    if request == NONE:
        return 0
    budget, memory = engine.token_budget, engine.kv_tokens
    for slot in range(begun, begun + place.count):
        row = f.requests[f.running[slot]]
        memory -= row.input_tokens + row.output_tokens
    while request != NONE:
        look_up(f, replica, request)
        row = f.requests[request]
        budget -= row.left
        memory -= row.input_tokens + row.output_tokens
        full = budget < 0 or memory < 0 or taken == engine.most_sequences - place.count
        if full and (place.count or taken):
            break
        taken += 1
        request = row.behind
    return taken


# decoding and pieces of prompts in one step, as vLLM does


@compiled
def _fill_mixed(f: FleetState, replica: int) -> int:
    """Decode for all that run, and spend the rest of the budget on prompts, piece by piece.

    Where memory runs out, the sequence that came last gives its own back. The steps that can
    follow in one leap are those after which nothing ends, nobody is taken, and memory is left.
    """
    engine, place = f.engine, f.replicas[replica]
    begun = replica * engine.most_sequences
    budget, free, decodes = engine.token_budget, engine.kv_tokens, True
    for slot in range(begun, begun + place.count):
        free -= f.requests[f.running[slot]].computed
    before, slot = f.totals[PREEMPTIONS], begun
    while slot < begun + place.count:
        row = f.requests[f.running[slot]]
        tokens = min(max(1, row.left), budget)
        while free < tokens and place.count > 1 and slot < begun + place.count:
            free += preempt_last(f, replica)
        if slot == begun + place.count:
            break
        f.planned[slot] = NONE if not budget else tokens if row.left else 0
        decodes = decodes and f.planned[slot] == 0
        budget -= tokens
        free -= tokens
        slot += 1
    preempted = f.totals[PREEMPTIONS] > before
    while budget and not preempted and place.count < engine.most_sequences:
        request = place.head
        if request == NONE:
            break
        look_up(f, replica, request)
        row = f.requests[request]
        tokens = min(row.left, budget)
        if place.count and free < row.computed + tokens:
            break
        f.running[slot] = next_waiting(f, replica)
        f.planned[slot] = tokens
        free -= row.computed + tokens
        budget -= tokens
        decodes = False
        place.count += 1
        slot += 1
    if not decodes or preempted or not place.count:
        return 1
    steps = _steps_to_the_next_end(f, replica)
    # `free` is already less by one step; each further one takes a token for each sequence
    return min(steps, 1 + free // place.count) if place.count > 1 else steps
