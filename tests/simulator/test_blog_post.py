"""The simulated Llama-2-70B gives the four figures of TrueFoundry's blog post, in virtual time."""

from pathlib import Path

import pytest

from llmbench.bench.grid import RAMP_STEP_S
from llmbench.cells import Ramp
from llmbench.config import SimulatedServer, load_model
from llmbench.metrics.capacity.curves import findings, latency_ms
from llmbench.metrics.capacity.ramps import steady_points
from tests.simulator.virtual_ramp import VirtualRamp

TOML = Path(__file__).parents[2] / "fixtures" / "models" / "llama-2-70b-sim.toml"
WITHIN = 0.06
USERS = tuple(2**n for n in range(8))  # as test_ramp.py climbs, unless users are given


@pytest.mark.parametrize(
    ("lengths", "best_s", "requests_per_s", "users"),
    [((1500, 100), 7.4, 1.1, 16), ((50, 500), 33.0, 0.8, 32)],
)
def test_best_latency_and_knee(
    lengths: tuple[int, int], best_s: float, requests_per_s: float, users: int
) -> None:
    server = load_model(TOML).server
    assert isinstance(server, SimulatedServer)
    assert server.steps is not None
    curve = VirtualRamp(server.steps, lengths, Ramp(USERS, RAMP_STEP_S)).curve()
    found = findings(steady_points(curve))
    assert found.best_latency is not None
    best_ms = latency_ms(found.best_latency)
    assert best_ms is not None
    assert best_ms / 1e3 == pytest.approx(best_s, rel=WITHIN)
    for point in (found.sustained, found.knee):
        assert point is not None
        assert point.load == users
        assert point.requests_per_s == pytest.approx(requests_per_s, rel=WITHIN)
    beyond = next(point for point in curve if point.load == 2 * users)
    latency = latency_ms(beyond)
    assert latency is not None
    assert latency > 2 * best_ms  # requests queue, as the blog post says
