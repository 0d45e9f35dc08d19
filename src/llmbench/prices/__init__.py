"""The prices of common machines and of APIs, so that a configuration only names one.

They are in ``prices.toml``, each with its date and source.
"""

import difflib
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from llmbench.value_types import Count, Positive


class UnknownPrice(ValueError):
    """Nothing has this name in ``prices.toml``; the message says what has nearly the same."""


class Machine(Struct, frozen=True, forbid_unknown_fields=True):
    """What a machine costs: as a whole, or by its cores and GiB where it is sold by size."""

    region: str
    date: str  # ISO
    source: str
    usd_per_hour: Positive | None = None
    usd_per_core_hour: Positive | None = None
    usd_per_gib_hour: Positive | None = None
    gpus: Count | None = None
    cores: Count | None = None  # vCPUs


class TokenPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """What an API asks for tokens, in US dollars."""

    usd_per_million_input: Positive
    usd_per_million_output: Positive
    date: str  # ISO
    source: str


class PriceList(Struct, frozen=True, forbid_unknown_fields=True):
    """All that ``prices.toml`` holds, by name."""

    machines: dict[str, Machine]
    apis: dict[str, TokenPrice]


@cache
def price_list() -> PriceList:
    """The prices that are in the package."""
    text = (files("llmbench.prices") / "prices.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), PriceList)


def with_machine(raw: dict[str, Any]) -> dict[str, Any]:
    """A TOML's tables, with the price of the machine that `[price]` names filled in.

    What the table itself says takes precedence. `UnknownPrice` names the nearest machines, or the
    nearest APIs to compare with.
    """
    price = raw.get("price")
    if not isinstance(price, dict):
        return raw
    key = "price.against"
    try:
        if isinstance(price.get("against"), str):
            api_named(price["against"])
        key = "price.machine"
        if not isinstance(price.get("machine"), str):
            return raw
        known = msgspec.structs.asdict(machine_named(price["machine"]))
    except UnknownPrice as error:
        raise UnknownPrice(f"key {key!r}: {error}") from error
    return raw | {"price": {key: known[key] for key in known if known[key] is not None} | price}


def machine_named(name: str) -> Machine:
    """The machine of that name; `UnknownPrice` names the nearest."""
    machines = price_list().machines
    if name not in machines:
        raise UnknownPrice(_unlisted("machine", name, machines))
    return machines[name]


def api_named(name: str) -> TokenPrice:
    """The API of that name; `UnknownPrice` names the nearest."""
    apis = price_list().apis
    if name not in apis:
        raise UnknownPrice(_unlisted("API", name, apis))
    return apis[name]


def _unlisted(noun: str, name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"no {noun} {name!r} in prices.toml{hint} (docs/models.md lists them)"
