"""What a cell's summary tells of its server's GPUs. The samples are made up: none ran on a GPU."""

from typing import Any

import pytest

from llmbench.metrics.hardware.gpu_use import energy_in
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.metrics.windows import Window
from llmbench.records import GpuSample, ResourceSample
from llmbench.results import CellSummary
from tests.metrics.making import MS, START_NS, back_to_back, cell_run


def sample(at_ms: float, *gpus: GpuSample, **fields: Any) -> ResourceSample:
    sizes = [gpu.memory_bytes or 0 for gpu in gpus]
    return ResourceSample(
        round(START_NS + at_ms * MS),
        "m",
        "m-in128-out5-users1",
        1,
        50.0,
        1,
        gpu_memory_bytes=sum(sizes) if gpus else None,
        gpus=gpus,
        **fields,
    )


def summary(*samples: ResourceSample) -> CellSummary:
    return summarise(cell_run(), table(back_to_back(5)), samples)


def window(start_ms: float, end_ms: float) -> Window:
    return Window(START_NS + round(start_ms * MS), START_NS + round(end_ms * MS), "steady")


def test_gpus_are_averaged_and_summed_over_the_window() -> None:
    busy: dict[str, Any] = {
        "memory_bytes": 10,
        "temperature_c": 60,
        "sm_mhz": 1700,
        "slowed_by": (),
    }
    found = summary(
        sample(-900, GpuSample(0, percent=1, power_w=1, **busy), GpuSample(1, **busy)),
        sample(
            100,
            GpuSample(0, percent=90, power_w=300, **busy),
            GpuSample(1, percent=70, power_w=200, **busy),
        ),
        sample(
            600,
            GpuSample(0, percent=100, power_w=310, **busy | {"slowed_by": ("power cap",)}),
            GpuSample(1, percent=60, power_w=190, **busy | {"temperature_c": 81, "sm_mhz": 1300}),
        ),
    )
    assert found.gpu_percent_mean == 80
    assert found.gpu_power_w_mean == 500
    assert found.gpu_memory_bytes_max == 20
    assert (found.gpu_temperature_c_max, found.gpu_sm_mhz_mean) == (81, 1600)
    assert found.gpu_slowed_share == 0.25  # one of two GPUs in one of two samples


def test_a_server_without_gpus_has_none_of_it() -> None:
    found = summary(sample(100), sample(600))
    assert (found.gpu_percent_mean, found.gpu_slowed_share, found.gpu_energy_j) == (None,) * 3


def test_what_no_gpu_tells_is_not_known() -> None:
    found = summary(sample(100, GpuSample(0, percent=5)), sample(600, GpuSample(0, percent=15)))
    assert found.gpu_percent_mean == 10
    assert (found.gpu_power_w_mean, found.gpu_energy_j, found.gpu_slowed_share) == (None,) * 3


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected_j"),
    [
        (0, 1000, 500.0),  # both edges at readings: 300 J and 200 J
        (500, 1500, 150 + 100 + 100 + 250),  # edges between readings
        (1000, 2000, 700.0),
        (0, 2500, 1200 * 2.5 / 2),  # the last half second is like those before it
        (1500, 9000, None),  # hardly any of the window is covered
    ],
)
def test_energy_is_what_the_counters_gained_in_the_window(
    start_ms: float, end_ms: float, expected_j: float | None
) -> None:
    samples = [
        sample(0, GpuSample(0, energy_j=1000), GpuSample(1, energy_j=5000)),
        sample(1000, GpuSample(0, energy_j=1300), GpuSample(1, energy_j=5200)),
        sample(2000, GpuSample(0, energy_j=1500), GpuSample(1, energy_j=5700)),
    ]
    assert energy_in(samples, window(start_ms, end_ms)) == (
        None if expected_j is None else pytest.approx(expected_j)
    )


def test_the_energy_of_a_token_is_that_of_the_window_over_its_tokens() -> None:
    samples = [sample(at, GpuSample(0, energy_j=at * 0.4)) for at in (-100, 500, 1100)]
    found = summary(*samples)  # 400 W
    assert found.gpu_energy_j == pytest.approx(400 * found.window_s)
    assert found.output_tokens_per_s is not None
    assert found.gpu_energy_per_token_j == pytest.approx(400 / found.output_tokens_per_s)


def test_one_counter_that_is_missing_leaves_the_sum_unknown() -> None:
    samples = [
        sample(at, GpuSample(0, energy_j=at), GpuSample(1, energy_j=None)) for at in (0, 1000)
    ]
    assert energy_in(samples, window(0, 1000)) is None
