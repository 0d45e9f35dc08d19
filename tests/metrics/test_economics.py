import pytest
from msgspec import structs

from llmbench.cells import Limits
from llmbench.metrics.capacity.economics import cost, usd_per_hour
from llmbench.value_types import Price

FOUR_A100 = Price(region="us-east-1", date="2023-09-01", source="p4d.24xlarge / 2")


@pytest.mark.parametrize(
    ("usd", "per_1000", "per_million", "output"),
    [(16.386, 4.14, 2.59, 41.38), (10.979, 2.77, 1.73, 27.72), (14.69, 3.71, 2.32, 37.10)],
)
def test_the_blogs_long_prompts(
    usd: float, per_1000: float, per_million: float, output: float
) -> None:
    found = cost(structs.replace(FOUR_A100, usd_per_hour=usd), 1.1, 1500, 100)
    assert found is not None
    assert found.per_1000_requests_usd == pytest.approx(per_1000, abs=0.005)
    assert found.per_million_tokens_usd == pytest.approx(per_million, abs=0.005)
    assert found.per_million_output_usd == pytest.approx(output, abs=0.005)


@pytest.mark.parametrize(
    ("usd", "per_1000", "per_million", "output"),
    [(16.386, 5.69, 10.34, 11.38), (10.979, 3.81, 6.93, 7.62), (14.69, 5.10, 9.27, 10.20)],
)
def test_the_blogs_long_answers(
    usd: float, per_1000: float, per_million: float, output: float
) -> None:
    found = cost(structs.replace(FOUR_A100, usd_per_hour=usd), 0.8, 50, 500)
    assert found is not None
    assert found.per_1000_requests_usd == pytest.approx(per_1000, abs=0.005)
    assert found.per_million_tokens_usd == pytest.approx(per_million, abs=0.005)
    assert found.per_million_output_usd == pytest.approx(output, abs=0.005)


def test_weighted_prices_add_up_to_the_requests() -> None:
    found = cost(structs.replace(FOUR_A100, usd_per_hour=10.0, output_weight=4.0), 1.0, 1000, 250)
    assert found is not None
    assert found.per_million_input_weighted_usd is not None
    assert found.per_million_output_weighted_usd == 4 * found.per_million_input_weighted_usd
    total = (
        1000 * found.per_million_input_weighted_usd + 250 * found.per_million_output_weighted_usd
    )
    assert total / 1e6 == pytest.approx(found.per_1000_requests_usd / 1000)


def test_half_the_utilisation_is_twice_the_price() -> None:
    price = structs.replace(FOUR_A100, usd_per_hour=10.0)
    full, half = cost(price, 1, 1, 1), cost(structs.replace(price, utilisation=0.5), 1, 1, 1)
    assert full is not None
    assert half is not None
    assert half.per_1000_requests_usd == 2 * full.per_1000_requests_usd


def test_cpu_hosts_are_priced_by_core_and_gib() -> None:
    price = structs.replace(FOUR_A100, usd_per_core_hour=0.04, usd_per_gib_hour=0.005)
    assert usd_per_hour(price, Limits(2.0, 4 * 2**30)) == pytest.approx(0.10)
    assert usd_per_hour(price, Limits(2.0)) is None
    assert cost(price, 1.0, 1, 1, Limits(2.0)) is None


def test_no_output_and_no_load_have_no_price() -> None:
    price = structs.replace(FOUR_A100, usd_per_hour=10.0)
    found = cost(price, 1.0, 100, 0)
    assert found is not None
    assert found.per_million_output_usd is None
    assert cost(price, 0.0, 100, 100) is None
