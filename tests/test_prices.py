"""The prices that are in the package."""

from datetime import date
from pathlib import Path

import pytest

from llmbench.cells import Limits
from llmbench.config import DockerServer, ModelConfig, RemoteServer, load_model
from llmbench.metrics.capacity.economics import (
    capacity_units,
    occupied,
    price_of,
    usd_per_hour,
)
from llmbench.prices import price_list
from llmbench.value_types import Price

ROOT = Path(__file__).parents[1]
MINIMAL = """title = "T"
model = "m"
api = "openai-completions"
tokenizer = "t"
"""


def test_each_has_a_price_a_date_and_a_source() -> None:
    prices = price_list()
    assert len(prices.machines) > 60
    for machine in prices.machines.values():
        whole, by_size = machine.usd_per_hour, machine.usd_per_core_hour
        assert (whole is None) != (by_size is None)
    told = [(m.date, m.source) for m in prices.machines.values()]
    told += [(a.date, a.source) for a in prices.apis.values()]
    for day, source in told:
        assert date(2025, 1, 1) < date.fromisoformat(day) < date(2027, 1, 1)
        assert source.startswith("https://")


def test_the_suite_and_the_package_have_one_file() -> None:
    shipped = ROOT / "src" / "llmbench" / "prices" / "prices.toml"
    assert (ROOT / "fixtures" / "prices.toml").resolve() == shipped


def loaded(folder: Path, text: str) -> ModelConfig:
    file = folder / "m.toml"
    file.write_text(MINIMAL + text)
    return load_model(file)


def test_a_machine_s_name_is_enough(tmp_path: Path) -> None:
    config = loaded(tmp_path, '[server]\nkind = "simulated"\n[price]\nmachine = "aws-g5.xlarge"')
    assert config.price is not None
    assert (config.price.usd_per_hour, config.price.gpus) == (1.006, 1)
    assert (config.price.region, config.price.date) == ("us-east-1", "2026-09-24")
    assert capacity_units(config, Limits()) == (1, "GPU")


def test_what_the_table_says_itself_takes_precedence(tmp_path: Path) -> None:
    text = '[server]\nkind = "simulated"\n[price]\nmachine = "aws-g5.xlarge"\nusd_per_hour = 0.5'
    config = loaded(tmp_path, text)
    assert config.price is not None
    assert config.price.usd_per_hour == 0.5


def priced(server: DockerServer | RemoteServer, **price: float) -> ModelConfig:
    told = Price("r", "2026-11-01", "s", **price)  # type: ignore[arg-type]
    return ModelConfig("m", "M", "org/m", "openai-completions", "org/t", server, price=told)


def test_the_server_s_own_cores_and_memory_are_paid_for_each_instance() -> None:
    server = DockerServer(image="i", command=("c",), port=80, cores=2, memory="4g", instances=3)
    config = priced(server, usd_per_core_hour=0.1, usd_per_gib_hour=0.01)
    assert occupied(server, Limits()) == Limits(6, 12 * 2**30)
    assert occupied(server, Limits(cores=1)) == Limits(3, 12 * 2**30)
    price = price_of(config)
    assert price is not None
    assert usd_per_hour(price, occupied(server, Limits())) == pytest.approx(0.72)
    assert capacity_units(config, Limits()) == (6, "core")


def test_each_url_is_a_host_of_its_own() -> None:
    config = priced(RemoteServer(url="http://a", replicas=("http://b",)), usd_per_hour=2.0)
    price = price_of(config)
    assert price is not None
    assert usd_per_hour(price) == 4.0
    assert capacity_units(config, Limits()) is None
