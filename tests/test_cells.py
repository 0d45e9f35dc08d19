"""Questions about a cell, which the cell and its shape answer."""

import pytest

from llmbench.cells import Arrivals, Cell, Limits, Ramp, Shape, Trace, Users

RAMP = Ramp((1, 4), 10.0)


@pytest.mark.parametrize(
    ("shape", "kind", "is_open_loop", "most_users", "load"),
    [
        (Users(8), "users", False, 8, 8),
        (Users(1, cold=True), "cold", False, 1, 1),
        (Users(1, depth=True), "depth", False, 1, 1),
        (RAMP, "ramp", False, 4, None),
        (Arrivals(2.5), "rate", True, None, 2.5),
        (Trace("azure.csv"), "trace", True, None, None),
    ],
)
def test_a_shape_tells_what_load_it_is(
    shape: Shape, kind: str, is_open_loop: bool, most_users: int | None, load: float | None
) -> None:
    told = (shape.kind, shape.is_open_loop, shape.most_users, shape.load)
    assert told == (kind, is_open_loop, most_users, load)


@pytest.mark.parametrize(
    ("shape", "is_cold", "in_rounds", "rate_per_s"),
    [
        (Users(8), False, True, None),
        (Users(1, cold=True), True, False, None),
        (RAMP, False, False, None),
        (Arrivals(2.5), False, False, 2.5),
        (Trace("azure.csv"), False, False, None),
    ],
)
def test_a_cell_tells_how_it_is_measured(
    shape: Shape, is_cold: bool, in_rounds: bool, rate_per_s: float | None
) -> None:
    cell = Cell("tiny", 128, 32, shape)
    assert (cell.is_cold, cell.in_rounds, cell.rate_per_s) == (is_cold, in_rounds, rate_per_s)


def test_cells_of_one_model_and_limits_share_a_server_and_a_name() -> None:
    limits = Limits(0.5, 2**29)
    one, other = (Cell("tiny", 128, 32, Users(n), limits) for n in (1, 8))
    assert one.server_key == other.server_key == ("tiny", limits, None)
    assert one.config_name == other.config_name == "tiny-cores0.5-mem512m"
    assert one.id == "tiny-cores0.5-mem512m-in128-out32-users1"


def test_a_trial_is_a_cell_of_its_own_at_another_load() -> None:
    rate = Cell("tiny", 128, 32, Arrivals(1.0, "gamma", 4.0)).trial(2.34567)
    assert rate == Cell("tiny", 128, 32, Arrivals(2.35, "gamma", 4.0, is_trial=True))
    assert rate.id == "tiny-in128-out32-rate2.35-gamma4-trial"
    users = Cell("tiny", 128, 32, Users(1)).trial(3.0)
    assert (users.id, users.is_trial) == ("tiny-in128-out32-users3-trial", True)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(), "no limits"),
        (Limits(1.0), "1 core"),
        (Limits(2.0, 4 * 2**30), "2 cores, 4 GiB"),
        (Limits(0.5, 2**29), "0.5 cores, 512 MiB"),
        (Limits(instances=1), "1 instance"),
        (Limits(2.0, instances=3), "3 x 2 cores"),
        (Limits(2.0, 4 * 2**30, 3), "3 x 2 cores, 4 GiB each"),
        (Limits(2.0, 4 * 2**30, 1), "1 x 2 cores, 4 GiB"),
    ],
)
def test_limits_in_words(limits: Limits, text: str) -> None:
    assert limits.text == text
