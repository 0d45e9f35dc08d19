from msgspec import structs

from llmbench.cells import Limits
from llmbench.config import ModelConfig, SimulatedServer
from llmbench.metrics.capacity.sizes import Size, sizing, sizing_of
from llmbench.metrics.summary import summarise
from llmbench.metrics.tables import table
from llmbench.results import CellResult, Problem
from llmbench.value_types import Price
from tests.metrics.making import back_to_back, cell_run

GIB = 2**30
PRICE = Price("r", "2026-11-01", "s", usd_per_core_hour=0.04, usd_per_gib_hour=0.1)
CONFIG = ModelConfig("m", "M", "org/m", "openai", "org/tok", SimulatedServer(), price=PRICE)


def size(
    cores: float,
    gib: float,
    rate: float,
    *,
    miss: bool = False,
    invalid: bool = False,
    failure: str | None = None,
    instances: int | None = None,
) -> Size:
    summary = structs.replace(
        summarise(cell_run(), table(back_to_back(3))), output_tokens_per_s=rate
    )
    result = CellResult(
        summary,
        (Problem("client_lag", "lag"),) if invalid else (),
        (Problem("slo_p50", "TTFT too long"),) if miss else (),
    )
    limits = Limits(cores or None, round(gib * GIB) or None, instances)
    return Size(limits, () if failure else (result,), failure)


SWEEP = [
    size(0.5, 1, 20, miss=True),
    size(1, 0.125, 0, failure="OOM killed while loading"),
    size(1, 1, 50),
    size(1, 2, 50),
    size(2, 1, 90),
    size(4, 1, 110),
]


def test_the_ideal_is_the_fewest_cores_then_the_least_memory_that_will_do() -> None:
    found = sizing(SWEEP)
    assert found.ideal is not None
    assert found.ideal.limits == Limits(1, GIB)
    assert found.rule == (
        "valid, fits and meets the SLO; of these: fewest cores, then least memory"
    )


def test_with_a_price_the_ideal_is_the_cheapest() -> None:
    found = sizing([size(1, 4, 50), size(2, 1, 90)], CONFIG)
    assert found.ideal is not None
    assert found.ideal.limits == Limits(2, GIB)
    assert found.ideal.usd_per_hour == 0.18
    assert found.rule.endswith("lowest price for its cores and GiB")


def test_a_size_that_will_not_do_says_why() -> None:
    whys = {(r.limits.cores, r.limits.memory_bytes): r.why for r in sizing(SWEEP).rows}
    assert whys[0.5, GIB] == "TTFT too long"
    assert whys[1, GIB // 8] == "OOM killed while loading"
    assert whys[1, GIB] == ""
    assert sizing([size(1, 1, 1, invalid=True)]).rows[0].why == "lag"


def test_more_cores_pay_until_they_bring_less_than_half() -> None:
    found = sizing(SWEEP)
    assert found.diminishing is not None
    assert found.diminishing.limits.cores == 2  # 80 % for twice the cores, then 22 %
    assert found.returns == "more than 2 cores stop paying"
    assert sizing(SWEEP[2:4]).diminishing is None
    assert sizing(SWEEP[2:4]).returns == ""


def test_cores_that_paid_to_the_last_size_tried_are_told_so() -> None:
    found = sizing([size for size in SWEEP if (size.limits.cores or 0) <= 2])
    assert found.returns == "more cores paid up to 2, the most tried"


def test_efficiency_is_for_each_core() -> None:
    assert [r.tokens_per_s_per_core for r in sizing(SWEEP).rows if r.limits.cores == 2] == [45.0]


def test_nothing_feasible_has_no_ideal() -> None:
    assert sizing(SWEEP[:2]).ideal is None
    assert sizing([]).ideal is None
    assert sizing([Size(Limits(1), ())]).rows[0].why == "not measured"


SPLIT = [
    size(4, 4, 100, instances=1),
    size(2, 2, 130, instances=2),
    size(1, 2, 140, instances=4),
    size(4, 4, 160, instances=2),
]


def test_instances_are_chosen_too_and_cores_and_memory_are_those_of_all() -> None:
    found = sizing(SPLIT)
    assert [(r.instances, r.cores) for r in found.rows] == [(1, 4), (2, 4), (4, 4), (2, 8)]
    assert [r.tokens_per_s_per_core for r in found.rows] == [25.0, 32.5, 35.0, 20.0]
    assert found.ideal == found.rows[0]
    assert found.rule == (
        "valid, fits and meets the SLO; of these: fewest cores in all, then least memory, then "
        "fewest instances"
    )
    assert found.returns == "more than 4 cores stop paying"
    assert [found.extent(row) for row in found.rows] == ["1 x 4", "2 x 2", "4 x 1", "2 x 4"]
    assert found.axis == "instances x cores"


def test_a_price_counts_all_instances() -> None:
    found = sizing(SPLIT, CONFIG)
    prices = [round(row.usd_per_hour or 0.0, 2) for row in found.rows]
    assert prices == [0.56, 0.56, 0.96, 1.12]  # 4 x 0.04 + 4 x 0.1, …


def test_instances_without_a_limit_of_cores_have_returns_too() -> None:
    found = sizing([size(0, 0, rate, instances=n) for n, rate in ((1, 50), (2, 95), (4, 110))])
    assert found.ideal is not None
    assert found.ideal.limits == Limits(instances=1)
    assert (found.axis, found.returns) == ("instances", "more than 2 instances stop paying")
    assert [found.extent(row) for row in found.rows] == ["1", "2", "4"]
    found = sizing([size(0, 0, rate, instances=n) for n, rate in ((1, 50), (2, 60))])
    assert found.returns == "more than 1 instance stops paying"


def test_the_model_s_own_instances_count() -> None:
    twins = structs.replace(CONFIG, server=SimulatedServer(instances=2))
    (row,) = sizing([size(2, 1, 90)], twins).rows
    assert (row.instances, row.cores, row.tokens_per_s_per_core) == (2, 4, 22.5)


def of_model(model: str, cores: float) -> CellResult:
    """A result of that model on so many cores; 0: without limits."""
    (result,) = size(cores, 1, 10).results
    limits = Limits(cores, GIB) if cores else Limits()
    cell = structs.replace(result.summary.cell, model=model, limits=limits)
    return structs.replace(result, summary=structs.replace(result.summary, cell=cell))


def test_results_of_a_model_are_grouped_by_their_limits() -> None:
    results = [of_model(name, cores) for name in "ab" for cores in (0, 1, 2, 1)]
    found = sizing_of(results, "b")
    assert found is not None
    assert [row.limits.cores for row in found.rows] == [1, 2]


def test_one_size_is_no_choice() -> None:
    assert sizing_of([of_model("a", 0), of_model("a", 1), of_model("b", 2)], "a") is None
