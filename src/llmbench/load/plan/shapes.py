"""Plans of who sends when.

A plan is drawn once from the seed and dealt to the workers without drawing again, so that the load
is the same however many workers carry it.
"""

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from llmbench.cells import Arrivals, Cell, Ramp, Trace, Users
from llmbench.config import ConfigError
from llmbench.load.plan.requests import generator
from llmbench.load.plan.traces import read_trace

FIRST = 10
"""The longest latency of this many arrivals says how long an empty server takes to fill up.

`llmbench.metrics` uses the same number; it knows all latencies, while a load knows only those that
have ended.
"""
MOST_FILLING = 3.0
"""Until the server has filled up, arrivals go on for at most this many durations."""
FLAT_GAIN = 1.05  # a step must bring 5 % over the best before it, more than noise does (3 %),
FLAT_STEPS = 2  # or else, twice in a row, the ramp has stopped rising


class Start(Struct, frozen=True):
    """A user of a closed loop, and when it begins: seconds after the start, or after its step's."""

    user: int
    at_s: float
    step: int = 0  # of a ramp: 0, 1, …


class RampStep(Struct, frozen=True):
    """A step of a ramp: the number of users, and how long it lasts at least.

    `spawn_s` is the time until its last new user begins; `hold_s` counts from then.
    """

    users: int
    spawn_s: float
    hold_s: float


class ClosedPlan(Struct, frozen=True):
    """Users that each send their next request when their last one has ended."""

    starts: tuple[Start, ...]
    users: int  # of all workers
    requests_per_user: int | None = None
    duration_s: float | None = None  # from the first measured request, and all are spawned
    steps: tuple[RampStep, ...] = ()
    stop_when_flat: bool = False
    warmup_per_user: int = 1
    converses: bool = False  # its requests are turns; limits and warm-up count conversations


class Arrival(Struct, frozen=True, gc=False):
    """A request of an open loop, due `at_s` after the start; a trace gives its lengths."""

    ordinal: int
    at_s: float
    lengths: tuple[int, int] | None = None


class OpenPlan(Struct, frozen=True):
    """Requests that start at their own times, whatever became of the others.

    With `duration_s` they end that long after the server has filled up, so there are more arrivals
    than will be sent.
    """

    arrivals: tuple[Arrival, ...]
    max_in_flight: int
    total: int  # of all workers
    warmup: int = 0
    duration_s: float | None = None
    converses: bool = False  # conversations arrive


Plan = ClosedPlan | OpenPlan


def plan(
    cell: Cell,
    *,
    seed: int,
    repeat: int,
    warmup_per_user: int,
    times_s: Sequence[float] = (),
) -> Plan:
    """The whole load of one repeat of `cell`, before it is dealt.

    `times_s` are the moments at which the requests of a replayed file are due.
    """
    shape = cell.shape
    if isinstance(shape, Users):
        return _users(cell, shape, warmup_per_user)
    if isinstance(shape, Ramp):
        return _ramp(cell, shape, warmup_per_user)
    if isinstance(shape, Arrivals):
        return _arrivals(cell, shape, (seed, repeat), warmup_per_user)
    if cell.traffic is not None:
        due = tuple(Arrival(ordinal, at_s) for ordinal, at_s in enumerate(times_s))
        return OpenPlan(due, shape.max_in_flight, len(due), warmup_per_user)
    return _trace(cell, shape, warmup_per_user)


def deal(whole: Plan, worker: int, workers: int) -> Plan:
    """The part of `whole` that `worker` (0, 1, …) of `workers` carries."""
    if isinstance(whole, ClosedPlan):
        return ClosedPlan(
            starts=whole.starts[worker::workers],
            users=whole.users,
            requests_per_user=whole.requests_per_user,
            duration_s=whole.duration_s,
            steps=whole.steps,
            stop_when_flat=whole.stop_when_flat,
            warmup_per_user=whole.warmup_per_user,
            converses=whole.converses,
        )
    share = whole.max_in_flight // workers + (worker < whole.max_in_flight % workers)
    return OpenPlan(
        arrivals=whole.arrivals[worker::workers],
        max_in_flight=share,
        total=whole.total,
        warmup=whole.warmup // workers + (worker < whole.warmup % workers),
        duration_s=whole.duration_s,
        converses=whole.converses,
    )


def is_flat(rates_per_s: Sequence[float]) -> bool:
    """Whether requests/s have stopped rising.

    They have if each of the last two steps brought less than 5 % over the best step before it.
    """
    if len(rates_per_s) <= FLAT_STEPS:
        return False
    return all(
        rates_per_s[-n] < FLAT_GAIN * max(rates_per_s[:-n]) for n in range(1, FLAT_STEPS + 1)
    )


def _users(cell: Cell, shape: Users, warmup_per_user: int) -> ClosedPlan:
    if shape.requests_per_user is None and shape.duration_s is None:
        raise ConfigError(f"{cell.id}: give requests for each user, or a duration, or both")
    if shape.users < 1:
        raise ConfigError(f"{cell.id}: {shape.users} users can't send anything; give at least 1")
    return ClosedPlan(
        starts=_spawn(range(1, shape.users + 1), shape.spawn_rate_per_s),
        users=shape.users,
        requests_per_user=shape.requests_per_user,
        duration_s=shape.duration_s,
        warmup_per_user=warmup_per_user,
        converses=cell.converses,
    )


def _ramp(cell: Cell, shape: Ramp, warmup_per_user: int) -> ClosedPlan:
    rising = all(a < b for a, b in zip((0, *shape.steps), shape.steps, strict=False))
    if not shape.steps or not rising:
        raise ConfigError(f"{cell.model}: the steps of a ramp must rise, as in 1,2,4,8")
    starts: list[Start] = []
    steps: list[RampStep] = []
    for number, users in enumerate(shape.steps):
        new = _spawn(range(len(starts) + 1, users + 1), shape.spawn_rate_per_s, number)
        starts += new
        steps.append(RampStep(users, new[-1].at_s, shape.step_s))
    return ClosedPlan(
        starts=tuple(starts),
        users=shape.steps[-1],
        steps=tuple(steps),
        stop_when_flat=shape.stop_when_flat,
        warmup_per_user=warmup_per_user,
        converses=cell.converses,
    )


def _spawn(users: range, rate_per_s: float | None, step: int = 0) -> tuple[Start, ...]:
    gap_s = 0.0 if rate_per_s is None else 1.0 / rate_per_s
    return tuple(Start(user, place * gap_s, step) for place, user in enumerate(users))


def _arrivals(cell: Cell, shape: Arrivals, drawn: tuple[int, int], warmup: int) -> OpenPlan:
    """Exactly `shape.requests`, or as many as its duration may need."""
    if shape.requests is not None:
        times_s, duration_s = arrival_times_s(cell, shape, *drawn, shape.requests), None
    elif shape.duration_s is not None:
        duration_s = shape.duration_s
        most_s = (1 + MOST_FILLING) * duration_s
        # gaps vary, so draw some more than the mean number; those that are too late are dropped
        spare_s = 0 if shape.distribution == "constant" else 6 * math.sqrt(most_s + 1)
        count = math.ceil(shape.rate_per_s * (most_s + spare_s)) + 16
        drawn_s = arrival_times_s(cell, shape, *drawn, count)
        times_s = [at_s for at_s in drawn_s if at_s < most_s]
    else:
        raise ConfigError(f"{cell.id}: give a number of requests or a duration")
    arrivals = tuple(Arrival(ordinal, at_s) for ordinal, at_s in enumerate(times_s))
    return OpenPlan(
        arrivals, shape.max_in_flight, len(arrivals), warmup, duration_s, cell.converses
    )


def arrival_times_s(cell: Cell, shape: Arrivals, seed: int, repeat: int, count: int) -> list[float]:
    """`count` deadlines, in seconds from the start.

    The first is at 0 for a constant rate, else after a first gap. Gaps are gamma distributed with
    mean 1/rate; the shape 1 is Poisson.
    """
    if shape.distribution == "constant":
        return [place / shape.rate_per_s for place in range(count)]
    k = 1.0 if shape.distribution == "poisson" else shape.burstiness
    draw = generator(seed, cell.load_name, str(repeat), "arrivals")
    gaps = draw.gamma(k, 1.0 / (shape.rate_per_s * k), count)
    return [float(at_s) for at_s in gaps.cumsum()]


def due_ns(cell: Cell, known: Mapping[int, int], *, seed: int, repeat: int) -> dict[int, int]:
    """The deadline of each request of an open loop, by its number; `known` has some of them."""
    planned = plan(cell, seed=seed, repeat=repeat, warmup_per_user=0)
    assert isinstance(planned, OpenPlan)
    at_ns = {arrival.ordinal + 1: round(arrival.at_s * 1e9) for arrival in planned.arrivals}
    request, deadline_ns = next(iter(known.items()))
    begin_ns = deadline_ns - at_ns[request]
    return {number: begin_ns + at for number, at in at_ns.items()}


def _trace(cell: Cell, shape: Trace, warmup: int) -> OpenPlan:
    rows = read_trace(shape.path)
    arrivals = tuple(
        Arrival(ordinal, row.at_s / shape.speedup, (row.input_tokens, row.output_tokens))
        for ordinal, row in enumerate(rows)
    )
    return OpenPlan(arrivals, shape.max_in_flight, len(arrivals), warmup)
