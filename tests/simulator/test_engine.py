"""The simulated engine's scheduler, in virtual time: 10 ms a step, 1 ms for each sequence."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from llmbench.simulator.scheduling.engine_model import EngineModel, Sequence
from llmbench.simulator.scheduling.prefix_cache import PrefixCache
from llmbench.simulator.scheduling.virtual import VirtualTime
from llmbench.value_types import EngineSteps

MS = 1_000_000
POLICIES = ("prefill-first", "mixed")


class Load:
    """Sequences that come at given times, and when each token of theirs left."""

    def __init__(
        self,
        jitter: float = 0.0,
        seed: int = 0,
        cache: PrefixCache | None = None,
        **steps: Any,
    ) -> None:
        usual = {"base_ms": 10, "ms_per_sequence": 1, "ms_per_prompt_token": 0.1}
        self.engine = EngineModel(
            EngineSteps(**usual | steps), jitter=jitter, seed=seed, cache=cache
        )
        self.time = VirtualTime(self.engine, self._brought)
        self.left_ms: dict[Sequence, list[float]] = defaultdict(list)

    def _brought(self, sequence: Sequence, tokens: int) -> None:
        self.left_ms[sequence] += [self.time.now_ns / MS] * tokens

    def at(self, ms: float, sequence: Sequence) -> Sequence:
        self.time.at(round(ms * MS), lambda: self.time.submit(sequence))
        return sequence


def started_ms(sequence: Sequence) -> float:
    assert sequence.started_ns is not None
    return sequence.started_ns / MS


def test_a_step_costs_what_its_sequences_context_and_prompts_do() -> None:
    load = Load(ms_per_context_token=0.01)
    alone = load.at(5, Sequence(100, 3))
    load.time.run()
    first = 5 + 10 + 1 + 100 * 0.1
    second = first + 11 + 100 * 0.01
    assert load.left_ms[alone] == pytest.approx([first, second, second + 11 + 101 * 0.01])
    assert load.engine.due_ns is None
    assert load.engine.held_tokens == 0


@pytest.mark.parametrize(
    ("sequences", "lasts_ms"), [(1, 10), (2, 10), (3, 15), (4, 20), (6, 22), (8, 24), (12, 26)]
)
def test_numbers_of_sequences_may_have_their_own_times(sequences: int, lasts_ms: float) -> None:
    """Lines join them; fewer than the first take as long, further ones as much as prompt tokens."""
    times = ((2, 10.0), (4, 20.0), (8, 24.0))
    load = Load(base_ms=0, ms_per_sequence=0, ms_per_prompt_token=0.5, batch_times_ms=times)
    first, *_ = [load.at(0, Sequence(1, 2)) for _ in range(sequences)]
    load.time.run()
    alone_ms, together_ms = load.left_ms[first]
    prompts_ms = 0.5 * (sequences - 1)
    assert (alone_ms, together_ms - alone_ms) == pytest.approx((10.5, lasts_ms + prompts_ms))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_step_computes_what_the_prefix_cache_does_not_hold(policy: str) -> None:
    load = Load(policy=policy, cache=PrefixCache(1000, 16))
    keys = tuple(range(7))  # of 112 tokens: a prompt of 100 and its answer
    first = load.at(0, Sequence(100, 12, keys=keys))
    again = load.at(500, Sequence(100, 1, keys=keys))
    longer = load.at(1000, Sequence(150, 1, keys=(*keys, 7, 8)))
    load.time.run()
    assert [it.cached for it in (first, again, longer)] == [0, 96, 112]
    assert load.left_ms[again] == pytest.approx([500 + 11 + 4 * 0.1])
    assert load.left_ms[longer] == pytest.approx([1000 + 11 + 38 * 0.1])


def test_a_sequence_that_was_dropped_leaves_only_its_prompt_in_the_cache() -> None:
    load = Load(cache=PrefixCache(1000, 16))
    keys = tuple(range(8))
    dropped = load.at(0, Sequence(64, 64, keys=keys))
    load.time.at(100 * MS, lambda: load.engine.drop(dropped))
    again = load.at(500, Sequence(128, 1, keys=keys))
    load.time.run()
    assert again.cached == 64


def test_speculated_tokens_leave_together() -> None:
    load = Load()
    alone = load.at(0, Sequence(10, 6, [1, 3, 2]))
    load.time.run()
    assert load.left_ms[alone] == [12.0, 23.0, 23.0, 23.0, 34.0, 34.0]


@pytest.mark.parametrize("policy", POLICIES)
def test_prompts_share_a_steps_budget_of_tokens(policy: str) -> None:
    load = Load(policy=policy, token_budget=200)
    three = [load.at(0, Sequence(100, 1)) for _ in range(4)]
    load.time.run()
    # the first came to an idle engine, which began at once
    assert [started_ms(s) for s in three] == [0, 21, 21, 53]


def test_a_prompt_interrupts_those_that_run_only_after_some_steps() -> None:
    load = Load(policy="prefill-first", most_waiting_steps=3, waiting_served_ratio=2.0)
    running = load.at(0, Sequence(10, 10))
    late = load.at(13, Sequence(100, 1))
    load.time.run()
    assert load.left_ms[running][:6] == [12, 23, 34, 45, 45 + 21 + 11, 45 + 21 + 11 * 2]
    assert started_ms(late) == 45
    assert load.left_ms[late] == [66]


def test_enough_prompts_interrupt_at_once() -> None:
    load = Load(policy="prefill-first", most_waiting_steps=30, waiting_served_ratio=2.0)
    load.at(0, Sequence(10, 10))
    late = [load.at(13, Sequence(10, 1)) for _ in range(2)]
    load.time.run()
    assert [started_ms(sequence) for sequence in late] == [23, 23]


def test_memory_is_set_aside_for_all_that_a_sequence_may_need() -> None:
    load = Load(policy="prefill-first", kv_tokens=250)
    load.at(0, Sequence(50, 50))
    second, third = (load.at(1, Sequence(50, 60)) for _ in range(2))
    seen: list[int] = []
    load.time.at(100 * MS, lambda: seen.append(load.engine.held_tokens))
    load.time.run()
    assert seen == [210]
    assert started_ms(third) > load.left_ms[second][0]
    assert load.engine.preemptions == 0
    assert {len(tokens) for tokens in load.left_ms.values()} == {50, 60}


def test_a_prompt_is_computed_in_pieces_while_others_decode() -> None:
    load = Load(token_budget=51)
    running = load.at(0, Sequence(10, 8))
    long = load.at(1, Sequence(150, 1))
    load.time.run()
    assert load.left_ms[running][:4] == [12, 29, 46, 63]  # each with 50 tokens of the other prompt
    assert load.left_ms[long] == [63]


def test_who_came_last_gives_its_memory_back_and_is_computed_anew() -> None:
    load = Load(kv_tokens=120)
    both = [load.at(0, Sequence(40, 40)), load.at(0, Sequence(40, 40))]
    load.time.run()
    assert load.engine.preemptions >= 1
    first, last = (load.left_ms[sequence] for sequence in both)
    assert (len(first), len(last)) == (40, 40)
    assert first[-1] < last[-1]
    gaps = [later - earlier for earlier, later in pairwise(last)]
    assert max(gaps) > 100  # preempted, until the first had ended


@pytest.mark.parametrize("policy", POLICIES)
def test_a_sequence_beyond_the_memory_runs_alone(policy: str) -> None:
    load = Load(policy=policy, kv_tokens=50, token_budget=64)
    large, small = load.at(0, Sequence(100, 5)), load.at(1, Sequence(10, 5))
    load.time.run()
    assert [len(load.left_ms[sequence]) for sequence in (large, small)] == [5, 5]


@pytest.mark.parametrize("policy", POLICIES)
def test_no_more_sequences_run_than_may(policy: str) -> None:
    load = Load(policy=policy, most_sequences=2)
    for _ in range(5):
        load.at(0, Sequence(10, 20))
    seen: list[int] = []
    for ms in range(0, 600, 10):
        load.time.at(ms * MS, lambda: seen.append(len(load.engine.running)))
    load.time.run()
    assert max(seen) == 2


def test_what_is_dropped_is_not_waited_for() -> None:
    load = Load(most_sequences=1)
    gone, waiting = load.at(0, Sequence(10, 100)), load.at(1, Sequence(10, 2))
    load.time.at(30 * MS, lambda: load.engine.drop(gone))
    load.time.run()
    assert len(load.left_ms[gone]) == 2
    assert started_ms(waiting) == 34


@pytest.mark.parametrize("policy", POLICIES)
def test_a_step_that_is_ended_late_takes_nobody_who_came_after_it(policy: str) -> None:
    engine = EngineModel(EngineSteps(10, ms_per_prompt_token=0.1, policy=policy))  # type: ignore[arg-type]
    running, late = Sequence(10, 3), Sequence(10, 1)
    engine.submit(running, 0)
    engine.submit(late, 12 * MS)  # the step that ended at 11 has not been seen to end
    assert engine.due_ns == 11 * MS
    engine.end_step()
    engine.end_step()
    assert late.started_ns is not None
    assert late.started_ns >= 21 * MS


@pytest.mark.parametrize("policy", POLICIES)
def test_an_idle_engine_waits_for_who_came_after_its_last_step(policy: str) -> None:
    engine = EngineModel(EngineSteps(10, policy=policy))  # type: ignore[arg-type]
    engine.submit(Sequence(10, 1), 0)
    late = Sequence(10, 1)
    engine.submit(late, 25 * MS)
    engine.end_step()
    assert (late.started_ns, engine.due_ns) == (25 * MS, 35 * MS)


def test_jitter_is_the_seeds() -> None:
    def times(seed: int) -> list[float]:
        load = Load(jitter=0.2, seed=seed)
        alone = load.at(0, Sequence(10, 500))
        load.time.run()
        return load.left_ms[alone]

    assert times(1) == times(1)
    assert times(1) != times(2)
    assert times(1)[-1] / 500 == pytest.approx(11, rel=0.03)
