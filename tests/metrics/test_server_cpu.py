"""The CPU time that a token costs the server."""

import pytest
from msgspec import structs

from llmbench.metrics.hardware.server_cpu import cpu_in
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.metrics.windows import Window
from llmbench.records import CellRun, ResourceSample
from llmbench.results import CellSummary
from tests.metrics.making import MS, START_NS, back_to_back, cell_run

READINGS = ((0, 1000), (10, 1000), (20, 1010), (30, 1018), (40, 1018))


@pytest.mark.parametrize(
    ("start", "end", "used"),
    [(10, 30, 18.0), (0, 40, 18.0), (15, 30, 13.0), (20, 25, 4.0), (10, 20, 10.0)],
)
def test_the_window_has_what_was_used_between_its_edges(start: int, end: int, used: float) -> None:
    assert cpu_in(READINGS, Window(start, end, "steady")) == pytest.approx(used)


@pytest.mark.parametrize("readings", [(), READINGS[:2], READINGS[2:]])
def test_readings_that_do_not_reach_around_the_window_tell_nothing(
    readings: tuple[tuple[int, int], ...],
) -> None:
    assert cpu_in(readings, Window(5, 30, "steady")) is None


def busy(kind: str | None, cores: float = 0.5) -> CellRun:
    """A repeat whose server keeps `cores` busy for ten seconds from its start on."""
    readings = ((START_NS, 0), (START_NS + 10_000 * MS, round(cores * 10_000 * MS)))
    run = cell_run(server_cpu_ns=readings)
    launch = structs.replace(run.endpoint.launch, computes_on=kind)
    return structs.replace(run, endpoint=structs.replace(run.endpoint, launch=launch))


def summary(run: CellRun, samples: tuple[ResourceSample, ...] = ()) -> CellSummary:
    return summarise(run, table(back_to_back(5)), samples)


def test_cpu_time_is_for_each_token_of_the_window() -> None:
    found = summary(busy("cpu"))
    assert (found.window_s, found.computes_on_cpu) == (0.65, True)
    assert found.cpu_per_token_ms == pytest.approx(325 / 25)
    assert found.cpu_per_prompt_token_ms == pytest.approx(325 / 640)


@pytest.mark.parametrize("kind", ["gpu", None])
def test_it_is_told_but_does_not_gate_where_the_cpu_does_not_compute(kind: str | None) -> None:
    found = summary(busy(kind))
    assert found.cpu_per_token_ms == pytest.approx(13.0)
    assert not found.computes_on_cpu


def test_a_server_elsewhere_has_no_cpu_time_that_is_known() -> None:
    found = summary(cell_run())
    assert (found.cpu_per_token_ms, found.cpu_per_prompt_token_ms) == (None, None)


def test_stolen_time_and_frequency_are_those_of_the_window() -> None:
    samples = tuple(
        ResourceSample(
            START_NS + at_ms * MS,
            "m",
            "m-in128-out5-users1",
            1,
            50.0,
            1,
            steal_ns=stolen_ms * MS,
            cpu_mhz=mhz,
        )
        for at_ms, stolen_ms, mhz in ((-500, 0, 900.0), (100, 7, 2000.0), (600, 107, 3000.0))
    )
    found = summary(busy("cpu"), samples)
    assert (found.steal_share, found.cpu_mhz) == (0.2, 2500.0)
