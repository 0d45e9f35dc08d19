"""Foretells what a cell would show, with an interval, in virtual time."""

from collections.abc import Sequence as Sequences
from itertools import product
from random import Random

import numpy as np
from msgspec import Struct, structs

from llmbench.simulator import EngineModel, Sequence, VirtualTime
from llmbench.twin.cell_figures import Array, CellFigures, tokens_per_s
from llmbench.twin.fitting.held_out import quantile, spread
from llmbench.twin.playing import ClosedLoad, TwinEngine, play
from llmbench.twin.step_costs import costs_of, with_costs
from llmbench.twin.twin_file import Twin
from llmbench.value_types import EngineSteps

REQUESTS_PER_USER = 20
RATE_REQUESTS = 300
_SEEDS = range(1, 9)  # of arrivals
_FILLING = 0.2  # the share of an open loop's requests that come before the window
_KEEPS_UP = 0.98  # an engine that serves less than this share of what comes is overloaded


class Interval(Struct, frozen=True):
    """A foretold figure and the ends of its 90 % interval."""

    value: float
    low: float
    high: float


class ForetoldCell(Struct, frozen=True):
    """What a cell would show. `outside` names what lies beyond the cells that were fitted."""

    input_tokens: int
    output_tokens: int
    load: str  # "8 users", "2.5 requests/s"
    ttft_ms: Interval
    time_per_token_ms: Interval | None  # None: answers of one token have none
    output_tokens_per_s: Interval
    requests_per_s: Interval
    outside: tuple[str, ...] = ()
    overloaded: bool = False


def foretell_users(
    twin: Twin, input_tokens: int, output_tokens: int, users: int, requests: int = REQUESTS_PER_USER
) -> ForetoldCell:
    """What a closed loop of `users` would show."""
    load = ClosedLoad(input_tokens, output_tokens, users, requests)
    played = play([load], TwinEngine(twin.steps, twin.in_turn))
    values = played.logs(costs_of(twin.steps))
    others = [played.logs(np.array(costs)) for costs in twin.leave_one_out]
    foretold = _foretold(values, others, twin.scatter_at(users), output_tokens)
    outside = _outside(twin, input_tokens, output_tokens, users)
    name = f"{users} user{'' if users == 1 else 's'}"
    return ForetoldCell(input_tokens, output_tokens, name, *foretold, outside)


def foretell_rate(
    twin: Twin, input_tokens: int, output_tokens: int, rate_per_s: float
) -> ForetoldCell:
    """What arrivals at this rate (Poisson) would show; how they come is chance, too."""

    def logs(steps: EngineSteps, seed: int) -> Array:
        return _arrivals_logs(steps, (input_tokens, output_tokens), rate_per_s, seed)

    draws = np.array([logs(twin.steps, seed) for seed in _SEEDS])
    values = draws.mean(axis=0)
    others = [logs(with_costs(twin.steps, np.array(c)), _SEEDS[0]) for c in twin.leave_one_out]
    ttft_ms, per_token_ms, of_tokens = np.exp(values)
    served = of_tokens / output_tokens
    in_flight = served * (ttft_ms + output_tokens * per_token_ms) / 1e3  # by Little's law
    scatter = np.hypot(twin.scatter_at(max(1.0, in_flight)), draws.std(axis=0, ddof=1))
    foretold = _foretold(values, others, scatter, output_tokens)
    outside = _outside(twin, input_tokens, output_tokens)
    offered = np.mean([_offered(rate_per_s, seed) for seed in _SEEDS])
    overloaded = bool(served < _KEEPS_UP * offered)
    name = f"{rate_per_s:g} requests/s"
    return ForetoldCell(input_tokens, output_tokens, name, *foretold, outside, overloaded)


def foretell(
    twin: Twin,
    lengths: tuple[tuple[int, ...], tuple[int, ...]],
    users: tuple[int, ...] = (),
    rates: tuple[float, ...] = (),
) -> list[ForetoldCell]:
    """The cells of a grid: each input length with each output length under each load."""
    return [
        cell
        for into, out in product(*lengths)
        for cell in (
            *(foretell_users(twin, into, out, count) for count in users),
            *(foretell_rate(twin, into, out, rate) for rate in rates),
        )
    ]


def _foretold(
    values: Array, others: Sequences[Array], scatter: Array, output_tokens: int
) -> tuple[Interval, Interval | None, Interval, Interval]:
    """The figures with intervals: of the costs (by fits without one cell), and of measurements."""
    reach = quantile(len(others)) * np.hypot(spread(np.array(others)), scatter)
    ttft, per_token, rate = (
        Interval(*map(float, np.exp((value, value - half, value + half))))
        for value, half in zip(values, reach, strict=True)
    )
    requests = Interval(*(end / output_tokens for end in structs.astuple(rate)))
    return ttft, per_token if output_tokens > 1 else None, rate, requests


def _outside(
    twin: Twin, input_tokens: int, output_tokens: int, users: int | None = None
) -> tuple[str, ...]:
    asked = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    if users is not None:
        asked["users"] = users
    ranges = {name: getattr(twin.range, name) for name in asked}
    return tuple(
        f"{name.replace('_', ' ')} {value} ({ranges[name][0]} to {ranges[name][1]} were fitted)"
        for name, value in asked.items()
        if not ranges[name][0] * 0.8 <= value <= ranges[name][1] * 1.25
    )


def _arrival_times_ms(rate_per_s: float, seed: int) -> Array:
    random = Random(f"{seed}/arrivals")
    gaps = [random.expovariate(rate_per_s) * 1e3 for _ in range(RATE_REQUESTS)]
    return np.cumsum(gaps)


def _offered(rate_per_s: float, seed: int) -> float:
    """The requests per second that really came in the window."""
    times = _arrival_times_ms(rate_per_s, seed)[round(_FILLING * RATE_REQUESTS) :]
    return 1e3 * (len(times) - 1) / float(times[-1] - times[0])


def _arrivals_logs(
    steps: EngineSteps, lengths: tuple[int, int], rate_per_s: float, seed: int
) -> Array:
    """The logarithms of the figures of an open loop."""
    sent = _arrival_times_ms(rate_per_s, seed)
    sequences = [Sequence(*lengths) for _ in sent]
    last_ms: dict[Sequence, float] = {}

    def brought(sequence: Sequence, _tokens: int) -> None:
        if sequence.is_done:
            last_ms[sequence] = time.now_ns / 1e6

    time = VirtualTime(EngineModel(steps), brought)
    for sequence, at_ms in zip(sequences, sent, strict=True):
        time.at(round(at_ms * 1e6), lambda one=sequence: time.submit(one))  # type: ignore[misc]
    time.run()
    first = np.array([sequence.first_ns for sequence in sequences], dtype=np.float64) / 1e6
    last = np.array([last_ms[sequence] for sequence in sequences])
    window = float(sent[round(_FILLING * len(sent))]), float(sent[-1])
    inside = (sent >= window[0]) & (sent < window[1])
    return CellFigures(
        float((first - sent)[inside].mean()),
        float((last - first)[inside].mean()) / max(1, lengths[1] - 1),
        tokens_per_s(first, last, window, lengths[1]),
    ).logs
