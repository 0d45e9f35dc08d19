"""Compiled fleets do at every moment what the simulator's own engines do step by step."""

import os
import subprocess
import sys
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmbench.traffic import Conversations, SharedPrefix, Think
from llmbench.twin.fleet.drawing import DrawnTraffic, LengthPairs, PassingEvent, Workload, draw
from llmbench.twin.fleet.fleet_state import PREEMPTIONS, column
from llmbench.twin.fleet.replaying import Loss, Replicated, replay, serve
from llmbench.twin.fleet.routing import ROUTINGS, Routing
from llmbench.value_types import EngineSteps, PrefixCacheSize
from tests.twin.stepped_fleet import SteppedFleet

STEPS = EngineSteps(base_ms=10.0, ms_per_prompt_token=0.1, most_sequences=1)
"""One request at a time: 100 tokens in and 2 out take 20 ms and a step of 10 ms."""

SERVICE_MS = 30.0
CHAT = Conversations("chat", 20, turns=3, user_tokens=(30,), system_tokens=64, think=Think(1.0))


def traffic(*requests: tuple[float, int, int]) -> DrawnTraffic:
    """Requests that come at these times (ms), with input and output tokens; all are measured."""
    at_ms, inputs, outputs = zip(*requests, strict=True)
    lengths = np.array((inputs, outputs), dtype=np.int32)
    return DrawnTraffic(np.array(at_ms) * 1e6, lengths[0], lengths[1], (0.0, 1e9))


def whole_ns(random: Random, least: int, most: int) -> float:
    """A cost in ms that is a whole number of ns, so that no clock has to round."""
    return random.randint(least, most) / 1e6


def any_batches(random: Random) -> dict[str, Any]:
    """Costs of a step's sequences, so that those of each number are whole ns."""
    base_ms = whole_ns(random, 1_000_000, 20_000_000)
    if random.random() < 0.5:
        return {"base_ms": base_ms, "ms_per_sequence": whole_ns(random, 0, 500_000)}
    return {"batch_times_ms": ((1, base_ms), (3, base_ms + 3), (7, base_ms + 5))}


def any_steps(random: Random) -> EngineSteps:
    return EngineSteps(
        **any_batches(random),
        ms_per_context_token=whole_ns(random, 0, 9_000),
        ms_per_prompt_token=whole_ns(random, 0, 100_000),
        policy=random.choice(("mixed", "prefill-first")),
        token_budget=random.choice((16, 64, 512, 4096)),
        most_sequences=random.choice((1, 2, 4, 16, 128)),
        kv_tokens=random.choice((300, 700, 2000, 1_000_000)),
        waiting_served_ratio=random.choice((0.3, 1.2)),
        most_waiting_steps=random.choice((1, 5, 20)),
        gather_ms=random.choice((0.0, 0.2, 3.0)),
    )


def any_kind(random: Random) -> LengthPairs | Conversations | SharedPrefix:
    output_tokens = random.choice((1, 2, 20, 37))
    if random.random() < 0.3:
        return tuple((random.randint(1, 200), random.choice((1, 2, 10, 60))) for _ in range(5))
    if random.random() < 0.4:
        return SharedPrefix(
            "groups", random.randint(1, 5), random.randint(1, 100), 17, output_tokens, "zipf"
        )
    return Conversations(
        "talks",
        output_tokens,
        turns=random.randint(1, 4),
        user_tokens=(random.randint(1, 50), 17),
        system_tokens=random.choice((0, 5, 33, 100)),
        think=Think(random.choice((0.0, 0.1, 1.0)), "lognormal"),
    )


def any_loss(random: Random, replicas: int) -> Loss | None:
    if replicas == 1 or random.random() < 0.6:
        return None
    lost_ms = whole_ns(random, 0, 5_000_000_000)
    return Loss(
        random.randint(1, replicas - 1), lost_ms, lost_ms + whole_ns(random, 1, 5_000_000_000)
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(0, 2**32))
def test_compiled_fleets_keep_the_times_of_stepped_ones(random: Random, seed: int) -> None:
    sizes = [PrefixCacheSize(random.choice((160, 800, 100_000)), block) for block in (8, 16)]
    cache, replicas = random.choice((None, *sizes)), random.randint(1, 5)
    fleet = Replicated(any_steps(random), replicas, random.choice(ROUTINGS), cache)
    drawn = draw(Workload(any_kind(random), random.choice((2.0, 10.0, 50.0))), 80, seed)
    for times_ns in (drawn.at_ns, drawn.think_ns):
        times_ns[:] = np.round(times_ns)
    loss = any_loss(random, replicas)
    stepped = SteppedFleet(fleet, drawn)
    stepped.serve(loss)
    state = replay(fleet, drawn, loss)
    assert column(state.requests, "at").tolist() == stepped.at_ns
    assert column(state.requests, "first").tolist() == stepped.first_ns
    assert column(state.requests, "done").tolist() == stepped.done_ns
    assert state.totals[PREEMPTIONS] == stepped.preemptions


@pytest.mark.parametrize(
    "batches",
    [
        {"base_ms": 100 / 7, "ms_per_sequence": 1 / 3},
        {"batch_times_ms": ((1, 100 / 7), (2, 50 / 3), (9, 200 / 7))},
    ],
)
def test_costs_of_fractions_of_ns_agree_within_the_rounding_of_steps(
    batches: dict[str, Any],
) -> None:
    steps = EngineSteps(**batches, ms_per_context_token=1e-3 / 9, kv_tokens=2000)
    fleet, drawn = Replicated(steps, 2), draw(Workload(((64, 50), (32, 9)), 9.0), 200, 1)
    stepped = SteppedFleet(fleet, drawn)
    stepped.serve()
    done = column(replay(fleet, drawn).requests, "done")
    assert done == pytest.approx(np.array(stepped.done_ns), abs=1e3)


def test_a_replica_serves_one_after_the_other() -> None:
    served = serve(Replicated(STEPS, 1), traffic(*((at, 100, 2) for at in (0, 50, 60, 500, 1000))))
    assert served.ttft_ms.tolist() == pytest.approx([20.0, 20.0, 40.0, 20.0, 20.0])
    assert served.latency_ms[2] == pytest.approx(40.0 + 10.0)
    assert served.time_per_token_ms.tolist() == pytest.approx([10.0] * 5)
    assert served.busy_share == pytest.approx(4 * SERVICE_MS / 1000)


def test_round_robin_deals_in_turn_and_least_requests_to_the_free_one() -> None:
    arrivals = traffic((0, 100, 100), (1, 100, 2), (100, 100, 2), (200, 100, 2))
    in_turn = serve(Replicated(STEPS, 2, "round-robin"), arrivals)
    to_the_free = serve(Replicated(STEPS, 2, "least-requests"), arrivals)
    assert in_turn.ttft_ms[2] > 900
    assert to_the_free.ttft_ms[2] == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("routing", "least", "most"), [("round-robin", 0.44, 0.56), ("prefix-affinity", 0.66, 0.78)]
)
def test_affinity_sends_turns_where_their_conversation_is_cached(
    routing: Routing, least: float, most: float
) -> None:
    """Of the prompts of 94, 144 and 194 tokens 64, 112 and 160 could be cached: 78 %.

    By chance a turn comes where the one before it was in an eighth of cases; else it finds 64.
    """
    fleet = Replicated(STEPS, 8, routing, PrefixCacheSize(2_000))
    served = serve(fleet, draw(Workload(CHAT, 8.0), 4_000, seed=1))
    assert least < served.cached_tokens / served.prompt_tokens < most


def test_what_a_lost_replica_had_is_served_by_the_others() -> None:
    """It is lost after 15 of 30 ms; the other one then serves its own request, and this one."""
    arrivals = traffic((0, 100, 2), (5, 100, 2))
    served = serve(Replicated(STEPS, 2), arrivals, Loss(1, 15.0, 100.0))
    assert served.latency_ms.tolist() == pytest.approx([65.0, 30.0])


def test_turns_come_after_the_answers_before_them_and_the_thinking() -> None:
    drawn = draw(Workload(CHAT, 0.5), 30, seed=3)
    requests = replay(Replicated(STEPS, 4), drawn).requests
    at, done = column(requests, "at"), column(requests, "done")
    later = np.flatnonzero(drawn.previous >= 0)
    assert at[later] == pytest.approx(done[drawn.previous[later]] + 1e9)


def test_the_same_traffic_for_the_same_seed() -> None:
    once, again, other = (draw(Workload(((100, 2),), 5.0), 50, seed).at_ns for seed in (1, 1, 2))
    assert once.tolist() == again.tolist()
    assert once[0] != other[0]


def test_a_burst_brings_more_requests_for_its_time() -> None:
    drawn = draw(Workload(((100, 2),), 100.0, PassingEvent(20.0, factor=3.0)), 10, seed=1)
    assert drawn.event_ns is not None
    start, end = drawn.event_ns
    during = np.count_nonzero((drawn.at_ns >= start) & (drawn.at_ns < end))
    after = np.count_nonzero((drawn.at_ns >= end) & (drawn.at_ns < drawn.window_ns[1]))
    assert end - start == pytest.approx(20e9)
    assert drawn.window_ns == pytest.approx((start, end + 20e9))
    assert during == pytest.approx(6000, rel=0.05)
    assert after == pytest.approx(2000, rel=0.08)


def test_without_numba_loops_are_interpreted() -> None:
    code = (
        "from llmbench.twin.fleet.replaying import Replicated, serve\n"
        "from llmbench.twin.fleet.drawing import Workload, draw\n"
        "from llmbench.value_types import EngineSteps, PrefixCacheSize\n"
        "from tests.twin.test_fleet import CHAT\n"
        "fleet = Replicated(EngineSteps(10.0), 3, 'prefix-affinity', PrefixCacheSize(2000))\n"
        "print(serve(fleet, draw(Workload(CHAT, 5.0), 200, 1)).latency_ms.sum())"
    )
    sums = [
        float(
            subprocess.run(
                [sys.executable, "-c", code],
                env=os.environ | {"NUMBA_DISABLE_JIT": disabled},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for disabled in ("0", "1")
    ]
    assert sums[0] == sums[1] > 0
