"""Plans: drawn once, dealt without drawing again."""

import math
from itertools import pairwise
from pathlib import Path

import pytest

from llmbench.cells import Arrivals, Cell, Ramp, Shape, Trace, Users
from llmbench.config import ConfigError
from llmbench.load import input_lengths
from llmbench.load.plan.shapes import ClosedPlan, OpenPlan, deal, is_flat, plan


def cell(shape: Shape) -> Cell:
    return Cell("m", 8, 8, shape)


def closed(shape: Shape) -> ClosedPlan:
    made = plan(cell(shape), seed=1, repeat=1, warmup_per_user=1)
    assert isinstance(made, ClosedPlan)
    return made


def opened(shape: Shape, seed: int = 1, repeat: int = 1) -> OpenPlan:
    made = plan(cell(shape), seed=seed, repeat=repeat, warmup_per_user=1)
    assert isinstance(made, OpenPlan)
    return made


def test_users_start_at_the_spawn_rate() -> None:
    starts = closed(Users(4, 5, spawn_rate_per_s=2)).starts
    assert [(start.user, start.at_s) for start in starts] == [
        (1, 0.0),
        (2, 0.5),
        (3, 1.0),
        (4, 1.5),
    ]


def test_a_step_of_a_ramp_is_held_from_its_last_spawn() -> None:
    made = closed(Ramp((1, 3, 4), step_s=10, spawn_rate_per_s=1))
    assert [(s.users, s.spawn_s, s.hold_s) for s in made.steps] == [
        (1, 0.0, 10.0),
        (3, 1.0, 10.0),
        (4, 0.0, 10.0),
    ]
    assert [(start.user, start.step, start.at_s) for start in made.starts] == [
        (1, 0, 0.0),
        (2, 1, 0.0),
        (3, 1, 1.0),
        (4, 2, 0.0),
    ]


@pytest.mark.parametrize("steps", [(), (2, 2), (4, 2), (0, 1)])
def test_steps_that_do_not_rise_are_refused(steps: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="the steps of a ramp must rise, as in 1,2,4,8"):
        closed(Ramp(steps, step_s=1))


def test_users_without_an_end_are_refused() -> None:
    with pytest.raises(ConfigError, match="m-in8-out8-users2: give requests for each user, or a"):
        closed(Users(2, None))


def test_arrivals_without_an_end_are_refused() -> None:
    with pytest.raises(ConfigError, match="give a number of requests or a duration"):
        opened(Arrivals(1.0))


def test_constant_arrivals_are_evenly_spaced() -> None:
    times = [arrival.at_s for arrival in opened(Arrivals(4.0, "constant", requests=5)).arrivals]
    assert times == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_poisson_gaps_have_the_mean_and_spread_of_an_exponential() -> None:
    gaps = gaps_of(Arrivals(10.0, requests=20_000))
    assert math.isclose(mean(gaps), 0.1, rel_tol=0.03)
    assert math.isclose(spread(gaps), 1.0, rel_tol=0.03)


def test_burstiness_is_the_shape_of_the_gamma_distribution() -> None:
    gaps = gaps_of(Arrivals(10.0, "gamma", burstiness=4.0, requests=20_000))
    assert math.isclose(mean(gaps), 0.1, rel_tol=0.03)
    assert math.isclose(spread(gaps), 0.5, rel_tol=0.03)  # 1/sqrt(4)


def test_a_duration_leaves_arrivals_for_a_server_that_takes_long_to_fill_up() -> None:
    whole = opened(Arrivals(50.0, duration_s=20.0))
    assert whole.duration_s == 20.0
    assert 79.0 < whole.arrivals[-1].at_s < 80.0
    assert math.isclose(len(whole.arrivals), 4000, rel_tol=0.1)
    assert deal(whole, 1, 2).duration_s == 20.0


def test_the_same_seed_draws_the_same_schedule_and_another_another() -> None:
    shape = Arrivals(10.0, requests=50)
    assert opened(shape, seed=3) == opened(shape, seed=3)
    assert opened(shape, seed=3) != opened(shape, seed=4)


def test_each_repeat_draws_a_schedule_of_its_own() -> None:
    shape = Arrivals(10.0, requests=50)
    assert opened(shape, repeat=2) == opened(shape, repeat=2)
    assert opened(shape, repeat=2) != opened(shape, repeat=3)
    constant = Arrivals(10.0, "constant", requests=50)
    assert opened(constant, repeat=2) == opened(constant, repeat=3)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "shape", [Users(5, 3), Ramp((1, 4), 1.0), Arrivals(9.0, requests=40, max_in_flight=10)]
)
def test_dealing_loses_and_doubles_nothing(shape: Shape, workers: int) -> None:
    whole = plan(cell(shape), seed=1, repeat=1, warmup_per_user=1)
    shares = [deal(whole, worker, workers) for worker in range(workers)]
    if isinstance(whole, ClosedPlan):
        dealt = [s for share in shares if isinstance(share, ClosedPlan) for s in share.starts]
        assert sorted(dealt, key=lambda start: start.user) == list(whole.starts)
    else:
        opens = [share for share in shares if isinstance(share, OpenPlan)]
        both = sorted((a for s in opens for a in s.arrivals), key=lambda a: a.ordinal)
        assert both == list(whole.arrivals)
        assert sum(share.max_in_flight for share in opens) == 10


@pytest.mark.parametrize(
    ("rates", "flat"),
    [
        ([1.0], False),
        ([1.0, 2.0, 4.0], False),
        ([1.0, 2.0, 2.05], False),  # one step without gain may be chance
        ([1.0, 2.0, 2.05, 2.09], True),
        ([1.0, 2.0, 2.05, 2.2], False),
        ([4.0, 3.0, 2.0], True),
    ],
)
def test_requests_per_second_are_flat_after_two_steps_without_gain(
    rates: list[float], flat: bool
) -> None:
    assert is_flat(rates) is flat


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "azure.csv",
            "TIMESTAMP,ContextTokens,GeneratedTokens\n"
            "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:48.1805900,396,109\n",
        ),
        (
            "mooncake.jsonl",
            '{"timestamp": 27000, "input_length": 374, "output_length": 44, "hash_ids": [1]}\n'
            '{"timestamp": 28500, "input_length": 396, "output_length": 109}\n',
        ),
        ("own.csv", "timestamp_s,input_tokens,output_tokens\n11.5,396,109\n10,374,44\n"),
    ],
)
def test_traces_of_every_kind_are_read(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    arrivals = opened(Trace(str(path), speedup=3.0)).arrivals
    assert [arrival.lengths for arrival in arrivals] == [(374, 44), (396, 109)]
    assert [arrival.at_s for arrival in arrivals] == pytest.approx([0.0, 0.5], abs=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the trace holds no requests"),
        ("a,b\n1,2\n", "row 1: none of the columns timestamp_s, timestamp, TIMESTAMP; it has a, b"),
        ("timestamp,input_length,output_length\n1,x,3\n", "row 1: invalid literal for int"),
        ("timestamp,input_length,output_length\n1,5,0\n", "row 1: 0 tokens; every request"),
    ],
)
def test_a_bad_trace_is_named_with_its_row(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        opened(Trace(str(path)))
    assert str(raised.value).startswith(f"{path}: ") and message in str(raised.value)


def test_a_trace_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv: the trace can't be read"):
        opened(Trace("nowhere.csv"))


def test_a_trace_needs_prompts_of_the_deciles_of_its_lengths(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    rows = "".join(f"{second},{10 * (second + 1)},1\n" for second in range(101))
    path.write_text(f"timestamp_s,input_tokens,output_tokens\n{rows}")
    assert input_lengths(cell(Trace(str(path)))) == tuple(range(10, 1011, 100))
    assert input_lengths(cell(Users(4))) == (8,)


def gaps_of(shape: Arrivals) -> list[float]:
    times = [arrival.at_s for arrival in opened(shape).arrivals]
    return [b - a for a, b in pairwise(times)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def spread(values: list[float]) -> float:
    """Coefficient of variation."""
    middle = mean(values)
    return math.sqrt(mean([(value - middle) ** 2 for value in values])) / middle
