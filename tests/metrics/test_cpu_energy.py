"""The energy of processors and memory in a window, without what they take when idle."""

import pytest

from llmbench.metrics.hardware.cpu_energy import cpu_energy
from llmbench.metrics.windows import Window
from llmbench.records import ResourceSample

S = 1_000_000_000
WINDOW = Window(10 * S, 20 * S, "steady")


def sample(second: int, package_j: float | None, dram_j: float | None = None) -> ResourceSample:
    return ResourceSample(
        second * S, "m", "c", 1, 100.0, 1, package_j=package_j, dram_j=dram_j, idle_power_w=30.0
    )


def test_idle_power_is_subtracted() -> None:
    samples = [sample(k, 80.0 * k, 10.0 * k) for k in range(5, 26)]  # 90 W
    assert cpu_energy(samples, WINDOW, 50.0) == {
        "cpu_energy_j": pytest.approx(600.0),
        "cpu_energy_per_token_j": pytest.approx(1.2),
        "cpu_power_w_mean": pytest.approx(90.0),
        "idle_power_w": 30.0,
    }


def test_without_counters_nothing_is_told() -> None:
    assert cpu_energy([sample(k, None) for k in range(30)], WINDOW, 50.0) == {}


def test_samples_of_less_than_half_of_the_window_tell_no_energy() -> None:
    samples = [sample(k, 80.0 * k) for k in range(5, 14)]
    assert cpu_energy(samples, WINDOW, 50.0) == {"idle_power_w": 30.0}


def test_energy_is_never_below_nothing() -> None:
    samples = [sample(k, 20.0 * k) for k in range(5, 26)]
    assert cpu_energy(samples, WINDOW, 50.0)["cpu_energy_j"] == 0.0
