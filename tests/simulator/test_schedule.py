from dataclasses import dataclass, field

import pytest

from llmbench.config import SimulatedServer
from llmbench.simulator.scheduling import schedule as module
from llmbench.simulator.scheduling.schedule import Schedule, schedule
from llmbench.value_types import PrefixCacheSize

MS = 1_000_000
KEYS = tuple(range(10))


@dataclass
class Recorded:
    """A stream of `tokens` that writes down when each was due, and when it was sent."""

    tokens: int
    prompt_tokens: int = 1
    kv_tokens: int = 1
    step: int = 1
    held: int = 0
    sizes: list[int] = field(default_factory=list)
    keys: tuple[int, ...] = ()
    started_ns: int = 0
    cached_tokens: int | None = None
    due: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)

    def started(self, started_ns: int, first_ns: int, cached_tokens: int | None) -> None:
        self.started_ns, self.cached_tokens = started_ns, cached_tokens

    def emit(self, due_ns: int, now_ns: int) -> bool:
        self.due.append(due_ns / MS)
        self.sent.append(now_ns / MS)
        return len(self.due) * self.step >= self.tokens


class Time:
    """A clock that moves to the next deadline whenever there is one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 0
        monkeypatch.setattr(module, "monotonic_ns", lambda: self.now_ns)

    def run(self, made: Schedule) -> None:
        due_ns = made.tick()
        while due_ns is not None:
            self.now_ns = max(self.now_ns, due_ns)
            due_ns = made.tick()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def test_the_first_token_waits_for_ttft_and_the_others_for_a_gap_each(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20), 0)
    stream = Recorded(3)
    made.admit(stream, 5 * MS)
    clock.run(made)
    assert stream.due == [55, 75, 95]
    assert made.running == 0


def test_a_prompt_is_prefilled_first(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20, prefill_tokens_per_s=1000), 0)
    stream = Recorded(1, prompt_tokens=100)
    made.admit(stream, 0)
    clock.run(made)
    assert stream.due == [150]


def test_what_the_prefix_cache_holds_is_not_prefilled(clock: Time) -> None:
    size = PrefixCacheSize(tokens=1000, block_tokens=10)
    made = schedule(SimulatedServer(ttft_ms=50, prefill_tokens_per_s=1000, prefix_cache=size), 0)
    first, meanwhile, after = (Recorded(1, prompt_tokens=100, keys=KEYS) for _ in range(3))
    made.admit(first, 0)
    made.admit(meanwhile, 149 * MS)  # its blocks are there a millisecond later
    made.admit(after, 150 * MS)
    clock.run(made)
    assert (first.due, meanwhile.due, after.due) == ([150], [299], [210])
    assert [it.cached_tokens for it in (first, meanwhile, after)] == [0, 0, 90]


def test_without_a_prefix_cache_nothing_is_told_of_it(clock: Time) -> None:
    made = schedule(SimulatedServer(), 0)
    stream = Recorded(1, prompt_tokens=100, keys=KEYS)
    made.admit(stream, 0)
    assert stream.cached_tokens is None


def test_what_is_not_streamed_leaves_when_its_last_token_is_due(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20), 0)
    stream = Recorded(1, held=4)
    made.admit(stream, 0)
    clock.run(made)
    assert stream.due == [130]


def test_tokens_that_leave_together_take_as_long_as_one_by_one(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20), 0)
    stream = Recorded(6, step=3)
    made.admit(stream, 0)
    clock.run(made)
    assert stream.due == [50, 110]


def test_a_late_token_makes_none_after_it_late(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20), 0)
    stream = Recorded(3)
    made.admit(stream, 0)
    clock.now_ns = 60 * MS
    clock.run(made)
    assert stream.sent == [60, 70, 90]
    assert stream.due == [50, 70, 90]


def test_who_finds_no_slot_waits_for_one_in_order(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20, slots=1), 0)
    streams = [Recorded(2) for _ in range(3)]
    for stream in streams:
        made.admit(stream, 0)
    assert (made.running, made.waiting) == (1, 2)
    clock.run(made)
    assert [stream.due for stream in streams] == [[50, 70], [120, 140], [190, 210]]


def test_a_slot_that_is_freed_late_is_nobodys_before_he_came(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20, slots=1), 0)
    first, second = Recorded(1), Recorded(1)
    made.admit(first, 0)  # due at 50
    clock.now_ns = 60 * MS
    made.admit(second, 55 * MS)
    clock.run(made)
    assert (second.started_ns, second.due) == (55 * MS, [105])


def test_all_slots_busy_slow_the_gaps_down(clock: Time) -> None:
    config = SimulatedServer(ttft_ms=50, ms_per_token=20, slots=2, max_batch_slowdown=0.5)
    alone, both = schedule(config, 0), schedule(config, 0)
    single, first, second = Recorded(3), Recorded(3), Recorded(3)
    alone.admit(single, 0)
    clock.run(alone)
    clock.now_ns = 0
    both.admit(first, 0)
    both.admit(second, 0)
    clock.run(both)
    assert single.due == [50, 70, 90]
    assert first.due == second.due == [50, 80, 110]


def test_jitter_is_the_seeds(clock: Time) -> None:
    config = SimulatedServer(ttft_ms=50, ms_per_token=20, jitter=0.1)

    def gaps(seed: int) -> list[float]:
        clock.now_ns = 0
        made, stream = schedule(config, seed), Recorded(2001)
        made.admit(stream, 0)
        clock.run(made)
        assert stream.due[0] == 50
        return [after - before for before, after in zip(stream.due, stream.due[1:], strict=False)]

    first = gaps(1)
    assert first == gaps(1)
    assert first != gaps(2)
    assert sum(first) / 2000 == pytest.approx(20, rel=0.01)
    assert (sum((gap - 20) ** 2 for gap in first) / 2000) ** 0.5 == pytest.approx(2, rel=0.1)


def test_on_a_beat_all_tokens_leave_together(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20, batching="beat"), 0)
    first, second = Recorded(4), Recorded(2)
    made.admit(first, 0)
    made.admit(second, 7 * MS)  # due at 57, between two beats
    clock.run(made)
    assert first.due == [50, 70, 90, 110]
    assert second.due == [70, 90]


def test_on_a_beat_several_tokens_leave_every_so_many_beats(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20, batching="beat"), 0)
    stream = Recorded(9, step=3)
    made.admit(stream, 0)
    made.admit(Recorded(20), 0)
    clock.run(made)
    assert stream.due == [50, 110, 170]


def test_a_beat_begins_anew_when_nothing_runs(clock: Time) -> None:
    made = schedule(SimulatedServer(ttft_ms=50, ms_per_token=20, batching="beat"), 0)
    first, second = Recorded(2), Recorded(2)
    made.admit(first, 0)
    clock.run(made)
    made.admit(second, 500 * MS)
    clock.now_ns = 500 * MS
    clock.run(made)
    assert second.due == [550, 570]


def test_tokens_leave_the_sockets_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst that would never end is cut, so that requests are read."""
    now = iter(range(0, 10**12, 100_000))
    monkeypatch.setattr(module, "monotonic_ns", lambda: next(now))
    made = schedule(SimulatedServer(ttft_ms=0.000001, ms_per_token=0.000001), 0)
    stream = Recorded(10**6)
    made.admit(stream, 0)
    made.tick()  # it is not due yet
    assert made.tick() is not None
    assert len(stream.due) == 6  # 500 us, at 100 us each
